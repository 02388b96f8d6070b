"""Disks that flip a bit or have no room left, and a process that may open no more files (rows K1 to K4).

The app has a mount namespace of its own, with a small disk for each of its folders. They are reached through /proc.
"""

import os
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from tests.deployments import PROGIMAGE, environment
from tests.e2e.conftest import eventually, store, upload
from tests.faults.test_store import refused
from tests.photos import photo, size_of
from tests.servers import Server, answers, cpu_seconds, free_port, nginx_server, running

pytestmark = pytest.mark.xdist_group("faults-disk")

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount what is no tmpfs, or in another's namespace")

SIZES = {"data": "24m", "objects": "16m", "temporary": "4m"}
FILES = 64
# What nginx keeps of a picture, whole pages and headers, is about half as much again.
MISSED_PER_SECOND = 110_000


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
    settings = {"PROGIMAGE_STORAGE_URL": str(folder / "objects"), "TMPDIR": str(folder / "temporary")}
    with placed(folder, {name: f"-t tmpfs -o size={size} none" for name, size in SIZES.items()}, settings) as place:
        yield place


@contextmanager
def placed(folder: Path, disks: Mapping[str, str], settings: Mapping[str, str]) -> Iterator[Place]:
    """An app with its data in `folder/data`, where, as on the others, this is mounted."""
    places = {name: folder / name for name in disks}
    for place in places.values():
        place.mkdir(exist_ok=True)
    mounts = "".join(f"mount {what} {places[name]} && " for name, what in disks.items())
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [*own_mounts(), "sh", "-c", f'{mounts} exec "$@"', "sh", PROGIMAGE, "serve", "--port", str(port), "--data", places["data"]]
    env = environment({"PROGIMAGE_MEMORY_CACHE": "0", "PROGIMAGE_WARM": "", "PROGIMAGE_DRAIN_NOTICE": "0", **settings})
    with (
        running(command, url=url, log=folder / "serve.log", ready=lambda: answers(f"{url}/readyz"), env=env, within=60) as app,
        httpx2.Client(base_url=url, timeout=30) as api,
    ):
        yield Place(app=app, api=api, disks={name: Path(f"/proc/{app.pid}/root{disk}") for name, disk in places.items()})


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


def empty(disk: Path) -> bool:
    """Whether no block is used, not even by a file without a name."""
    counted = os.statvfs(disk)
    return counted.f_bfree == counted.f_blocks


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


@pytest.mark.row("S6")
def test_an_original_that_the_disk_damaged_is_refused(place: Place, picture: tuple[str, bytes]) -> None:
    image, data = picture
    with flipped(place.file(f"originals/*/{image}.jpg"), at=4000):
        assert refused(place.api.get(f"/img/{image}"))
        assert refused(place.api.get(f"/img/{image}", headers={"Range": "bytes=0-9"}))
        assert refused(place.api.get(f"/img/{image}/w300.png"))
        assert eventually(lambda: "original_damaged" in place.app.log_text())
    assert place.api.get(f"/img/{image}").content == data


@pytest.mark.row("S6")
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


@pytest.mark.row("K2")
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


def remount(place: Place, disk: str, how: str) -> None:
    """Mount it with other options, as the app sees it."""
    path = "/" + str(place.disks[disk]).split("/root/", 1)[1]
    subprocess.run(["nsenter", "--mount", f"--target={place.app.pid}", "mount", "-o", f"remount,{how}", path], check=True)


@pytest.mark.row("K3")
@only_root
def test_a_store_that_became_read_only_takes_no_upload_and_shows_what_it_has(place: Place, picture: tuple[str, bytes]) -> None:
    image, data = picture
    variant = place.api.get(f"/img/{image}/w64.webp").content
    new = photo(300, 200)
    remount(place, "objects", "ro")
    try:
        assert refused(place.api.post("/images", content=new))
        assert refused(place.api.get(f"/img/{image}/w63.webp"))
        assert place.api.get(f"/img/{image}").content == data
        assert place.api.get(f"/img/{image}/w64.webp").content == variant
        assert place.api.get("/readyz").status_code == 200
    finally:
        remount(place, "objects", "rw")
    assert place.api.get(f"/img/{store(place.api, new)}").content == new
    assert size_of(place.api.get(f"/img/{image}/w63.webp").content)[0] == 63


