"""`POST /transform/…`: a picture comes with the request, another goes back, and nothing is kept."""

import json
import subprocess
from pathlib import Path

import httpx2
import pytest

from tests.deployments import Deployment
from tests.e2e.conftest import store
from tests.photos import photo, size_of
from tests.pictures import animation, encoded, png_header, transparent


@pytest.mark.parametrize(
    ("path", "media_type", "size", "canonical"),
    [
        ("w100.webp", "image/webp", (100, 75), None),
        ("_.png", "image/png", (400, 300), None),
        ("h90,w0100.jpeg", "image/jpeg", (100, 75), "w100.jpg"),
        ("w50/rotate90.gif", "image/gif", (38, 50), None),
        ("p_thumbnail.webp", "image/webp", (128, 128), "w128,h128,fit_cover.webp"),
        ("w40,h40,fit_cover,g_focal.webp", "image/webp", (40, 40), "w40,h40,fit_cover.webp"),
        ("w9000.webp", "image/webp", (400, 300), "_.webp"),
    ],
)
def test_the_body_comes_back_as_the_path_says(
    api: httpx2.Client, path: str, media_type: str, size: tuple[int, int], canonical: str | None
) -> None:
    answer = api.post(f"/transform/{path}", content=photo(400, 300))
    assert answer.status_code == 200, answer.text
    assert (answer.headers["content-type"], size_of(answer.content)) == (media_type, size)
    assert answer.headers.get("content-location") == (canonical and f"/transform/{canonical}")


def test_what_comes_back_is_for_the_one_who_asked_alone(api: httpx2.Client) -> None:
    headers = api.post("/transform/w9.webp", content=photo(40, 30)).headers
    assert headers["cache-control"] == "no-store"
    assert headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-disposition"] == 'inline; filename="picture.webp"'
    assert "render;dur=" in headers["server-timing"]
    assert not {"etag", "vary", "accept-ranges", "x-warning"} & set(headers)


def test_curl_sends_a_form_or_the_bytes(deployment: Deployment, tmp_path: Path) -> None:
    picture = tmp_path / "picture.jpg"
    picture.write_bytes(photo(64, 48))
    for body in (["-F", f"image=@{picture}"], ["--data-binary", f"@{picture}"], ["-T", str(picture), "-X", "POST"]):
        command = ["curl", "--silent", "--show-error", "--fail", *body, f"{deployment.url}/transform/w32.png"]
        assert size_of(subprocess.run(command, check=True, capture_output=True).stdout) == (32, 24)


def test_nothing_is_kept(api: httpx2.Client) -> None:
    data = photo(40, 30)
    assert api.post("/transform/w9.webp", content=data).status_code == 200
    uploaded = api.post("/uploads", content=data).json()["id"]
    assert api.get(f"/uploads/{uploaded}").json()["state"] == "staged"
    assert api.delete(f"/uploads/{uploaded}").status_code == 204
    api.post("/transform/w9.webp", content=data)
    assert api.get(f"/img/{uploaded}").status_code == 404


def test_auto_is_negotiated_and_says_so(api: httpx2.Client) -> None:
    for accept, media_type in (("image/avif", "image/avif"), ("*/*", "image/png")):
        answer = api.post("/transform/w32.auto", content=encoded(transparent()), headers={"accept": accept})
        assert (answer.headers["content-type"], answer.headers["vary"]) == (media_type, "Accept")


def test_frames_that_are_not_shown_are_spoken_of(api: httpx2.Client) -> None:
    moving = animation(frames=3)
    assert "first of 3 frames" in api.post("/transform/w9.jpg", content=moving).headers["x-warning"]
    assert "x-warning" not in api.post("/transform/w9.webp", content=moving).headers
    assert api.post("/transform/page4.png", content=moving).json()["token"] == "page4"


def test_what_trim_finds_is_told(api: httpx2.Client) -> None:
    framed = encoded(transparent().flatten(background=[255, 255, 255]).embed(7, 5, 80, 60, extend="white"))
    answer = api.post("/transform/trim.png", content=framed)
    assert (answer.status_code, size_of(answer.content)) == (200, (30, 40))
    assert answer.headers["content-location"] == "/transform/crop_7_5_30_40.png"


