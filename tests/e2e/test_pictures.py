"""`/img/…`: canonical URLs, validators, ranges, and the headers of http.md."""

import re
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from services.memory import KNOWN_SECONDS
from tests.deployments import Deployment
from tests.e2e.conftest import EMBEDDED, store
from tests.photos import photo, size_of
from tests.pictures import animation, encoded, transparent


@pytest.mark.parametrize(
    ("path", "media_type", "size"),
    [
        ("/w256.jpg", "image/jpeg", (256, 192)),
        ("/w256.png", "image/png", (256, 192)),
        ("/w256.webp", "image/webp", (256, 192)),
        ("/w64.avif", "image/avif", (64, 48)),
        ("/w256.gif", "image/gif", (256, 192)),
        ("/w256.tiff", "image/tiff", (256, 192)),
        (".webp", "image/webp", (800, 600)),
        ("/w200,h200,fit_cover.jpg", "image/jpeg", (200, 200)),
        ("/w200,h200,fit_contain,bg_f5c542.webp", "image/webp", (200, 200)),
        ("/crop_10p_10p_50p_50p,w100.webp", "image/webp", (100, 75)),
        ("/w128,dpr2.webp", "image/webp", (256, 192)),
        ("/w100,rotate90.webp", "image/webp", (75, 100)),
        ("/w100/rotate30,bg_102030/flip_h.webp", "image/webp", (124, 115)),
        ("/w2000,enlarge.webp", "image/webp", (2000, 1500)),
    ],
)
def test_a_url_is_the_picture_that_it_says(api: httpx2.Client, stored: str, path: str, media_type: str, size: tuple[int, int]) -> None:
    answer = api.get(f"/img/{stored}{path}")
    assert answer.status_code == 200, answer.text
    assert (answer.headers["content-type"], size_of(answer.content)) == (media_type, size)


@pytest.mark.parametrize("deployment", [EMBEDDED], indirect=True)
def test_every_example_of_the_registry_is_a_picture(api: httpx2.Client, stored: str) -> None:
    moving = store(api, animation(frames=4))
    for operation in api.get("/transforms").json()["operations"]:
        image = moving if operation["name"] in ("page", "frames") else stored
        extension = max(operation["formats"] or ["webp"])
        # An example that draws on another image names one that nobody has.
        plan = re.sub("[a-z2-7]{26}", stored, operation["example"])
        answer = api.get(f"/img/{image}/{plan}.{extension}", follow_redirects=True)
        assert answer.status_code == 200, (operation["name"], answer.text)
        assert answer.headers["content-type"].startswith("text/") or size_of(answer.content)[0] > 0


def test_the_headers_of_a_variant(api: httpx2.Client, fresh: str) -> None:
    headers = api.get(f"/img/{fresh}/w256.webp").headers
    assert headers["cache-control"] == "public, max-age=31536000, immutable"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert headers["cross-origin-resource-policy"] == "cross-origin"
    assert headers["access-control-allow-origin"] == "*"
    assert headers["content-disposition"] == f'inline; filename="{fresh}.webp"'
    assert headers["x-cache"] in ("hit", "miss", "coalesced")
    assert headers["etag"].startswith('"')
    assert "dur=" in headers["server-timing"]
    assert "vary" not in headers


def test_the_original_comes_back_byte_for_byte(api: httpx2.Client) -> None:
    data = photo(200, 100)
    image_id = store(api, data)
    answer = api.get(f"/img/{image_id}")
    assert (answer.content, answer.headers["content-type"]) == (data, "image/jpeg")
    assert api.get(f"/img/{image_id}", headers={"if-none-match": answer.headers["etag"]}).status_code == 304


@pytest.mark.parametrize(
    ("asked", "canonical"),
    [
        ("/h100,w0200.webp", "/w200,h100.webp"),
        ("/w200,fit_cover.webp", "/w200.webp"),
        ("/_.webp", ".webp"),
        ("/rotate0.webp", ".webp"),
        ("/w200%2Ch100.webp", "/w200,h100.webp"),
        ("/w20%30.webp", "/w200.webp"),
    ],
)
def test_another_spelling_is_sent_to_the_canonical_url(api: httpx2.Client, stored: str, asked: str, canonical: str) -> None:
    answer = api.get(f"/img/{stored}{asked}")
    assert (answer.status_code, answer.headers["location"]) == (308, f"/img/{stored}{canonical}")
    assert api.get(answer.headers["location"]).status_code == 200


def test_an_alias_is_served_and_names_the_canonical_url(api: httpx2.Client, stored: str) -> None:
    answer = api.get(f"/img/{stored}/w90.jpeg")
    assert (answer.status_code, answer.headers["content-location"]) == (200, f"/img/{stored}/w90.jpg")


def test_a_width_beyond_the_original_names_the_object_that_it_shares(api: httpx2.Client, stored: str) -> None:
    two, three = (api.get(f"/img/{stored}/w{width}.webp") for width in (2000, 3000))
    assert two.headers["etag"] == three.headers["etag"]
    assert two.headers["content-location"] == f"/img/{stored}.webp"


def test_unknown_parameters_of_the_query_are_ignored(api: httpx2.Client, stored: str) -> None:
    assert api.get(f"/img/{stored}/w256.webp?v=3&utm_source=mail").status_code == 200