@pytest.mark.row("K3")
@only_root
@pytest.mark.soak
def test_a_disk_that_the_kernel_made_read_only_is_read_and_nothing_is_lost(tmp_path: Path) -> None:
    """All of it: database, staging, store. No such disk becomes writable again under a process: it is checked, and the app started anew."""
    disk = tmp_path / "disk"
    with disk.open("wb") as file:
        file.truncate(64 << 20)
    subprocess.run(["mkfs.ext4", "-q", disk], check=True)
    data, new = photo(400, 300), photo(300, 200)
    with placed(tmp_path, {"data": f"-o loop {disk}"}, {}) as place:
        image, staged = store(place.api, data), upload(place.api, new)[0]
        variant = place.api.get(f"/img/{image}/w64.webp").content
        # The append-only file is synced each second.
        time.sleep(1.5)
        remount(place, "data", "abort")
        for _ in range(3):
            assert place.api.post("/images", content=photo(300, 200)).status_code == 503
            assert place.api.post("/images", content=new).status_code == 503
            assert place.api.delete(f"/images/{image}").status_code == 503
            assert refused(place.api.get(f"/img/{image}/w65.webp"))
            assert place.api.get(f"/images/{image}").status_code == 200
            assert place.api.get(f"/img/{image}").content == data
            assert place.api.get(f"/img/{image}/w64.webp").content == variant
            assert place.api.get("/livez").status_code == 200
    eventually(lambda: not subprocess.check_output(["losetup", "-j", disk]))
    subprocess.run(["e2fsck", "-fy", disk], check=False)
    with placed(tmp_path, {"data": f"-o loop {disk}"}, {}) as place:
        assert place.api.get(f"/img/{image}").content == data
        assert place.api.get(f"/img/{image}/w64.webp").content == variant
        assert place.api.get(f"/uploads/{staged}").json()["state"] == "staged"
        assert place.api.get(f"/img/{store(place.api, new)}").content == new
        assert intact(place)


def intact(place: Place) -> bool:
    with closing(sqlite3.connect(place.disks["data"] / "catalog.sqlite3")) as connection:
        return bool(connection.execute("PRAGMA integrity_check").fetchone() == ("ok",))


@pytest.mark.row("K2")
def test_without_room_for_temporary_files_staged_pictures_have_to_wait(place: Place, picture: tuple[str, bytes]) -> None:
    image, data = picture
    new = photo(300, 200)
    staged = upload(place.api, photo(300, 201))[0]
    # A child may let go of its file a moment after it has answered.
    eventually(lambda: empty(place.disks["temporary"]))
    with full(place.disks["temporary"]):
        assert refused(place.api.post("/uploads", content=new))
        assert refused(place.api.get(f"/img/{staged}/w65.webp"))
        assert refused(place.api.get(f"/img/{staged}"))
        assert place.api.get(f"/img/{image}").content == data
        assert size_of(place.api.get(f"/img/{image}/w66.webp").content)[0] == 66
    assert size_of(place.api.get(f"/img/{staged}/w65.webp").content)[0] == 65
    assert place.api.post("/uploads", content=new).status_code == 202
    assert [path.name for path in place.files("temporary")] == []


@pytest.mark.row("K3")
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
    assert intact(place)


@pytest.mark.row("K4")
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


@contextmanager
def edge_on(disk: str, place: Place, folder: Path, *, room: str = "max_size=1g") -> Iterator[tuple[Server, Path]]:
    """nginx before the app with its cache on a disk of this size, and that disk."""
    cache = folder / "nginx" / "cache"
    cache.mkdir(parents=True)
    with ExitStack() as stack:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={disk}", "none", cache], check=True)
        stack.callback(lambda: subprocess.run(["umount", "--lazy", cache], check=True))
        edge = stack.enter_context(nginx_server(folder / "nginx", [place.app.url.removeprefix("http://")], room=room))
        yield edge, cache


@pytest.mark.row("K1")
@only_root
def test_a_full_cache_of_nginx_gives_hits_or_nothing(place: Place, picture: tuple[str, bytes], tmp_path: Path) -> None:
    """nginx ends the connection of who misses: the shipped files leave room on that disk (`min_free`)."""
    image, _ = picture
    with edge_on("1m", place, tmp_path) as (edge, cache):
        hit = httpx2.get(f"{edge.url}/img/{image}/w70.webp").content
        with full(cache):
            assert httpx2.get(f"{edge.url}/img/{image}/w70.webp").content == hit
            with pytest.raises(httpx2.RemoteProtocolError):
                httpx2.get(f"{edge.url}/img/{image}/w71.webp")
        answer = httpx2.get(f"{edge.url}/img/{image}/w71.webp")
        assert size_of(answer.content)[0] == 71
        time.sleep(0.1)
        assert httpx2.get(f"{edge.url}/img/{image}/w71.webp").headers["x-edge-cache"] == "HIT"


@pytest.mark.row("K1")
@only_root
@pytest.mark.soak
def test_a_cache_that_could_grow_beyond_its_disk_makes_room_and_cuts_nobody_off(place: Place, tmp_path: Path) -> None:
    """nginx looks at its disk every ten seconds: `min_free` must hold what is missed in that time, and does here."""
    images = [store(place.api, photo(400, 300)) for _ in range(4)]
    targets = [f"/img/{image}/w{width}.webp" for width in range(150, 400) for image in images]
    with (
        edge_on("3m", place, tmp_path, room="max_size=1g min_free=2000k") as (edge, _),
        httpx2.Client(base_url=edge.url, timeout=30, trust_env=False) as client,
    ):
        began, written, asked = time.monotonic(), 0, list[str]()
        while written < 3 << 20:
            time.sleep(max(0.0, began + written / MISSED_PER_SECOND - time.monotonic()))
            asked.append(targets[len(asked)])
            answer = client.get(asked[-1])
            assert answer.status_code == 200
            assert f"/w{size_of(answer.content)[0]}." in asked[-1]
            written += len(answer.content)
        assert "No space left" not in edge.log_text()
        time.sleep(0.1)
        states = [client.get(target).headers["x-edge-cache"] for target in (asked[-1], asked[0])]
    assert states == ["HIT", "MISS"]
    assert len(asked) > 200
