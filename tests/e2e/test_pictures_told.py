"""`/img/…`: what a picture is, as JSON, and URLs whose meaning may change: presets and focal points."""

import httpx2
import pytest

from tests.e2e.conftest import store, upload
from tests.photos import photo, size_of
from tests.pictures import animation

FOR_EVER = "public, max-age=31536000, immutable"
WARNING = "Only the first of 3 frames is shown: jpg does not move."


@pytest.mark.parametrize(
    ("path", "url", "told"),
    [
        ("", "", {"width": 800, "height": 600, "format": "jpg", "media_type": "image/jpeg", "plan": None}),
        (".webp", ".webp", {"width": 800, "height": 600, "format": "webp", "media_type": "image/webp", "plan": "_"}),
        ("/w128,dpr2.webp", "/w256.webp", {"width": 256, "height": 192, "plan": "w256"}),
        ("/w100/rotate90.jpeg", "/w100/rotate90.jpg", {"width": 75, "height": 100, "plan": "w100/rotate90", "media_type": "image/jpeg"}),
        ("/p_thumbnail.png", "/w128,h128,fit_cover.png", {"width": 128, "height": 128, "plan": "w128,h128,fit_cover"}),
        ("/w32.auto", "/w32.jpg", {"format": "jpg"}),
    ],
)
def test_any_url_with_json_added_says_what_it_is(api: httpx2.Client, stored: str, path: str, url: str, told: dict[str, object]) -> None:
    answer = api.get(f"/img/{stored}{path}.json")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    said = answer.json()
    assert said.items() >= {"frames": 1, "warnings": [], **told}.items()
    shown = api.get(said["url"])
    assert shown.request.url.path == f"/img/{stored}{url}"
    assert said["bytes"] == len(shown.content)
    assert (said["width"], said["height"]) == size_of(shown.content)
    assert said["media_type"] == shown.headers["content-type"]


def test_json_is_kept_as_long_as_the_picture_and_has_validators_of_its_own(api: httpx2.Client, stored: str) -> None:
    path = f"/img/{stored}/w101.webp"
    picture, said = api.get(path), api.get(f"{path}.json")
    assert said.headers["cache-control"] == picture.headers["cache-control"] == FOR_EVER
    assert said.headers["etag"] != picture.headers["etag"]
    assert said.headers["access-control-allow-origin"] == "*"
    again = api.get(f"{path}.json", headers={"if-none-match": said.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert api.get(f"{path}.json", headers={"if-none-match": picture.headers["etag"]}).status_code == 200
    head = api.head(f"{path}.json")
    assert (head.content, head.headers["content-length"], head.headers["etag"]) == (b"", str(len(said.content)), said.headers["etag"])


@pytest.mark.parametrize(
    ("asked", "status", "found"),
    [("/h9,w8.webp.json", 308, "/w8,h9.webp.json"), ("/_.webp.json", 308, ".webp.json"), ("/w9%2Ch9.webp.json", 308, "/w9,h9.webp.json")],
)
def test_another_spelling_keeps_its_json(api: httpx2.Client, stored: str, asked: str, status: int, found: str) -> None:
    answer = api.get(f"/img/{stored}{asked}")
    assert (answer.status_code, answer.headers["location"]) == (status, f"/img/{stored}{found}")


@pytest.mark.parametrize("path", ["/w9.json", ".json.json", "/w9.webp.json.json", "/w9.wepb.json"])
def test_json_is_no_format_of_a_picture(api: httpx2.Client, stored: str, path: str) -> None:
    answer = api.get(f"/img/{stored}{path}")
    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/bad-plan")


def test_json_of_an_image_that_is_not_there(api: httpx2.Client) -> None:
    for path in (f"/img/{'a' * 26}.json", f"/img/{'a' * 26}/w9.webp.json", "/img/.json"):
        assert api.get(path).status_code == 404


def test_json_of_an_upload_is_private_as_the_upload_is(api: httpx2.Client) -> None:
    (image,) = upload(api, photo(40, 30))
    for path in (f"/img/{image}.json", f"/img/{image}/w9.webp.json", f"/img/{image}/p_thumbnail.webp"):
        assert api.get(path).headers["cache-control"] == "private, max-age=60"


def test_a_moving_picture_that_stands_still_says_so(api: httpx2.Client) -> None:
    moving = store(api, animation(frames=3))
    assert api.get(f"/img/{moving}/w20.jpg").headers["x-warning"] == WARNING
    assert api.get(f"/img/{moving}/w20.jpg.json").json()["warnings"] == [WARNING]
    told = api.get(f"/img/{moving}/w20.webp.json")
    assert (told.json()["frames"], told.json()["warnings"]) == (3, [])
    assert "x-warning" not in told.headers
    assert api.get(f"/img/{moving}.json").json()["frames"] == 3


def test_a_preset_is_its_plan_for_an_hour(api: httpx2.Client, stored: str) -> None:
    answer = api.get(f"/img/{stored}/p_thumbnail.webp")
    assert (answer.status_code, size_of(answer.content)) == (200, (128, 128))
    assert answer.headers["cache-control"] == "public, max-age=3600, must-revalidate"
    assert answer.headers["content-location"] == f"/img/{stored}/w128,h128,fit_cover.webp"
    plain = api.get(answer.headers["content-location"])
    assert (plain.headers["etag"], plain.headers["cache-control"]) == (answer.headers["etag"], FOR_EVER)
    told = api.get(f"/img/{stored}/p_thumbnail/rotate90.webp.json")
    assert told.headers["cache-control"] == "public, max-age=3600, must-revalidate"
    assert told.json()["plan"] == "w128,h128,fit_cover/rotate90"


def test_an_unknown_preset_is_refused_with_the_nearest(api: httpx2.Client, stored: str) -> None:
    answer = api.get(f"/img/{stored}/p_thumbnial.webp")
    assert (answer.status_code, answer.json()["nearest"], answer.headers["cache-control"]) == (400, "thumbnail", "no-store")


FOCAL = "/w64,h100,fit_cover,g_focal"


def test_without_a_stored_point_the_focal_one_is_the_middle(api: httpx2.Client, stored: str) -> None:
    for ending in (".webp", ".jpeg", ".webp.json"):
        answer = api.get(f"/img/{stored}{FOCAL}{ending}")
        assert (answer.status_code, answer.headers["cache-control"]) == (307, "public, max-age=60")
        assert answer.headers["location"] == f"/img/{stored}/w64,h100,fit_cover{ending}"
        assert api.get(answer.headers["location"]).status_code == 200


def test_the_focal_point_leads_to_the_url_with_the_stored_point(api: httpx2.Client, fresh: str) -> None:
    assert api.patch(f"/images/{fresh}", json={"focal": [0.3, 0.705]}).status_code == 200
    answer = api.get(f"/img/{fresh}{FOCAL}.webp")
    assert (answer.status_code, answer.headers["location"]) == (307, f"/img/{fresh}/w64,h100,fit_cover,g_0.3_0.71.webp")
    found = api.get(answer.headers["location"])
    assert (found.status_code, found.headers["cache-control"]) == (200, FOR_EVER)
    elsewhere = api.get(f"/images/{fresh}/thumbnail/", params={"w": "64", "h": "100", "fit": "cover", "g": "focal", "format": "webp"})
    assert (elsewhere.content, elsewhere.headers["cache-control"]) == (found.content, "public, max-age=60")
    api.patch(f"/images/{fresh}", json={"focal": None})