@pytest.mark.parametrize(
    ("path", "status", "named"),
    [
        ("/w0.webp", 400, "from 1 to 16383"),
        ("/widht9.webp", 400, "no operation"),
        ("/w9.wepb", 400, "'webp'"),
        ("/w9", 400, "end in a format"),
        ("/w9.webp?url=http%3A%2F%2Fexample.com%2Fa.jpg", 400, "id"),
        ("/crop_900_0_9_9.webp", 422, "Nothing is left"),
        ("/w16000,enlarge.webp", 422, "width"),
    ],
)
def test_a_bad_plan_is_refused_by_name_and_not_kept(api: httpx2.Client, stored: str, path: str, status: int, named: str) -> None:
    answer = api.get(f"/img/{stored}{path}")
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert named in answer.json()["detail"]
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("image_id", ["a" * 26, "A" * 26, "a" * 25, "%00", "a" * 26 + "%20", ".env", "ä" * 26])
def test_an_unknown_id_is_not_found(api: httpx2.Client, image_id: str) -> None:
    for path in (f"/img/{image_id}", f"/img/{image_id}.webp", f"/img/{image_id}/w9.webp"):
        answer = api.get(path)
        assert answer.status_code == 404 or image_id == "%00", (path, answer.status_code)


def test_what_did_not_change_is_not_sent_again(api: httpx2.Client, stored: str) -> None:
    etag = api.get(f"/img/{stored}/w100.webp").headers["etag"]
    for tags in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = api.get(f"/img/{stored}/w100.webp", headers={"if-none-match": tags})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert api.get(f"/img/{stored}/w100.webp", headers={"if-none-match": '"other"'}).status_code == 200


def test_head_is_get_without_a_body(api: httpx2.Client, stored: str) -> None:
    got, head = api.get(f"/img/{stored}/w100.webp"), api.head(f"/img/{stored}/w100.webp")
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-length", "content-type", "etag", "cache-control"):
        assert head.headers[name] == got.headers[name]


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        ("bytes=0-9", 206, slice(0, 10)),
        ("bytes=-5", 206, slice(-5, None)),
        ("bytes=100-", 206, slice(100, None)),
        ("bytes=0-0,5-6", 200, slice(None)),
        ("bytes=9-1", 200, slice(None)),
        ("bytes=-0", 416, None),
        ("bytes=9999999-", 416, None),
        ("lines=1-2", 200, slice(None)),
        ("bytes=" + "0-0," * 1000, 200, slice(None)),
    ],
)
def test_a_range_is_the_part_of_the_bytes(deployment: Deployment, stored: str, asked: str, status: int, part: slice | None) -> None:
    url = f"{deployment.apps[0].url}/img/{stored}/w100.webp"  # nginx cuts ranges out of what it keeps by rules of its own
    whole = httpx2.get(url).content
    answer = httpx2.get(url, headers={"range": asked})
    assert answer.status_code == status
    if part is not None:
        assert answer.content == whole[part]
    else:
        assert answer.headers["content-range"] == f"bytes */{len(whole)}"
        assert answer.json()["length"] == len(whole)


def test_a_range_of_other_bytes_gets_the_whole(api: httpx2.Client, stored: str) -> None:
    answer = api.get(f"/img/{stored}/w100.webp", headers={"range": "bytes=0-9", "if-range": '"other"'})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("image/avif,image/webp,*/*", "image/avif"),
        ("image/webp,*/*;q=0.8", "image/webp"),
        ("image/avif;q=0,image/webp", "image/webp"),
        ("*/*", "image/jpeg"),
        ("image/*", "image/jpeg"),
    ],
)
def test_auto_takes_the_best_format_that_is_accepted_by_name(api: httpx2.Client, stored: str, accept: str, media_type: str) -> None:
    answer = api.get(f"/img/{stored}/w32.auto", headers={"accept": accept})
    assert (answer.headers["content-type"], answer.headers["vary"]) == (media_type, "Accept")


def test_auto_keeps_transparency_and_movement(api: httpx2.Client) -> None:
    clear, moving = store(api, encoded(transparent())), store(api, animation())
    assert api.get(f"/img/{clear}/w32.auto", headers={"accept": "*/*"}).headers["content-type"] == "image/png"
    assert api.get(f"/img/{moving}/w32.auto", headers={"accept": "image/avif,image/webp"}).headers["content-type"] == "image/webp"
    assert api.get(f"/img/{moving}/w32.auto", headers={"accept": "*/*"}).headers["content-type"] == "image/gif"


def test_a_crowd_that_asks_for_one_new_variant_causes_one_render_a_process(deployment: Deployment, api: httpx2.Client) -> None:
    def renders() -> float:
        lines = [line for app in deployment.apps for line in httpx2.get(f"{app.url}/metrics").text.splitlines()]
        return sum(float(line.split()[-1]) for line in lines if line.startswith('progimage_variants_total{how="miss"}'))

    image_id, before = store(api, photo(1600, 1200)), renders()
    with ThreadPoolExecutor(20) as crowd:
        answers = list(
            crowd.map(lambda n: httpx2.get(f"{deployment.apps[n % len(deployment.apps)].url}/img/{image_id}/w700.webp"), range(40))
        )
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.headers["etag"] for answer in answers}) == 1
    assert 1 <= renders() - before <= len(deployment.apps)


def test_a_deleted_image_is_never_not_modified(deployment: Deployment, api: httpx2.Client) -> None:
    image_id = store(api, photo(64, 48))
    url = f"{deployment.apps[0].url}/img/{image_id}/w17.png"
    etag = httpx2.get(url).headers["etag"]
    assert httpx2.get(url, headers={"if-none-match": etag}).status_code == 304
    assert api.delete(f"/images/{image_id}").status_code == 200
    time.sleep(KNOWN_SECONDS)  # what this process may believe
    assert httpx2.get(url, headers={"if-none-match": etag}).status_code == 404