def test_another_image_is_drawn_before_what_trims(api: httpx2.Client) -> None:
    drawn = api.post("/images", content=encoded(transparent())).json()["id"]
    for path in (f"wm_{drawn}/trim.png", f"mask_{drawn}/trim.png"):
        assert api.post(f"/transform/{path}", content=photo(64, 48)).status_code == 200, path


def test_what_the_negotiated_format_has_not_is_spoken_of(api: httpx2.Client) -> None:
    answer = api.post("/transform/lossless,w9.auto", content=photo(64, 48))
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["x-warning"] == "jpg has no lossless: left out."


@pytest.mark.parametrize(
    ("path", "body", "status", "problem"),
    [
        ("w9.webp", b"", 400, "empty-upload"),
        ("w9.webp", b"hello", 415, "unsupported-format"),
        ("w9.webp", b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "unsupported-format"),
        ("w9.webp", png_header(20_000, 10), 422, "limit-exceeded"),
        ("w9.webp", png_header(20, 10), 422, "broken-image"),
        ("w9.webp", animation(".gif")[:-40], 422, "broken-image"),
        ("w9.webp", photo(64, 48)[:-900], 422, "broken-image"),
        ("w16000,enlarge.webp", photo(64, 48), 422, "impossible-output"),
        ("crop_900_0_9_9.webp", photo(64, 48), 422, "impossible-output"),
        ("widht9.webp", photo(64, 48), 400, "bad-plan"),
        ("w9.wepb", photo(64, 48), 400, "bad-plan"),
        ("w9.webp.json", photo(64, 48), 400, "bad-plan"),
        ("p_nothing.webp", photo(64, 48), 400, "bad-plan"),
        ("w9", photo(64, 48), 400, "bad-plan"),
        (".webp", photo(64, 48), 400, "bad-plan"),
        ("", photo(64, 48), 400, "bad-plan"),
    ],
)
def test_what_will_not_do_is_refused_as_an_upload_or_a_plan_is(
    api: httpx2.Client, path: str, body: bytes, status: int, problem: str
) -> None:
    answer = api.post(f"/transform/{path}", content=body)
    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{problem}"), answer.text
    assert answer.headers["cache-control"] == "no-store"


def test_a_form_has_one_picture(api: httpx2.Client) -> None:
    part = ("image", ("a.jpg", photo(8, 8)))
    assert api.post("/transform/w4.png", files=[part, part]).json()["type"] == "/problems/bad-request"
    assert api.post("/transform/w4.png", files=[("picture", part[1])]).json()["type"] == "/problems/empty-upload"


def test_a_posted_picture_takes_no_more_than_an_upload(deployment: Deployment) -> None:
    app = deployment.apps[0].url  # nginx has a limit of its own, on the whole request
    limit = 25 * 1024**2
    answer = httpx2.post(f"{app}/transform/w9.webp", content=photo(8, 8) + bytes(limit))
    assert (answer.status_code, answer.json()["maximum"]) == (413, limit)


def test_another_image_is_drawn_only_when_it_is_stored(api: httpx2.Client) -> None:
    mark, data = store(api, photo(20, 20)), photo(64, 48)
    answer = api.post(f"/transform/wm_{mark}.png", content=data)
    assert (answer.status_code, size_of(answer.content)) == (200, (64, 48))
    assert answer.content != api.post("/transform/_.png", content=data).content
    staged = api.post("/uploads", content=photo(20, 20)).json()["id"]
    for unknown in ("a" * 26, staged):
        refused = api.post(f"/transform/wm_{unknown}.png", content=data)
        assert (refused.status_code, refused.json()["image"]) == (404, unknown)


def test_the_address_takes_nothing_but_posts(api: httpx2.Client) -> None:
    answer = api.get("/transform/w9.webp")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_the_document_knows_it(api: httpx2.Client) -> None:
    described = json.loads(api.get("/openapi.json").text)["paths"]
    assert "requestBody" in described["/transform/{plan}.{ext}"]["post"]
    assert "application/json" in described["/img/{id}/{plan}.{ext}.json"]["get"]["responses"]["200"]["content"]
