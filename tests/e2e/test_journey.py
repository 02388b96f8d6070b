"""The way of an image, as an application walks it: upload, product, variants."""

import json
import time

import httpx2
import pytest

from services.memory import KNOWN_SECONDS
from tests.e2e.conftest import eventually, product, store, upload
from tests.photos import photo, size_of

ID_FORM = r"[a-z2-7]{26}"


def test_two_pictures_in_one_request_become_a_product_whose_variants_get_ready(api: httpx2.Client) -> None:
    answer = api.post("/uploads", files=[("image", ("a.jpg", photo(800, 600))), ("image", ("b.png", photo(300, 400, format="png")))])
    assert answer.status_code == 202
    first, second = answer.json()["images"]
    assert (first["width"], first["height"], first["format"], first["media_type"], first["frames"]) == (800, 600, "jpg", "image/jpeg", 1)
    assert (second["width"], second["height"], second["format"]) == (300, 400, "png")
    assert "id" not in answer.json() or answer.json()["id"] is None

    made = api.post("/products", json={"name": "Vase", "price": "12.50", "currency": "EUR", "images": [first["id"], second["id"]]})
    assert made.status_code == 201
    assert made.headers["location"] == f"/products/{made.json()['id']}"

    def warmed() -> dict[str, dict[str, object]] | None:
        seen = api.get(made.headers["location"]).json()
        return seen if seen["image_256"]["ready"] and seen["image_512"]["ready"] else None

    seen = eventually(warmed)
    assert [image["id"] for image in seen["images"]] == [first["id"], second["id"]]
    assert (seen["name"], seen["price"], seen["currency"]) == ("Vase", "12.50", "EUR")
    for name, size in (("image", (800, 600)), ("image_256", (256, 192)), ("image_512", (512, 384))):
        shown = seen[name]
        data = api.get(shown["url"]).content
        assert (shown["width"], shown["height"], shown["bytes"]) == (*size, len(data))
        assert size_of(data) == size
    assert {variant["plan"] for variant in seen["images"][0]["variants"]} == {"w256", "w512"}


def test_a_raw_body_is_an_upload_and_its_id_stands_on_top(api: httpx2.Client) -> None:
    answer = api.post("/uploads", content=photo(64, 48), headers={"content-type": "text/html"})
    assert answer.status_code == 202
    assert answer.json()["id"] == answer.json()["images"][0]["id"]


def test_the_same_bytes_have_the_same_id_and_other_bytes_another(api: httpx2.Client) -> None:
    one, two = photo(64, 48), photo(64, 48)
    assert upload(api, one) == upload(api, one) != upload(api, two)


def test_a_staged_picture_is_seen_at_once_and_by_nobody_elses_cache(api: httpx2.Client) -> None:
    (image_id,) = upload(api, photo(400, 300))
    answer = api.get(f"/img/{image_id}/w100.webp")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "private, max-age=60"
    assert size_of(answer.content) == (100, 75)


def test_what_was_looked_at_while_staged_is_stored_after_the_commit_all_the_same(api: httpx2.Client) -> None:
    (image_id,) = upload(api, photo(600, 400))
    for width in (256, 512):
        assert api.get(f"/img/{image_id}/w{width}.webp").status_code == 200
    made = product(api, [image_id])
    eventually(lambda: all(api.get(f"/products/{made['id']}").json()[name]["ready"] for name in ("image_256", "image_512")))


def test_an_upload_tells_where_it_stands_until_it_is_dropped(api: httpx2.Client) -> None:
    data = photo(64, 48)
    (image_id,) = upload(api, data)
    seen = api.get(f"/uploads/{image_id}").json()
    assert (seen["state"], seen["bytes"], seen["width"]) == ("staged", len(data), 64)
    assert api.delete(f"/uploads/{image_id}").status_code == 204
    assert api.get(f"/uploads/{image_id}").status_code == 404
    assert api.delete(f"/uploads/{image_id}").status_code == 404


