"""Images as JSON: what a page needs before and beside the picture, and the focal point that somebody sets."""

import re
import time
from typing import Any

import httpx2
import pytest

from services.memory import KNOWN_SECONDS
from tests.deployments import Deployment
from tests.e2e.conftest import eventually, product, store, upload
from tests.photos import photo, size_of
from tests.pictures import animation, encoded, transparent

JSON = {"accept": "application/json"}
CANDIDATE = re.compile(r"(\S+) ([0-9]+)w(?:, |$)")


def candidates(srcset: str) -> list[tuple[str, int]]:
    return [(url, int(width)) for url, width in CANDIDATE.findall(srcset)]


def shown(api: httpx2.Client, image_id: str) -> dict[str, Any]:
    return dict(api.get(f"/images/{image_id}", headers=JSON).json())


def test_placeholders_come_right_after_the_commit_wherever_the_image_is_told(api: httpx2.Client) -> None:
    (image_id,) = upload(api, photo(800, 600))
    made = product(api, [image_id])
    warmed = eventually(lambda: (seen := shown(api, image_id))["thumbhash"] and seen)
    assert re.fullmatch(r"[A-Za-z0-9+/]{20,40}=*", warmed["thumbhash"])
    assert re.fullmatch(r"#[0-9a-f]{6}", warmed["colour"])
    assert warmed["placeholder"].startswith("data:image/webp;base64,")
    told = [api.get(f"/products/{made['id']}").json()["images"][0], *api.get("/images", params={"limit": 100}).json()["images"]]
    assert [one for one in told if one["id"] == image_id] == [warmed, warmed]


@pytest.mark.parametrize(
    ("picture", "full", "formats"),
    [
        (photo(800, 600), 800, ["avif", "webp", "jpg"]),
        (photo(512, 10), 512, ["avif", "webp", "jpg"]),
        (encoded(transparent(300, 200)), 300, ["avif", "webp", "png"]),
        (photo(90, 120), 90, ["avif", "webp", "jpg"]),
        (animation(), 60, ["webp", "gif"]),
    ],
)
def test_every_candidate_of_a_srcset_is_as_wide_as_it_says_and_none_is_enlarged(
    deployment: Deployment, api: httpx2.Client, picture: bytes, full: int, formats: list[str]
) -> None:
    srcset = shown(api, store(api, picture))["srcset"]
    assert list(srcset) == formats
    for format, text in srcset.items():
        offered = candidates(text)
        assert [width for _, width in offered] == [*(width for width in (256, 512, 1024, 2048) if width < full), full]
        for url, width in offered:
            assert url.startswith(deployment.env.get("PROGIMAGE_PUBLIC_URL", "/img/"))
            answer = api.get(url, follow_redirects=False)
            assert (answer.status_code, answer.headers["content-type"]) == (200, f"image/{format.replace('jpg', 'jpeg')}")
            assert size_of(answer.content)[0] == width


def test_a_picture_wider_than_all_widths_is_not_offered_in_full(api: httpx2.Client) -> None:
    srcset = shown(api, store(api, photo(2300, 20)))["srcset"]
    assert [width for _, width in candidates(srcset["webp"])] == [256, 512, 1024, 2048]


def test_what_a_format_cannot_hold_is_not_offered_in_it(api: httpx2.Client) -> None:
    tall = store(api, encoded(transparent(1100, 16000), ".png", compression=1))
    srcset = shown(api, tall)["srcset"]
    assert [width for _, width in candidates(srcset["avif"])] == [256, 512, 1024]
    assert [width for _, width in candidates(srcset["png"])] == [256, 512, 1024, 1100]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("[0.3, 0.7]", [0.3, 0.7]),
        ("[0, 1]", [0, 1]),
        ("[0.005, 0.994999]", [0.01, 0.99]),
        ("[0.295, 1e-999]", [0.3, 0]),
        ("[-0.0, 1.0]", [0, 1]),
    ],
)
def test_a_focal_point_is_rounded_half_up_and_kept_until_it_is_cleared(
    api: httpx2.Client, stored: str, sent: str, kept: list[float]
) -> None:
    before = shown(api, stored)
    assert before["focal"] is None
    answer = api.patch(f"/images/{stored}", content=f'{{"focal": {sent}}}', headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["focal"]) == (200, kept)
    assert shown(api, stored)["focal"] == kept
    cleared = api.patch(f"/images/{stored}", json={"focal": None})
    assert (cleared.status_code, cleared.json()["focal"], shown(api, stored)["focal"]) == (200, None, None)


NO_POINTS = [
    *('{"focal": [0.3]}', '{"focal": [0.3, 0.4, 0.5]}', '{"focal": [1.001, 0]}', '{"focal": [0, -0.001]}', '{"focal": ["0.3", "0.7"]}'),
    *(
        '{"focal": [true, false]}',
        '{"focal": [NaN, 0]}',
        '{"focal": [1e999999999, 0]}',
        '{"focal": {"x": 0.3, "y": 0.7}}',
        '{"focal": "center"}',
    ),
    *("{}", '{"focal": [0, 0], "id": "x"}', "[0.3, 0.7]", "", "null"),
]


@pytest.mark.parametrize("body", NO_POINTS)
def test_what_is_no_focal_point_is_refused_and_changes_nothing(api: httpx2.Client, stored: str, body: str) -> None:
    api.patch(f"/images/{stored}", json={"focal": [0.3, 0.7]})
    refused = api.patch(f"/images/{stored}", content=body, headers={"content-type": "application/json"})
    assert (refused.status_code, refused.headers["content-type"]) == (400, "application/problem+json"), refused.text
    assert shown(api, stored)["focal"] == [0.3, 0.7]


def test_only_stored_images_have_a_focal_point_and_bodies_are_json(api: httpx2.Client, stored: str) -> None:
    (staged,) = upload(api, photo(64, 48))
    for image_id in (staged, "a" * 26, "nonsense"):
        assert api.patch(f"/images/{image_id}", json={"focal": [0, 0]}).status_code == 404
    assert api.patch(f"/images/{stored}", content=b"focal=0.3", headers={"content-type": "text/plain"}).status_code == 415


def test_the_new_focal_point_is_where_crops_go_within_a_second(api: httpx2.Client, fresh: str) -> None:
    for point, spelled in (([0.2, 0.8], "g_0.2_0.8"), ([0.9, 0.1], "g_0.9_0.1"), (None, "")):
        assert api.patch(f"/images/{fresh}", json={"focal": point}).status_code == 200
        time.sleep(KNOWN_SECONDS)  # what the other process may believe
        answer = api.get(f"/img/{fresh}/w100,h100,fit_cover,g_focal.webp", follow_redirects=False)
        wanted = ",".join(filter(None, ("w100,h100,fit_cover", spelled)))
        assert (answer.status_code, answer.headers["location"]) == (307, f"/img/{fresh}/{wanted}.webp")
