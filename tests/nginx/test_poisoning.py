"""What a client sends beside the URL changes nothing that others are given; ranges neither."""

import pytest

from tests.nginx.conftest import Site
from tests.nginx.wire import Reply, exchange

pytestmark = pytest.mark.xdist_group("nginx")

REFRESH = {"X-Refresh-Cache": "refresh secret"}
# Each of them has changed the answer of some server in front of some cache.
HEADERS = {
    "Host": "evil.example",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Server": "evil.example",
    "X-Forwarded-For": "127.0.0.1",
    "X-Forwarded-Proto": "evil",
    "X-Forwarded-Scheme": "evil",
    "X-Forwarded-Port": "666",
    "X-Forwarded-Prefix": "/evil",
    "X-Forwarded-Path": "/evil",
    "X-Forwarded-SSL": "on",
    "Forwarded": "host=evil.example;proto=evil",
    "X-Host": "evil.example",
    "X-HTTP-Host-Override": "evil.example",
    "X-Original-Host": "evil.example",
    "X-Original-URL": "/evil",
    "X-Rewrite-URL": "/evil",
    "X-Script-Name": "/evil",
    "X-HTTP-Method-Override": "DELETE",
    "X-HTTP-Method": "DELETE",
    "X-Method-Override": "HEAD",
    "X-Real-IP": "127.0.0.1",
    "X-Client-IP": "127.0.0.1",
    "True-Client-IP": "127.0.0.1",
    "CDN-Loop": "evil",
    "Via": "1.1 evil.example",
    "Origin": "https://evil.example",
    "Referer": "https://evil.example/",
    "Cookie": "evil=evil",
    "Authorization": "Basic ZXZpbDpldmls",
    "User-Agent": "evil",
    "Accept-Language": "evil",
    "Accept-Encoding": "gzip, br",
    "Accept-Charset": "utf-16",
    "Cache-Control": "no-cache, no-store",
    "Pragma": "no-cache",
    "Range": "bytes=0-3",
    "If-Range": '"evil"',
    "If-Modified-Since": "Sat, 01 Jan 2050 00:00:00 GMT",
    "If-Unmodified-Since": "Sat, 01 Jan 2000 00:00:00 GMT",
    "If-Match": '"evil"',
    "Content-Type": "text/html",
    "Content-Encoding": "evil",
    "DPR": "3",
    "Width": "666",
    "Viewport-Width": "666",
    "Save-Data": "on",
    "Sec-CH-DPR": "3",
    "Sec-Fetch-Dest": "document",
    "Upgrade": "h2c",
    "Expect": "evil",
    "Surrogate-Capability": 'evil="ESI/1.0"',
    "X-Sendfile": "/etc/passwd",
    "X-Accel-Redirect": "/metrics",
    "X-Custom": "evil" * 500,
}
# What is of the moment, not of the picture.
OF_THE_MOMENT = {"date", "x-request-id", "connection"}


def asked(site: Site, path: str, headers: dict[str, str]) -> Reply:
    """The one answer to a request with just these headers, and those that must be."""
    lines = {"Host": "pictures.example", "Connection": "close", **headers}
    request = f"GET {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    (answer,) = exchange(site.nginx, f"{request}\r\n".encode())
    return answer


def told(answer: Reply) -> tuple[int, list[tuple[str, str]], bytes]:
    """What an answer says of its picture."""
    return answer.status, [header for header in answer.headers if header[0] not in OF_THE_MOMENT], answer.body


@pytest.fixture(scope="module")
def image(site: Site) -> str:
    return f"/img/{site.upload()}"


@pytest.mark.parametrize("kind", ["", ".json", "/w64.webp", "/w64.webp.json", "/w64.auto", "/w64.jpeg"])
def test_no_header_changes_what_is_cached(site: Site, image: str, kind: str) -> None:
    """Each one makes the entry anew, with the header, and is followed by a reader without it."""
    asked(site, image + kind, {})
    clean = told(asked(site, image + kind, {}))
    assert clean[0] == 200
    for name, value in HEADERS.items():
        asked(site, image + kind, {name: value, **REFRESH})
        after = asked(site, image + kind, {})
        assert after.header("x-edge-cache") == "HIT", name
        assert told(after) == clean, name


@pytest.mark.parametrize("kind", ["/h64,w64.webp", "/nonsense.webp", "/w64,g_focal.webp", "/%7764.webp"])
def test_no_header_comes_back_in_what_is_not(site: Site, image: str, kind: str) -> None:
    clean = asked(site, image + kind, {})
    for name, value in HEADERS.items():
        answer = asked(site, image + kind, {name: value})
        assert answer.status == clean.status, name
        assert answer.header("location") == clean.header("location"), name
        assert b"evil" not in answer.body
        assert not [value for _, value in answer.headers if "evil" in value], name


@pytest.mark.parametrize(("name", "value"), [("Cache-Control", "no-cache"), ("Cache-Control", "private"), ("Pragma", "no-cache")])
def test_a_client_cannot_have_a_picture_rendered_again(site: Site, image: str, name: str, value: str) -> None:
    asked(site, f"{image}/w65.webp", {})
    assert asked(site, f"{image}/w65.webp", {name: value}).header("x-edge-cache") == "HIT"


@pytest.mark.parametrize("host", ["[::1", "a:b", "user@evil.example", "evil.example", "[v1.x]", "1" * 300])
def test_no_host_breaks_what_is_remote(site: Site, host: str) -> None:
    answer = asked(site, "/img/w9.webp?url=http%3A%2F%2Fexample.com%2Fa.jpg", {"Host": host})
    assert 400 <= answer.status < 500
    assert host.encode() not in answer.body


@pytest.mark.parametrize(
    ("range_", "status", "length"),
    [
        ("bytes=0-0", 206, 1),
        ("bytes=-1", 206, 1),
        ("bytes=0-0,2-2", 200, None),
        ("bytes=" + ",".join(["0-0"] * 1000), 200, None),
        ("lines=1-2", 200, None),
        ("bytes=9-1", 416, None),
        ("bytes=-0", 416, None),
        ("bytes=99999999-", 416, None),
        ("bytes=" + "9" * 5000 + "-", 416, None),
    ],
)
def test_of_a_cached_picture_one_range_is_cut_out_and_no_more(site: Site, image: str, range_: str, status: int, length: int | None) -> None:
    whole = asked(site, f"{image}/w66.webp", {})
    answer = asked(site, f"{image}/w66.webp", {"Range": range_})
    assert answer.status == status
    if status == 416:
        assert answer.header("content-range") == f"bytes */{len(whole.body)}"
        assert answer.header("content-type") == "application/problem+json"
        assert "no-store" in answer.header("cache-control")
    else:
        assert len(answer.body) == (length or len(whole.body))
    assert asked(site, f"{image}/w66.webp", {}).body == whole.body
