"""The interfaces that ProgImage grew from, driven with curl as their users drive them (urls.md, last table)."""

import json
import subprocess
from pathlib import Path

import httpx2
import pytest

from tests.deployments import Deployment
from tests.e2e.conftest import store
from tests.photos import photo


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
