"""A client for each deployment, and pictures that no other test has uploaded."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from tests.deployments import Deployment
from tests.photos import photo

WARM_SECONDS = 15
# For tests of one of the two; each is started in one xdist process only.
EMBEDDED, GROWN = (pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in ("embedded", "grown"))


@pytest.fixture
def api(deployment: Deployment) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=deployment.url, timeout=30) as client:
        yield client


def upload(api: httpx2.Client, *pictures: bytes) -> list[str]:
    """Stage pictures in one request and return their ids."""
    answer = api.post("/uploads", files=[("image", (f"{n}.jpg", data)) for n, data in enumerate(pictures)])
    assert answer.status_code == 202, answer.text
    return [image["id"] for image in answer.json()["images"]]


def store(api: httpx2.Client, picture: bytes) -> str:
    """Stage and commit a picture, and return its id."""
    answer = api.post("/images", content=picture)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def product(api: httpx2.Client, images: list[str], **fields: object) -> dict[str, Any]:
    answer = api.post("/products", json={"name": "Vase", "price": "12.50", "images": images, **fields})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def eventually(look: Callable[[], Any], *, within: float = WARM_SECONDS) -> Any:
    """What `look` returns once it is true."""
    end = time.monotonic() + within
    while not (seen := look()):
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.05)
    return seen


@pytest.fixture(scope="module")
def stored(deployment: Deployment) -> str:
    """The id of a stored picture of 800 x 600, for tests that leave it as it is."""
    with httpx2.Client(base_url=deployment.url, timeout=30) as api:
        return store(api, photo(800, 600))


@pytest.fixture
def fresh(api: httpx2.Client) -> str:
    """The id of one that nobody else has seen, and that may be changed."""
    return store(api, photo(800, 600))


def stages(answer: httpx2.Response) -> dict[str, float]:
    """The seconds of each stage in `Server-Timing`."""
    parts = (part.split(";dur=") for part in answer.headers["server-timing"].split(", "))
    return {name: float(milliseconds) / 1000 for name, milliseconds in parts}