def test_an_upload_that_was_committed_says_so(api: httpx2.Client) -> None:
    image_id = store(api, photo(64, 48))
    seen = api.get(f"/uploads/{image_id}").json()
    assert (seen["state"], seen["width"], seen["expires_at"]) == ("committed", 64, None)


@pytest.mark.parametrize(
    ("written", "read"),
    [('"12.50"', "12.50"), ("12.5", "12.50"), ("12.10", "12.10"), ('"0"', "0.00"), ("1e2", "100.00"), ("9999999999.99", "9999999999.99")],
)
def test_a_price_is_the_decimal_that_was_written(api: httpx2.Client, written: str, read: str) -> None:
    body = f'{{"name": "Vase", "price": {written}}}'
    made = api.post("/products", content=body, headers={"content-type": "application/json"})
    assert (made.status_code, made.json()["price"], made.json()["images"]) == (201, read, [])
    assert api.get(made.headers["location"]).json()["price"] == read


NO_PRICES = [
    *('"12.505"', "12.500", "-1", '"-0"', '"NaN"', '"Infinity"', "NaN", "1e400", "0e99999999999999999999"),
    *('"1_0"', '" 1"', '"+5"', '"5."', '"١"', "true", "null", '""'),
]


@pytest.mark.parametrize("written", NO_PRICES)
def test_what_is_no_price_is_refused_by_name(api: httpx2.Client, written: str) -> None:
    refused = api.post("/products", content=f'{{"name": "Vase", "price": {written}}}', headers={"content-type": "application/json"})
    assert refused.status_code == 400, refused.text
    assert refused.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"price": "1"}, "name"),
        ({"name": "", "price": "1"}, "name"),
        ({"name": "x", "price": "1", "currency": "euro"}, "currency"),
        ({"name": "x", "price": "1", "images": ["nonsense"]}, "images.0"),
        ({"name": "x", "price": "1", "image": []}, "image"),
        (["name"], "body"),
    ],
)
def test_a_wrong_field_is_named(api: httpx2.Client, body: object, named: str) -> None:
    refused = api.post("/products", json=body)
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["field"] == named


@pytest.mark.parametrize("text", ["", "{", '{"name": "x", "name": "y", "price": "1"}', "[" * 100_000, "\ufeff{}"])
def test_a_body_that_is_no_json_is_refused(api: httpx2.Client, text: str) -> None:
    refused = api.post("/products", content=text.encode(), headers={"content-type": "application/json"})
    assert refused.status_code == 400


def test_a_product_names_the_image_that_was_never_uploaded_and_leaves_nothing_behind(api: httpx2.Client) -> None:
    (known,) = upload(api, photo(64, 48))
    unknown, name = "a" * 26, f"Never {known}"
    refused = api.post("/products", json={"name": name, "price": "1", "images": [known, unknown]})
    assert refused.status_code == 409
    assert refused.json()["image"] == unknown
    assert api.get("/products", params={"name": name}).json()["products"] == []
    assert api.get(f"/uploads/{known}").json()["state"] == "staged"


