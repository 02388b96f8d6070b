"""A deleted picture is gone: at every address, in every process, in nginx and in the store."""

import time
from collections.abc import Iterator
from itertools import product as pairs
from pathlib import Path

import httpx2
import pytest

from proxy.signing import Signer
from services.memory import KNOWN_SECONDS
from tests.deployments import SIGNING_KEY, Deployment
from tests.e2e.conftest import eventually, product, store, upload
from tests.photos import photo

SIGNER = Signer(keys={"k1": SIGNING_KEY.encode()}, required="off")
ACCEPTS = ["image/avif,image/webp", "image/webp", "image/avif", "*/*"]


def addresses(image_id: str) -> list[str]:
    img = f"/img/{image_id}"
    spellings = [
        "",
        ".json",
        ".webp",
        "/w100.jpg",
        "/w100.jpeg",
        "/w100.jpg.json",
        "/w100.jpg?v=2",
        "/p_thumbnail.webp",
        "/w0100.jpg",
        "/w90,h90,fit_cover,g_focal.jpg",
    ]
    signed = [SIGNER.signed(f"{img}/w100.jpg"), SIGNER.signed(f"{img}/w100.jpg", exp=str(int(time.time()) + 600), k="k1")]
    return [
        *(img + rest for rest in spellings),
        *signed,
        f"/images/{image_id}",
        f"/images/{image_id}/",
        f"/images/{image_id}/thumbnail/?w=64",
    ]


@pytest.fixture
def doors(deployment: Deployment) -> Iterator[list[httpx2.Client]]:
    """Clients of everything that shows pictures: the deployment's own door, and each app process by itself."""
    urls = dict.fromkeys([deployment.url, *(app.url for app in deployment.apps)])
    clients = [httpx2.Client(base_url=url, timeout=30, trust_env=False) for url in urls]
    yield clients
    for client in clients:
        client.close()


def seen(doors: list[httpx2.Client], image_id: str, **headers: str) -> list[tuple[str, int]]:
    asked: list[tuple[str, dict[str, str]]] = [(path, {}) for path in addresses(image_id)]
    asked += [(f"/img/{image_id}/w80.auto", {"accept": accept}) for accept in ACCEPTS]
    return [(path, door.get(path, headers=accept | headers).status_code) for door, (path, accept) in pairs(doors, asked)]


def objects(deployment: Deployment, image_id: str) -> list[str]:
    """The keys of all that the store has of the image."""
    if "PROGIMAGE_S3_ENDPOINT_URL" not in deployment.env:
        return [
            str(path) for path in Path(deployment.env["PROGIMAGE_DATA"], "store").rglob("*") if path.is_file() and image_id in str(path)
        ]
    bucket = f"{deployment.env['PROGIMAGE_S3_ENDPOINT_URL']}/progimage-tests"
    prefixes = (f"pictures/{room}{image_id}" for room in ("facts/", "variants/", "originals/images/"))
    answers = (httpx2.get(bucket, params={"list-type": "2", "prefix": prefix}, trust_env=False) for prefix in prefixes)
    return [key.split("<")[0] for answer in answers for key in answer.raise_for_status().text.split("<Key>")[1:]]


def warmed(api: httpx2.Client, picture: bytes) -> str:
    """The id of a stored picture for which no worker will write anything any more."""
    image_id = store(api, picture)
    eventually(lambda: api.get(f"/images/{image_id}").json()["thumbhash"])
    eventually(lambda: len(api.get(f"/images/{image_id}").json()["variants"]) == 2)
    return image_id


def test_a_deleted_picture_is_gone_everywhere_within_a_second(
    deployment: Deployment, api: httpx2.Client, doors: list[httpx2.Client]
) -> None:
    picture = photo(800, 600)
    image_id = warmed(api, picture)
    for _ in range(2):
        assert {status for _, status in seen(doors, image_id)} == {200, 307, 308}
    assert doors[0].get(f"/img/{image_id}/w100.jpg").headers.get("x-edge-cache", "HIT") == "HIT"
    kept = len(objects(deployment, image_id))
    assert kept > 5
    told = api.delete(f"/images/{image_id}")
    time.sleep(KNOWN_SECONDS)
    late = [(path, status) for path, status in seen(doors, image_id) if status not in (404, 308)]
    assert late == []
    assert [(path, status) for path, status in seen(doors, image_id, **{"if-none-match": "*"}) if status not in (404, 308)] == []
    assert objects(deployment, image_id) == []
    edges = {url: True for url in deployment.env.get("PROGIMAGE_EDGES", "").split(",") if url}
    assert told.json() == {"images": [image_id], "erased": [{"id": image_id, "objects": kept, "edges": edges, "done": True}]}
    assert store(api, picture) == image_id
    eventually(lambda: {status for _, status in seen(doors, image_id)} == {200, 307, 308}, within=5)


def test_a_picture_that_a_product_lets_go_is_told_in_its_receipt(api: httpx2.Client) -> None:
    first, second = upload(api, photo(64, 48), photo(48, 64))
    made = product(api, [first])
    changed = api.patch(f"/products/{made['id']}", json={"images": [second]}).json()
    assert [(receipt["id"], receipt["done"]) for receipt in changed["erased"]] == [(first, True)]
    assert api.patch(f"/products/{made['id']}", json={"price": "1.00"}).json()["erased"] == []
    told = api.delete(f"/products/{made['id']}").json()
    assert told["images"] == [receipt["id"] for receipt in told["erased"]] == [second]
