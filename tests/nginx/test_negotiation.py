"""`.auto`: nginx and the app read the same Accept header alike, and say that they read it."""

import random
from pathlib import Path

import httpx2
import pytest

from tests.nginx.conftest import Site, running_site
from tests.pictures import animation

pytestmark = pytest.mark.xdist_group("nginx")

# What a browser sends, what a person might, and what nobody should: the header, and the format of a picture without transparency.
ACCEPTS = (
    ("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", "avif"),
    ("image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5", "avif"),
    (
        "image/webp,image/avif,image/jxl,image/heic,image/heic-sequence,video/*;q=0.8,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5",
        "avif",
    ),
    ("image/webp,*/*", "webp"),
    ("IMAGE/WEBP", "webp"),
    ("Image/Avif;Q=0.5", "avif"),
    ("text/html ,\timage/webp\t;\tq=1.0\t, */*", "webp"),
    ("image/webp;level=1;q=0.5", "webp"),
    ("image/webp;q=0.001", "webp"),
    ("image/webp;q=0.5;extension=q", "webp"),
    ("image/webp;qs=0", "webp"),
    ("image/webp;q=1;q=0", "webp"),
    (",;,=;q,image/webp", "webp"),
    ("image/avif;q=0,image/webp", "webp"),
    ("image/avif;q=0.0, image/webp;q=0.3", "webp"),
    ("image/avif;v=b3;q=0.000,image/webp;q=0.9", "webp"),
    ("image/webp;q=0,image/webp", "webp"),
    ("image/webp,image/webp;q=0", "webp"),
    ("image/avif;q=0", "jpg"),
    ("image/webp;q=0;q=1", "jpg"),
    ("image/webp;q=high", "jpg"),
    ("image/webp;q=", "jpg"),
    ("image/webp;q", "webp"),
    ("image/webp;q=1.5", "jpg"),
    ("image/webp;q=-1", "jpg"),
    ("image/webp;q=0.0001", "jpg"),
    ("image/webp;q=.5", "jpg"),
    ("image/webp;q=0,5", "jpg"),
    ('image/webp;q="1"', "jpg"),
    ("image/webp;q=1 1", "jpg"),
    ("image/webp;q = 0", "webp"),
    ("image/webpx, ximage/avif, image/web p", "jpg"),
    ("image/avif-sequence", "jpg"),
    ("image /webp", "jpg"),
    ("\xa0image/webp", "jpg"),
    ("image/webp\x85", "jpg"),
    ("*/*", "jpg"),
    ("image/*", "jpg"),
    ("*", "jpg"),
    ("text/html", "jpg"),
    ("", "jpg"),
    ("," * 8000, "jpg"),
    ("a" * 8000, "jpg"),
    ("image/webp;a=" + "b" * 8000, "webp"),
    (",;q=0" * 1600, "jpg"),
    ("image/webp," + "text/html," * 800, "webp"),
    ("text/html," * 800 + "image/webp", "jpg"),
    ("x" * 989 + ",image/webp", "webp"),
    ("x" * 990 + ",image/webp", "jpg"),
    ("x" * 989 + ",image/webp;q=0", "webp"),
)
PARTS = (
    "image/avif",
    "image/webp",
    "IMAGE/WebP",
    "*/*",
    ";",
    ",",
    ", ",
    " ",
    "\t",
    "q=",
    "Q=",
    ";q=0",
    ";q=0.",
    "0",
    "1",
    ".5",
    ";v=1",
    "=",
    '"',
)


def mixed(seed: int) -> str:
    """A header that a generator of noise might send."""
    dice = random.Random(seed)
    return "".join(dice.choice(PARTS) for _ in range(dice.randrange(1, 12))).strip()


@pytest.fixture(scope="module")
def picture(site: Site) -> str:
    return f"/img/{site.upload()}/w64.auto"


def fetched(site: Site, url: str, accept: str) -> httpx2.Response:
    answer = site.client.get(url, headers={b"Accept": accept.encode("latin-1")})
    assert answer.status_code == 200, answer.text
    return answer


def format_of(answer: httpx2.Response) -> str:
    return answer.headers["Content-Type"].removeprefix("image/").replace("jpeg", "jpg")


@pytest.mark.parametrize(("accept", "format"), ACCEPTS)
def test_nginx_and_the_app_choose_the_same_format(site: Site, picture: str, accept: str, format: str) -> None:
    direct, cached = (fetched(site, server.url + picture, accept) for server in (site.apps[0], site.nginx))
    assert (format_of(direct), format_of(cached)) == (format, format)
    assert direct.headers["Vary"] == cached.headers["Vary"] == "Accept"
    assert direct.headers["ETag"] == cached.headers["ETag"]


def test_they_agree_on_noise_too(site: Site, picture: str) -> None:
    for accept in map(mixed, range(400)):
        direct, cached = (format_of(fetched(site, server.url + picture, accept)) for server in (site.apps[1], site.nginx))
        assert direct == cached, repr(accept)


def test_all_these_headers_are_four_entries_in_the_cache(site: Site) -> None:
    image_id = site.upload()
    for accept, _ in ACCEPTS:
        fetched(site, f"{site.url}/img/{image_id}/w64.auto", accept)
    path = f"/img/{image_id}/w64.auto?url="
    assert site.keys(image_id) == [f"{path} avif", f"{path} avif+webp", f"{path} none", f"{path} webp"]
    assert len(site.objects(image_id)) == 3


@pytest.mark.parametrize("server", ["nginx", "app"])
def test_only_what_accept_decides_says_so(site: Site, picture: str, server: str) -> None:
    url = site.url if server == "nginx" else site.apps[0].url
    image = picture.removesuffix("/w64.auto")
    varying = (f"{image}.auto", f"{image}/w64.auto", f"{image}/w64.auto.json")
    fixed = (image, f"{image}.webp", f"{image}.json", f"{image}/w64.jpg", f"{image}/w64.jpeg", f"{image}/w64.jpg.json", f"{image}/w64.txt")
    for path in (*varying, *fixed):
        for accept in ("image/webp", "text/html"):
            first = fetched(site, url + path, accept)
            assert first.headers.get("Vary") == ("Accept" if path in varying else None), path
            again = site.client.get(url + path, headers={"Accept": accept, "If-None-Match": first.headers["ETag"]})
            assert again.status_code == 304
            assert again.headers.get("Vary") == first.headers.get("Vary"), path


def test_what_moves_is_webp_where_that_is_accepted_else_gif(site: Site) -> None:
    image_id = site.upload(animation())
    for server in (site.apps[0], site.nginx):
        url = f"{server.url}/img/{image_id}/w30.auto"
        formats = [format_of(fetched(site, url, accept)) for accept in ("image/avif,image/webp", "image/webp", "image/avif", "*/*")]
        assert formats == ["webp", "webp", "gif", "gif"]


@pytest.mark.soak
def test_the_order_is_the_operators(tmp_path: Path) -> None:
    with running_site(tmp_path, {"PROGIMAGE_AUTO_ORDER": "webp,avif"}, apps=1) as site:
        picture = f"/img/{site.upload()}/w64.auto"
        for accept, first in ACCEPTS[:3]:
            assert first == "avif"
            assert [format_of(fetched(site, server.url + picture, accept)) for server in (site.nginx, *site.apps)] == ["webp"] * 2
        assert format_of(fetched(site, site.url + picture, "image/avif")) == "avif"