def test_a_repeated_idempotency_key_gives_the_product_that_it_made(api: httpx2.Client) -> None:
    (image_id,) = upload(api, photo(64, 48))
    body, key = {"name": "Vase", "price": "1", "images": [image_id]}, {"idempotency-key": f"key-{image_id}"}
    first, again = (api.post("/products", json=body, headers=key) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    other = api.post("/products", json={**body, "price": "2"}, headers=key)
    assert other.status_code == 409
    for bad in ("", "x" * 300):
        assert api.post("/products", json=body, headers={"idempotency-key": bad}).status_code == 400


def test_images_that_are_stored_already_can_be_named_and_outlive_the_product(api: httpx2.Client) -> None:
    image_id = store(api, photo(64, 48))
    made = product(api, [image_id])
    assert api.delete(f"/images/{image_id}").status_code == 409
    assert api.delete(f"/products/{made['id']}").json()["images"] == []
    assert api.get(f"/images/{image_id}").status_code == 200
    assert api.delete(f"/images/{image_id}").json()["images"] == [image_id]
    assert api.get(f"/images/{image_id}").status_code == 404


def test_a_picture_that_is_stored_twice_and_deleted_is_gone(api: httpx2.Client) -> None:
    picture = photo(64, 48)
    image_id = store(api, picture)
    assert store(api, picture) == image_id
    assert api.delete(f"/images/{image_id}").status_code == 200
    time.sleep(KNOWN_SECONDS)  # what the other process may believe
    assert api.get(f"/img/{image_id}/w33.webp").status_code == 404


def test_a_deleted_product_takes_the_pictures_that_nothing_else_shows(api: httpx2.Client) -> None:
    alone, shared = upload(api, photo(64, 48), photo(64, 48))
    one, two = product(api, [alone, shared]), product(api, [shared])
    assert api.get(f"/img/{alone}/w32.webp").status_code == 200
    assert api.delete(f"/products/{one['id']}").json()["images"] == [alone]
    assert api.get(f"/products/{one['id']}").status_code == 404
    assert api.get(f"/images/{alone}").status_code == 404
    time.sleep(KNOWN_SECONDS)  # what the other process may believe
    assert api.get(f"/img/{alone}/w31.webp").status_code == 404
    assert api.get(f"/img/{shared}").status_code == 200
    assert api.delete(f"/products/{two['id']}").json()["images"] == [shared]


def test_a_product_is_changed_in_part_and_new_pictures_are_committed(api: httpx2.Client) -> None:
    first, second = upload(api, photo(64, 48), photo(64, 48))
    made = product(api, [first])
    seen = api.patch(f"/products/{made['id']}", json={"price": "3.99", "images": [second]}).json()
    assert (seen["name"], seen["price"], [image["id"] for image in seen["images"]]) == ("Vase", "3.99", [second])
    assert api.get(f"/images/{first}").status_code == 404
    assert api.patch(f"/products/{made['id']}", json={"images": ["a" * 26]}).status_code == 409
    assert api.patch("/products/none", json={"name": "x"}).status_code == 404


def test_lists_are_paged_by_keyset_and_filtered(api: httpx2.Client) -> None:
    mark = upload(api, photo(64, 48))[0]
    names = [f"{mark} {n}" for n in range(5)]
    for n, name in enumerate(names):
        product(api, [], name=name, price=str(n))
    seen: list[str] = []
    url: str | None = f"/products?name={mark}&limit=2&utm_source=x"
    while url:
        page = api.get(url).json()
        assert len(page["products"]) <= 2
        seen += [item["name"] for item in page["products"]]
        url = page["next"]
    assert seen == names[::-1]
    between = api.get("/products", params={"name": mark, "min_price": "1", "max_price": "2.50"}).json()["products"]
    assert [item["price"] for item in between] == ["2.00", "1.00"]
    assert api.get("/products", params={"cursor": "nonsense"}).status_code == 400
    assert api.get("/products", params={"limit": "0"}).status_code == 400


def test_pictures_can_be_stored_without_a_product(api: httpx2.Client) -> None:
    answer = api.post("/images", files=[("image", ("a.jpg", photo(64, 48)))])
    assert answer.status_code == 201
    image_id = answer.json()["id"]
    assert answer.headers["location"] == f"/images/{image_id}"
    assert image_id in [image["id"] for image in api.get("/images", params={"limit": 100}).json()["images"]]
    two = api.post("/images", files=[("image", ("a.jpg", photo(64, 48))), ("image", ("b.jpg", photo(64, 48)))])
    assert (two.status_code, len(two.json()["images"]), "location" in two.headers) == (201, 2, False)


def test_json_numbers_never_pass_through_a_float(api: httpx2.Client) -> None:
    made = api.post("/products", content=b'{"name": "x", "price": 1234567890.1}', headers={"content-type": "application/json"})
    assert json.loads(made.text)["price"] == "1234567890.10"
