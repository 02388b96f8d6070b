"""Signed URLs at a running server: what is given out is signed, what is not signed is refused."""

import re
import subprocess
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.deployments import PROGIMAGE, environment, progimage_server
from tests.e2e.conftest import eventually, product, store, upload
from tests.photos import photo
from tests.servers import free_port

KEY = "0123456789abcdef" * 4
SETTINGS = {"PROGIMAGE_SIGNING_KEYS": f"k1={KEY},k0={KEY[::-1]}", "PROGIMAGE_SIGNATURES": "all"}
pytestmark = pytest.mark.xdist_group("signed")


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    """A server that answers signed URLs only."""
    with progimage_server(tmp_path_factory.mktemp("signed"), SETTINGS) as server, httpx2.Client(base_url=server.url, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def image(private: httpx2.Client) -> str:
    return store(private, photo(800, 600))


def sign(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [PROGIMAGE, "sign", *arguments]
    return subprocess.run(command, env=environment({**SETTINGS, **settings}), capture_output=True, text=True, check=False)


def signed(*arguments: str) -> str:
    done = sign(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def addresses(value: Any) -> Iterator[str]:
    """All that look like the addresses of pictures in some JSON."""
    match value:
        case dict():
            for item in value.values():
                yield from addresses(item)
        case list():
            for item in value:
                yield from addresses(item)
        case str() if "/img/" in value:
            yield from (part.strip().partition(" ")[0] for part in value.split(", "))


def test_all_that_the_api_gives_out_is_signed_and_good(private: httpx2.Client, image: str) -> None:
    made = product(private, upload(private, photo(900, 700)))
    eventually(lambda: private.get(f"/images/{made['images'][0]['id']}").json()["variants"])
    listed = [private.get(path).json() for path in (f"/products/{made['id']}", "/images", f"/images/{image}")]
    found = set(addresses(listed))
    assert len(found) > 10
    assert {url: private.get(url).status_code for url in found} == dict.fromkeys(found, 200)


def test_the_pages_show_their_pictures(private: httpx2.Client, image: str) -> None:
    page = private.get(f"/download?id={image}", headers={"Accept": "text/html"}).text
    shown = {address.replace("&amp;", "&") for address in re.findall(r'(?:src|href)="([^"]*/img/[^"]*)"', page)}
    assert shown
    assert {url: private.get(url).status_code for url in shown} == dict.fromkeys(shown, 200)


@pytest.mark.parametrize("rest", ["", ".webp", "/w100.webp", "/w100.webp.json", "/w0100.webp"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_is_not_signed_is_refused(private: httpx2.Client, image: str, rest: str, method: str) -> None:
    answer = private.request(method, f"/img/{image}{rest}")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (403, "no-store")


def test_the_earlier_addresses_are_no_way_around(private: httpx2.Client, image: str) -> None:
    for path in (f"/images/{image}/", f"/images/{image}/thumbnail/"):
        answer = private.get(path, headers={"Accept": "image/*"})
        assert (answer.status_code, answer.json()["type"]) == (403, "/problems/bad-signature")
    assert private.get(f"/images/{image}", headers={"Accept": "text/plain"}).status_code == 403
    assert private.get(f"/images/{image}").status_code == 200


def test_the_command_signs_the_canonical_url(private: httpx2.Client, image: str) -> None:
    url = signed(f"/img/{image}/h100,w0100.webp?v=1")
    assert url.startswith(f"/img/{image}/w100,h100.webp?s=")
    assert private.get(url).status_code == 200
    assert private.delete(url).status_code == 405
    moved = private.get(url.replace("w100,h100", "h100,w0100"))
    assert (moved.status_code, moved.headers["Location"]) == (308, url)


def test_a_key_may_be_chosen_and_is_named_then(private: httpx2.Client, image: str) -> None:
    url = signed(f"/img/{image}.png", "--key", "k0")
    assert "?k=k0&s=" in url
    assert private.get(url).status_code == 200


def test_a_whole_url_stays_whole(image: str) -> None:
    assert signed(f"https://img.example.com/img/{image}").startswith(f"https://img.example.com/img/{image}?s=")


def test_a_remote_url_is_signed_in_its_one_spelling() -> None:
    url = signed("/img/w256.webp?url=https://EXAMPLE.com/a.jpg")
    assert url.startswith("/img/w256.webp?url=https%3A%2F%2Fexample.com%2Fa.jpg&s=")


@pytest.mark.parametrize(
    ("arguments", "settings", "words"),
    [
        (["/img/nonsense"], {}, "There is no such image"),
        (["/products"], {}, "begins with /img/"),
        (["http://[/img/a"], {}, "is no URL"),
        (["/img/w256.webp?url=file:///etc/passwd"], {}, "http"),
        (["/img/_.webp?url=https://a.b/c", "--key", "k9"], {}, "k1, k0"),
        (["/img/_.webp?url=https://a.b/c"], {"PROGIMAGE_SIGNING_KEYS": "", "PROGIMAGE_SIGNATURES": "off"}, "SIGNING_KEYS"),
        (["/img/_.webp?url=https://a.b/c"], {"PROGIMAGE_SIGNING_KEYS": "k1=short"}, "fewer than 32 bytes"),
        (["/img/_.webp?url=https://a.b/c"], {"PROGIMAGE_SIGNING_KEYS": ""}, "no key"),
    ],
)
def test_what_cannot_be_signed_is_one_line(arguments: list[str], settings: dict[str, str], words: str) -> None:
    done = sign(*arguments, **settings)
    assert done.returncode != 0
    assert len(done.stderr.splitlines()) == 1
    assert words in done.stderr
    assert KEY not in done.stderr
    assert "short" not in done.stderr


def test_an_expired_url_is_gone_and_until_then_it_is_kept_no_longer(private: httpx2.Client, image: str) -> None:
    url = signed(f"/img/{image}/w64.webp", "--expires", "2")
    answer = private.get(url)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "public, must-revalidate"
    assert int(parsedate_to_datetime(answer.headers["Expires"]).timestamp()) == int(url.partition("exp=")[2].partition("&")[0])
    time.sleep(3.1)
    late = private.get(url, headers={"If-None-Match": answer.headers["ETag"]})
    assert (late.status_code, late.json()["type"]) == (410, "/problems/expired-signature")


def test_the_focal_point_leads_to_a_signed_url(private: httpx2.Client, image: str) -> None:
    moved = private.get(signed(f"/img/{image}/w90,h100,fit_cover,g_focal.jpeg", "--expires", "60"))
    assert moved.status_code == 307
    answer = private.get(moved.headers["Location"])
    assert answer.status_code == 200
    assert private.get(answer.headers["Content-Location"]).content == answer.content


def test_a_server_that_others_can_reach_says_aloud_that_it_is_open(tmp_path: Path) -> None:
    command: list[str | Path] = [PROGIMAGE, "serve", "--host", "0.0.0.0", "--port", str(free_port()), "--data", tmp_path / "data"]
    done = subprocess.run(command, env=environment({}), capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 1
    assert "PROGIMAGE_OPEN_UPLOADS=true" in done.stderr
    assert len(done.stderr.splitlines()) == 1
