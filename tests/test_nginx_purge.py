"""What nginx forgets, and what it may show when it is old: nginx/progimage.conf and nginx/forget with the real nginx."""

import os
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from proxy.settings import Settings
from tests.servers import REPOSITORY, free_port, nginx_server, wait_until
from tests.test_nginx import Upstream, edge

# The tests share one nginx: `ID` gets a tombstone, `GRAVE` an old and `YOUNG` a new one, `OTHER` none.
ID, OTHER, GRAVE, YOUNG = "b" * 26, "c" * 26, "d" * 26, "e" * 26
SPELLINGS = [
    *("", ".webp", "/w1.jpg", "/w1.jpeg", "/w1.webp.json", "/w1,h2/rotate90.png", "/w1.jpg?s=x", "/w1.jpg?s=x&exp=9999999999&k=k1"),
    *("/w1.auto", "/w1.auto.json", "/w1.jpg?v=2"),
]
ACCEPTS = ["image/avif,image/webp", "image/webp", "image/avif", "*/*"]
PICTURE, LOOP = f"/img/{ID}/w1.jpg", f"/img/{OTHER}/w6.jpg"
pytestmark = pytest.mark.xdist_group("nginx")


@dataclass(frozen=True, kw_only=True)
class Edge:
    """nginx before an app that tells what it was asked; `purge` is where nginx is told of deletions."""

    client: httpx2.Client
    upstream: Upstream
    folder: Path
    purge: str

    def bury(self, image_id: str) -> None:
        """Put a tombstone, and wait for the second in which nginx may believe that there is none."""
        assert httpx2.put(f"{self.purge}/{image_id}", trust_env=False).is_success
        time.sleep(1)

    def kept(self) -> list[str]:
        """The keys of the files in the cache."""
        files = [path.read_bytes() for path in (self.folder / "cache").rglob("*") if path.is_file()]
        return sorted(re.search(rb"\nKEY: (.*)\n", data)[1].decode() for data in files)  # type: ignore[index]


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    upstream, purge, tmp_path = Upstream(), free_port(), tmp_path_factory.mktemp("nginx")
    with (
        upstream.up(),
        nginx_server(tmp_path, [f"127.0.0.1:{upstream.port}"], purge_port=purge) as server,
        httpx2.Client(base_url=server.url, trust_env=False) as client,
    ):
        yield Edge(client=client, upstream=upstream, folder=tmp_path, purge=f"http://127.0.0.1:{purge}")


def all_spellings(nginx: Edge, image_id: str) -> list[str | None]:
    return [edge(nginx.client.get(f"/img/{image_id}{rest}", headers={"Accept": accept})) for rest in SPELLINGS for accept in ACCEPTS]


def test_a_buried_image_is_asked_of_the_app_in_every_spelling_and_others_are_not(nginx: Edge) -> None:
    for image_id in (ID, OTHER):
        all_spellings(nginx, image_id)
        assert set(all_spellings(nginx, image_id)) == {"HIT"}
    before = nginx.kept()
    nginx.bury(ID)
    assert set(all_spellings(nginx, ID)) == {"BYPASS"}
    assert set(all_spellings(nginx, OTHER)) == {"HIT"}
    assert nginx.client.head(PICTURE).headers["X-Edge-Cache"] == "BYPASS"
    assert edge(nginx.client.get(PICTURE, headers={"If-None-Match": '"tag"'})) == "BYPASS"
    nginx.client.get(f"/img/{ID}/w999.jpg")
    assert nginx.kept() == before


def test_with_the_app_away_nothing_of_a_buried_image_is_shown(tmp_path: Path) -> None:
    upstream, purge = Upstream(), free_port()
    with (
        nginx_server(tmp_path, [f"127.0.0.1:{upstream.port}"], purge_port=purge) as server,
        httpx2.Client(base_url=server.url, trust_env=False) as client,
    ):
        with upstream.up():
            assert [client.get(path).status_code for path in (PICTURE, f"/img/{ID}/brief.jpg")] == [200, 200]
        assert httpx2.put(f"http://127.0.0.1:{purge}/{ID}", trust_env=False).is_success
        time.sleep(1.1)
        assert [client.get(path).status_code for path in (PICTURE, f"/img/{ID}/brief.jpg")] == [503, 503]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", f"/{ID}", b"", 201),
        ("PUT", f"/{ID}", b"xx", 413),
        ("PUT", f"/{ID}/", b"", 404),
        ("PUT", f"/{ID[1:]}", b"", 404),
        ("PUT", f"/{'1' * 26}", b"", 404),
        ("PUT", "/", b"", 404),
        ("GET", f"/{ID}", b"", 403),
        ("DELETE", f"/{ID}", b"", 403),
        ("MKCOL", f"/{ID}", b"", 403),
        ("GET", f"/img/{ID}/w1.jpg", b"", 404),
    ],
)
def test_where_nginx_is_told_of_deletions_only_tombstones_are_taken(nginx: Edge, method: str, path: str, body: bytes, status: int) -> None:
    (nginx.folder / "deleted" / ID).unlink(missing_ok=True)
    assert httpx2.request(method, nginx.purge + path, content=body, trust_env=False).status_code == status
    assert {file.name for file in (nginx.folder / "deleted").iterdir()} <= {GRAVE, ID, YOUNG, "0000000042"}


