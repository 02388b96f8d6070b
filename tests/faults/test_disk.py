"""Disks that flip a bit or have no room left, and a process that may open no more files (rows K1 to K4).

The app has a mount namespace of its own, with a small disk for each of its folders. They are reached through /proc.
"""

import os
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from tests.deployments import PROGIMAGE, environment
from tests.e2e.conftest import eventually, store, upload
from tests.faults.test_store import refused
from tests.photos import photo, size_of
from tests.servers import Server, answers, free_port, nginx_server, running

pytestmark = pytest.mark.xdist_group("faults-disk")

SIZES = {"data": "24m", "objects": "8m", "temporary": "4m"}
FILES = 64


@dataclass(frozen=True, kw_only=True)
class Place:
    """The app and its folders as they are seen from outside."""

    app: Server
    api: httpx2.Client
    disks: dict[str, Path]

    def files(self, disk: str) -> dict[Path, int]:
        return {path: path.stat().st_size for path in self.disks[disk].rglob("*") if path.is_file()}

    def file(self, pattern: str) -> Path:
        (found,) = self.disks["objects"].glob(pattern)
        return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("app")
    disks = {name: folder / name for name in SIZES}
    for disk in disks.values():
        disk.mkdir()
    mounts = "".join(f"mount -t tmpfs -o size={size} none {disks[name]} && " for name, size in SIZES.items())
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [*own_mounts(), "sh", "-c", f'{mounts} exec "$@"', "sh", PROGIMAGE, "serve", "--port", str(port), "--data", disks["data"]]
    settings = {
        "PROGIMAGE_STORAGE_URL": str(disks["objects"]),
        "TMPDIR": str(disks["temporary"]),
        "PROGIMAGE_MEMORY_CACHE": "0",
        "PROGIMAGE_WARM": "",
        "PROGIMAGE_DRAIN_NOTICE": "0",
    }
    with (
        running(
            command, url=url, log=folder / "serve.log", ready=lambda: answers(f"{url}/readyz"), env=environment(settings), within=60
        ) as app,
        httpx2.Client(base_url=url, timeout=30) as api,
    ):
        yield Place(app=app, api=api, disks={name: Path(f"/proc/{app.pid}/root{disk}") for name, disk in disks.items()})


def own_mounts() -> list[str]:
    return ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """Not a byte is left on the disk."""
    filler = disk / "filler"
    try:
        with filler.open("wb", buffering=0) as file:
            for size in (1 << 16, 1 << 12, 1):
                fill(file.fileno(), size)
        yield
    finally:
        filler.unlink()


def fill(descriptor: int, size: int) -> None:
    try:
        while os.write(descriptor, bytes(size)):
            """On."""
    except OSError:
        return


@pytest.fixture
def picture(place: Place) -> tuple[str, bytes]:
    data = photo(400, 300)
    image = store(place.api, data)
    eventually(lambda: place.api.get(f"/images/{image}").json()["thumbhash"])
    return image, data


@contextmanager
def flipped(path: Path, at: int) -> Iterator[None]:
    """One bit of the file is another, as a bad disk gives it back."""
    whole = path.read_bytes()
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
    try:
        yield
    finally:
        path.write_bytes(whole)


def test_an_original_that_the_disk_damaged_is_refused(place: Place, picture: tuple[str, bytes]) -> None:
    image, data = picture
    with flipped(place.file(f"originals/*/{image}.jpg"), at=4000):
        assert refused(place.api.get(f"/img/{image}"))
        assert refused(place.api.get(f"/img/{image}", headers={"Range": "bytes=0-9"}))
        assert refused(place.api.get(f"/img/{image}/w300.png"))
        assert eventually(lambda: "original_damaged" in place.app.log_text())
    assert place.api.get(f"/img/{image}").content == data


def test_an_original_that_lost_its_end_is_refused(place: Place, picture: tuple[str, bytes]) -> None:
    image, data = picture
    path = place.file(f"originals/*/{image}.jpg")
    path.write_bytes(data[:-1])
    assert refused(place.api.get(f"/img/{image}"))
    path.write_bytes(data)
    assert place.api.get(f"/img/{image}").content == data


def test_a_variant_and_a_mezzanine_that_the_disk_damaged_are_made_again(place: Place) -> None:
    image = store(place.api, photo(2200, 1100))
    eventually(lambda: place.api.get(f"/images/{image}").json()["thumbhash"])
    whole = place.api.get(f"/img/{image}/w200.webp").content
    variants = place.disks["objects"] / "variants" / image
    (variant,) = (path for path in variants.iterdir() if path.suffix == ".webp" and "mezzanine" not in path.name)
    with flipped(next(variants.glob("mezzanine*")), at=2000):
        variant.write_bytes(whole[:-9] + bytes(9))
        assert size_of(place.api.get(f"/img/{image}/w200.webp").content) == (200, 100)
    assert eventually(lambda: place.app.log_text().count(f"variants/{image}/") >= 2)


