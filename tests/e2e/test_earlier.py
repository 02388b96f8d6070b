"""The interfaces that ProgImage grew from, driven with curl as their users drive them (urls.md, last table)."""

import json
import subprocess
from pathlib import Path

import httpx2
import pytest

from tests.deployments import Deployment
from tests.e2e.conftest import store
from tests.photos import photo, size_of


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.jpg"
    path.write_bytes(photo(64, 48))
    return path


def curl(*arguments: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers in lower case, and body."""
    output = subprocess.run(
        ["curl", "--silent", "--show-error", "--include", "--max-time", "20", *arguments], check=True, capture_output=True
    ).stdout
    head, _, body = output.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return int(status.split()[1]), headers, body


def test_post_to_the_root_stores_a_picture(deployment: Deployment, picture: Path) -> None:
    status, headers, body = curl("-F", f"image=@{picture}", f"{deployment.url}/")
    made = json.loads(body)
    assert (status, made["msg"]) == (201, "ok")
    assert headers["location"] == f"/images/{made['id']}/"
    assert curl(f"{deployment.url}{headers['location']}")[2] == picture.read_bytes()


def test_an_image_with_a_slash_is_bytes_and_json_by_accept(deployment: Deployment, api: httpx2.Client) -> None:
    data = photo(64, 48)
    image_id = store(api, data)
    status, headers, body = curl(f"{deployment.url}/images/{image_id}/")
    assert (status, body, headers["content-type"], headers["vary"]) == (200, data, "image/jpeg", "accept")
    status, headers, body = curl("-H", "Accept: application/json", f"{deployment.url}/images/{image_id}/")
    assert (status, json.loads(body)["id"], headers["vary"]) == (200, image_id, "accept")


def test_an_image_without_a_slash_is_json_and_bytes_by_accept(deployment: Deployment, api: httpx2.Client) -> None:
    data = photo(64, 48)
    image_id = store(api, data)
    assert json.loads(curl(f"{deployment.url}/images/{image_id}")[2])["width"] == 64
    assert curl("-H", "Accept: image/*", f"{deployment.url}/images/{image_id}")[2] == data


@pytest.mark.parametrize("ending", ["", "/"])
def test_an_image_is_ascii_for_those_who_take_nothing_but_text(deployment: Deployment, api: httpx2.Client, ending: str) -> None:
    image_id = store(api, photo(64, 48))
    status, headers, body = curl("-H", "Accept: text/plain", f"{deployment.url}/images/{image_id}{ending}")
    assert (status, headers["content-type"], headers["vary"]) == (200, "text/plain; charset=utf-8", "accept")
    assert headers["content-location"] == f"/img/{image_id}.txt"
    assert body.isascii()
    assert len(body.decode().splitlines()) > 10


NAMES = [
    ("thumbnail/?w=32", "w32.jpg", (32, 24)),
    ("rotate/?angle=90", "rotate90.jpg", (48, 64)),
    ("compress/?quality=30", "q30.jpg", (64, 48)),
    ("grayscale/", "gray.jpg", (64, 48)),
    ("crop/?x=4&y=4&w=20&h=10", "crop_4_4_20_10.jpg", (20, 10)),
    ("blur/?sigma=2&format=webp", "blur2.webp", (64, 48)),
    ("mask/?shape=heart&ext=png", "mask_heart.png", (64, 48)),
    ("resize/?w=20&h=20&fit=cover", "w20,h20,fit_cover.jpg", (20, 20)),
    ("convert/?format=png", "_.png", (64, 48)),
]


@pytest.mark.parametrize(("asked", "plan", "size"), NAMES)
def test_a_named_transform_is_the_plan_that_it_stands_for(
    deployment: Deployment, api: httpx2.Client, asked: str, plan: str, size: tuple[int, int]
) -> None:
    image_id = store(api, photo(64, 48))
    status, headers, body = curl(f"{deployment.url}/images/{image_id}/{asked}")
    location = f"/img/{image_id}/{plan}".replace("/_.", ".")
    assert (status, headers["content-location"], size_of(body)) == (200, location, size)
    status, same, plain = curl(f"{deployment.url}{location}")
    assert (status, plain, same["etag"], same["cache-control"]) == (200, body, headers["etag"], headers["cache-control"])
    assert curl("-H", f"If-None-Match: {headers['etag']}", f"{deployment.url}/images/{image_id}/{asked}")[0] == 304


@pytest.mark.parametrize(("asked", "plan", "size"), NAMES)
def test_on_demand_is_the_same_for_a_picture_that_comes_along(
    deployment: Deployment, picture: Path, asked: str, plan: str, size: tuple[int, int]
) -> None:
    for body in (["-F", f"image=@{picture}"], ["--data-binary", f"@{picture}"]):
        status, headers, made = curl(*body, f"{deployment.url}/on_demand/{asked}")
        assert (status, headers["content-location"], size_of(made)) == (200, f"/transform/{plan}", size)
        assert headers["cache-control"] == "no-store"


def test_on_demand_is_ascii_by_accept_but_not_against_a_named_format(deployment: Deployment, picture: Path) -> None:
    text = ["-H", "Accept: text/plain", "--data-binary", f"@{picture}"]
    status, headers, body = curl(*text, f"{deployment.url}/on_demand/sepia/")
    assert (status, headers["content-type"], headers["vary"]) == (200, "text/plain; charset=utf-8", "accept")
    assert len(body.decode().splitlines()) > 10
    assert curl(*text, f"{deployment.url}/on_demand/sepia/?format=png")[1]["content-type"] == "image/png"


def test_a_named_transform_is_ascii_by_accept_but_not_against_a_named_format(deployment: Deployment, api: httpx2.Client) -> None:
    url = f"{deployment.url}/images/{store(api, photo(64, 48))}/sepia/"
    status, headers, body = curl("-H", "Accept: text/plain", url)
    assert (status, headers["content-type"], headers["vary"]) == (200, "text/plain; charset=utf-8", "accept")
    assert len(body.decode().splitlines()) > 10
    assert curl("-H", "Accept: text/plain", f"{url}?format=png")[1]["content-type"] == "image/png"
    assert curl(url)[1]["vary"] == "accept"


@pytest.mark.parametrize(
    ("asked", "status", "named"),
    [
        ("thumbnial/", 404, "'thumbnail'"),
        ("rotate/?angle=x", 400, "angle=x"),
        ("rotate/?angel=90", 400, "'angel'"),
        ("crop/?w=9", 400, "'h' is missing"),
        ("crop/?x=900&w=9&h=9", 422, "Nothing is left"),
        ("convert/?format=exe", 400, "'exe'"),
    ],
)
def test_a_named_transform_that_will_not_do_says_why(deployment: Deployment, picture: Path, asked: str, status: int, named: str) -> None:
    image_id = json.loads(curl("-F", f"image=@{picture}", f"{deployment.url}/")[2])["id"]
    for command in ([f"{deployment.url}/images/{image_id}/{asked}"], ["-F", f"image=@{picture}", f"{deployment.url}/on_demand/{asked}"]):
        got, headers, body = curl(*command)
        assert (got, headers["content-type"]) == (status, "application/problem+json")
        assert named in json.loads(body)["detail"]


def test_named_transforms_know_images_and_no_other_hosts(deployment: Deployment, picture: Path) -> None:
    assert curl(f"{deployment.url}/images/{'a' * 26}/sepia/")[0] == 404
    status, _, body = curl("-X", "POST", f"{deployment.url}/on_demand/sepia/?url=http%3A%2F%2Fexample.com%2Fa.jpg")
    assert (status, json.loads(body)["type"]) == (403, "/problems/remote-off")


@pytest.mark.parametrize("path", ["/images", "/images/"])
def test_all_stored_images_are_listed_newest_first(deployment: Deployment, api: httpx2.Client, path: str) -> None:
    older, newer = store(api, photo(64, 48)), store(api, photo(64, 48))
    listed = [image["id"] for image in json.loads(curl(f"{deployment.url}{path}?limit=100")[2])["images"]]
    assert listed.index(newer) < listed.index(older)


def test_the_form_shows_itself_and_stores(deployment: Deployment, picture: Path) -> None:
    status, headers, body = curl(f"{deployment.url}/upload-image")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b'name="image"' in body
    status, _, body = curl("-F", f"image=@{picture}", f"{deployment.url}/upload-image")
    assert status == 201
    assert curl(f"{deployment.url}/img/{json.loads(body)['id']}")[2] == picture.read_bytes()


def test_download_is_a_page_whose_image_downloads_by_a_click(deployment: Deployment, api: httpx2.Client) -> None:
    image_id = store(api, photo(64, 48))
    for query in (f"id={image_id}", "exts=jpeg,png"):
        status, headers, body = curl(f"{deployment.url}/download?{query}")
        assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert f'download="{image_id}.jpg"' in body.decode()
    assert image_id not in curl(f"{deployment.url}/download?exts=gif")[2].decode()
    assert curl(f"{deployment.url}/download?id={'a' * 26}")[0] == 404
    assert curl(f"{deployment.url}/download")[0] == 400
    assert curl(f"{deployment.url}/download?exts=exe")[0] == 400