def test_forgetting_removes_the_files_of_the_buried_and_then_their_tombstones(nginx: Edge) -> None:
    for image_id in (GRAVE, OTHER, YOUNG):
        nginx.client.get(f"/img/{image_id}/w1.jpg")
        nginx.client.get(f"/img/{image_id}.auto?s=x")
    nginx.client.get(f"/img/w1.jpg?url=/img/{GRAVE}/w1.jpg")
    before, graves = nginx.kept(), nginx.folder / "deleted"
    nginx.bury(GRAVE)
    nginx.bury(YOUNG)
    (graves / "0000000042").touch()
    for name in (GRAVE, "0000000042"):
        os.utime(graves / name, (0, 0))
    told = subprocess.run([REPOSITORY / "nginx/forget", nginx.folder / "cache", graves], capture_output=True, text=True, check=True)
    assert (told.stdout, told.stderr) == ("", "")
    assert nginx.kept() == [key for key in before if not key.startswith(f"/img/{GRAVE}")]
    assert {file.name for file in graves.iterdir()} >= {YOUNG, "0000000042"}
    assert not (graves / GRAVE).exists()
    # Neither from a file that was open, nor for ever from the app.
    assert [edge(nginx.client.get(f"/img/{GRAVE}/w1.jpg")) for _ in range(2)] == ["MISS", "HIT"]
    assert edge(nginx.client.get(f"/img/{YOUNG}/w1.jpg")) == "BYPASS"


def test_the_app_says_what_is_shown_while_it_is_made_anew(nginx: Edge) -> None:
    expected = {
        f"/img/{OTHER}/brief.jpg": {"STALE", "UPDATING"},
        f"/img/{OTHER}/w2.jpg?s=x&exp=1": {"EXPIRED"},
        f"/img/{OTHER}/p_brief.jpg": {"EXPIRED"},
    }
    for target in expected:
        assert [edge(nginx.client.get(target)) for _ in range(2)] == ["MISS", "HIT"]
    time.sleep(2.1)
    assert [edge(nginx.client.get(target)) in after for target, after in expected.items()] == [True] * 3
    wait_until(lambda: all(nginx.upstream.seen[target] == 2 for target in expected), seconds=3, what="the second question to the app")


def test_the_loop_header_reaches_the_app_and_is_not_in_the_key(nginx: Edge) -> None:
    nginx.client.get(LOOP, headers={"CDN-Loop": "cdn, progimage"})
    assert nginx.upstream.headers["cdn-loop"] == "cdn, progimage"
    assert edge(nginx.client.get(LOOP)) == "HIT"
    nginx.client.get(f"/img/{OTHER}/w7.jpg")
    assert "cdn-loop" not in nginx.upstream.headers


def test_each_encoding_of_a_source_has_its_own_key_and_redirects_have_none(nginx: Edge) -> None:
    spellings = ["http%3A%2F%2Fa.example%2Fb.jpg", "http%3a%2f%2fa.example%2fb.jpg", "http://a.example/b.jpg"]
    for plan, expected in (("w4.jpg", ["MISS", "HIT"]), ("redirect.jpg", ["MISS", "MISS"])):
        for spelling in spellings:
            assert [edge(nginx.client.get(f"/img/{plan}?url={spelling}")) for _ in range(2)] == expected
    assert nginx.upstream.seen[f"/img/w4.jpg?url={spellings[0]}"] == 1


@pytest.mark.parametrize("target", [f"/img/{OTHER}/w5.jpg", f"/img/{OTHER}/w5.jpg?url=a&url=b"])
def test_ranges_are_cut_on_the_first_answer_on_a_hit_and_beside_the_cache(nginx: Edge, target: str) -> None:
    for _ in range(3):
        part = nginx.client.get(target, headers={"Range": "bytes=1-3"})
        assert (part.status_code, part.content) == (206, b"img")
        assert part.headers["Content-Range"].startswith("bytes 1-3/")
        assert nginx.client.get(target, headers={"Range": "bytes=1-3", "If-Range": '"other"'}).status_code == 200
        assert nginx.client.get(target, headers={"Range": "bytes=99999-"}).status_code == 416


def test_whoever_waits_for_a_picture_that_is_being_made_waits_long_enough() -> None:
    settings = Settings()
    longest = settings.remote_deadline + settings.render_wait + settings.render_deadline
    text = (REPOSITORY / "nginx/progimage.conf").read_text()
    for name in ("proxy_cache_lock_timeout", "proxy_cache_lock_age", "proxy_read_timeout"):
        found = re.search(rf"{name} (\d+)s;", text)
        assert found
        assert float(found[1]) >= longest