def test_a_full_store_takes_no_upload_and_shows_what_it_has(place: Place, picture: tuple[str, bytes]) -> None:
    image, data = picture
    variant = place.api.get(f"/img/{image}/w64.webp").content
    new = photo(300, 200)
    with full(place.disks["objects"]):
        before = place.files("objects")
        assert refused(place.api.post("/images", content=new))
        assert refused(place.api.get(f"/img/{image}/w65.webp"))
        assert place.api.get(f"/img/{image}").content == data
        assert place.api.get(f"/img/{image}/w64.webp").content == variant
        assert place.files("objects") == before
    assert place.api.get(f"/img/{store(place.api, new)}").content == new
    assert size_of(place.api.get(f"/img/{image}/w65.webp").content)[0] == 65


def test_without_room_for_temporary_files_staged_pictures_have_to_wait(place: Place, picture: tuple[str, bytes]) -> None:
    image, data = picture
    new = photo(300, 200)
    staged = upload(place.api, photo(300, 201))[0]
    with full(place.disks["temporary"]):
        assert refused(place.api.post("/uploads", content=new))
        assert refused(place.api.get(f"/img/{staged}/w65.webp"))
        assert refused(place.api.get(f"/img/{staged}"))
        assert place.api.get(f"/img/{image}").content == data
        assert size_of(place.api.get(f"/img/{image}/w66.webp").content)[0] == 66
    assert size_of(place.api.get(f"/img/{staged}/w65.webp").content)[0] == 65
    assert place.api.post("/uploads", content=new).status_code == 202
    assert [path.name for path in place.files("temporary")] == []


def test_a_full_disk_below_the_database_stops_writes_only(place: Place, picture: tuple[str, bytes]) -> None:
    image, data = picture
    new = photo(300, 200)
    with full(place.disks["data"]):
        answer = place.api.post("/images", content=new)
        assert answer.status_code == 503
        assert answer.json()["type"].removeprefix("/problems/") in {"storage-unavailable", "staging-full", "catalog-unavailable"}
        assert place.api.get(f"/img/{image}").content == data
        assert place.api.get(f"/images/{image}").status_code == 200
        assert size_of(place.api.get(f"/img/{image}/w67.webp").content)[0] == 67
    answer = eventually(lambda: (found := place.api.post("/images", content=new)).status_code == 201 and found, within=20)
    assert place.api.get(f"/img/{answer.json()['id']}").content == new
    with closing(sqlite3.connect(place.disks["data"] / "catalog.sqlite3")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_who_may_open_no_more_files_sheds_and_recovers(place: Place, picture: tuple[str, bytes]) -> None:
    image, data = picture
    subprocess.run(["prlimit", "--pid", str(place.app.pid), f"--nofile={FILES}:"], check=True)
    with ExitStack() as stack:
        for _ in range(FILES):
            stack.enter_context(socket.create_connection(("127.0.0.1", httpx2.URL(place.app.url).port or 0)))
        eventually(lambda: len(list(Path(f"/proc/{place.app.pid}/fd").iterdir())) == FILES)
        spent = cpu_seconds(place.app.pid)
        addresses = (f"/img/{image}", f"/img/{image}/w68.webp", f"/images/{image}", "/images")
        assert {place.api.get(address).status_code for address in addresses} <= {200, 503}
        assert place.api.post("/images", content=photo(300, 200)).status_code in {201, 503}
        assert place.api.get("/livez").status_code == 200
        # A newcomer is sent away, and that must not take all of a core.
        with pytest.raises(httpx2.TransportError):
            httpx2.get(f"{place.app.url}/livez", timeout=1)
        time.sleep(0.5)
        assert cpu_seconds(place.app.pid) - spent < 1
    assert eventually(lambda: answers(f"{place.app.url}/livez"), within=5)
    assert place.api.get(f"/img/{image}").content == data
    assert eventually(lambda: place.api.get(f"/img/{image}/w69.webp").status_code == 200)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk for nginx")
def test_a_full_cache_of_nginx_gives_hits_or_nothing(place: Place, picture: tuple[str, bytes], tmp_path: Path) -> None:
    """nginx ends the connection of who misses: the shipped files leave room on that disk (`min_free`)."""
    image, _ = picture
    cache = tmp_path / "nginx" / "cache"
    cache.mkdir(parents=True)
    with ExitStack() as stack:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", cache], check=True)
        stack.callback(lambda: subprocess.run(["umount", "--lazy", cache], check=True))
        edge = stack.enter_context(nginx_server(tmp_path / "nginx", [place.app.url.removeprefix("http://")]))
        hit = httpx2.get(f"{edge.url}/img/{image}/w70.webp").content
        with full(cache):
            assert httpx2.get(f"{edge.url}/img/{image}/w70.webp").content == hit
            with pytest.raises(httpx2.RemoteProtocolError):
                httpx2.get(f"{edge.url}/img/{image}/w71.webp")
        answer = httpx2.get(f"{edge.url}/img/{image}/w71.webp")
        assert size_of(answer.content)[0] == 71
        time.sleep(0.1)
        assert httpx2.get(f"{edge.url}/img/{image}/w71.webp").headers["x-edge-cache"] == "HIT"
