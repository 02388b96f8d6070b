"""With the apps gone, or standing still, what nginx has is served; what it has not is a problem that says when to come back."""

import json
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest

from proxy.signing import Signer
from tests.nginx.conftest import Site, running_site
from tests.photos import photo
from tests.servers import frozen, other_host

pytestmark = pytest.mark.xdist_group("nginx")

# An app that stands still may yet answer: nginx waits for it, in the shipped file for 25 seconds.
TIMEOUTS = {"proxy_read_timeout": "500ms"}
# In a cache file of nginx 1.22 the second until which an entry is fresh stands after the version.
FRESH_UNTIL = 8
SECRET = b"the secret of these tests is long enough"
FRESH = (".webp", "", ".json", "/w64.webp", "/w64.webp.json", "/w64.auto", "/w64.jpeg", "/p_card.webp")


@dataclass(frozen=True, kw_only=True)
class Left:
    """A site without its apps. All of these paths were asked for before, and what is not `fresh` is too old by now."""

    site: Site
    fresh: tuple[str, ...]
    remote: str
    preset: str
    signed: str
    cold: str

    def get(self, path: str, **headers: str) -> httpx2.Response:
        return self.site.client.get(self.site.url + path, headers=headers)


@pytest.fixture(scope="module")
def visited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Left]:
    # 127.0.0.1 is our own.
    with other_host("127.0.0.2", {"/picture.jpg": ("image/jpeg", photo(200, 150))}) as port:
        settings = {
            "PROGIMAGE_PRESETS": "card=w50",
            "PROGIMAGE_SIGNING_KEYS": f"k1={SECRET.decode()}",
            "PROGIMAGE_REMOTE_SOURCES": "127.0.0.2",
            "PROGIMAGE_REMOTE_NETWORKS": "127.0.0.0/8",
            "PROGIMAGE_REMOTE_PORTS": str(port),
        }
        with running_site(tmp_path_factory.mktemp("stopped"), settings, apps=1, timeouts=TIMEOUTS) as site:
            yield _visited(site, f"http://127.0.0.2:{port}/picture.jpg")


@pytest.fixture(scope="module", params=["standing still", "gone"])
def left(request: pytest.FixtureRequest, visited: Left) -> Iterator[Left]:
    """In this order: the same app comes to both of its ends."""
    (app,) = visited.site.apps
    if request.param == "standing still":
        with frozen(app.pid):
            yield visited
    else:
        app.process.terminate()
        app.process.wait(20)
        yield visited


def _visited(site: Site, source: str) -> Left:
    """Everything but the last was asked for once, and some of it long ago."""
    image, other = (f"/img/{site.upload()}" for _ in range(2))
    exp = str(int(time.time()) + 3600)
    left = Left(
        site=site,
        fresh=tuple(image + kind for kind in FRESH),
        remote=f"/img/w64.webp?url={quote(source, safe='')}",
        preset=f"{other}/p_card.webp",
        signed=Signer(keys={"k1": SECRET}, required="off").signed(f"{other}/w65.webp", exp=exp),
        cold=f"{image}/w66.webp",
    )
    for path in (*left.fresh, left.remote, left.preset, left.signed):
        answer = left.get(path)
        assert answer.status_code == 200, answer.text
    for path in (left.remote, left.preset, left.signed):
        _outlived(site, path)
    return left


def _outlived(site: Site, path: str) -> None:
    """Make nginx believe that its entry was fresh until five minutes ago."""
    (entry,) = (file for file in site.cache.rglob("*") if file.is_file() and _key(file).startswith(path.partition("?")[0]))
    with entry.open("r+b") as file:
        file.seek(FRESH_UNTIL)
        (until,) = struct.unpack("<q", file.read(8))
        assert time.time() < until < time.time() + 400 * 24 * 3600, "this is another nginx, whose files look otherwise"
        file.seek(FRESH_UNTIL)
        file.write(struct.pack("<q", int(time.time()) - 300))


def _key(file: Path) -> str:
    return file.read_bytes().partition(b"\nKEY: ")[2].partition(b"\n")[0].decode()


@pytest.mark.parametrize("number", range(len(FRESH)), ids=[kind or "original" for kind in FRESH])
def test_what_was_seen_is_served(left: Left, number: int) -> None:
    answer = left.get(left.fresh[number])
    assert (answer.status_code, answer.headers["X-Edge-Cache"]) == (200, "HIT")
    again = left.get(left.fresh[number], **{"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


def test_what_is_too_old_is_served_where_the_app_has_allowed_it(left: Left) -> None:
    answer = left.get(left.remote)
    assert (answer.status_code, answer.headers["X-Edge-Cache"]) == (200, "STALE")
    assert "stale-if-error" in answer.headers["Cache-Control"]


@pytest.mark.parametrize("kind", ["preset", "signed", "cold"])
def test_what_may_have_changed_or_ended_or_was_never_seen_is_not(left: Left, kind: str) -> None:
    answer = left.get({"preset": left.preset, "signed": left.signed, "cold": left.cold}[kind])
    assert answer.status_code in {503, 504}
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = json.loads(answer.content)
    assert (problem["status"], problem["request_id"]) == (answer.status_code, answer.headers["X-Request-ID"])


@pytest.mark.parametrize("path", ["/", "/images", "/readyz", "/products"])
def test_other_pages_say_that_nobody_answers(left: Left, path: str) -> None:
    answer = left.get(path)
    assert answer.status_code in {503, 504}
    assert int(answer.headers["Retry-After"]) > 0
