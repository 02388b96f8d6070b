"""`Server-Timing`: the stages of an answer, which are no longer than the answer took."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from tests.deployments import Deployment
from tests.e2e.conftest import stages, store
from tests.photos import photo


@pytest.fixture
def app(deployment: Deployment) -> Iterator[httpx2.Client]:
    """One of its processes: nginx in front hides what is not of this answer, and lets one through at a time."""
    with httpx2.Client(base_url=deployment.apps[0].url, timeout=30) as client:
        yield client


@pytest.mark.parametrize(
    ("plan", "names"),
    [
        ("w120.webp", ["cache", "fetch", "queue", "render", "store"]),
        ("w120,blur3.webp", ["cache", "fetch", "queue", "decode", "render", "store"]),
        ("w120,q_auto.webp", ["cache", "fetch", "queue", "render", "encode", "store"]),
    ],
)
def test_stages_of_a_new_variant_and_of_a_hit(app: httpx2.Client, fresh: str, plan: str, names: list[str]) -> None:
    began = time.monotonic()
    made = app.get(f"/img/{fresh}/{plan}")
    took = time.monotonic() - began
    assert (made.headers["x-cache"], list(stages(made))) == ("miss", names)
    # Each is told to a tenth of a millisecond.
    assert 0 < sum(stages(made).values()) <= took + 0.001
    hit = app.get(f"/img/{fresh}/{plan}")
    assert (hit.headers["x-cache"], list(stages(hit))) == ("hit", ["cache"])


def test_stages_of_a_posted_picture(app: httpx2.Client) -> None:
    answer = app.post("/transform/w90,blur3.webp", content=photo(300, 200))
    assert list(stages(answer)) == ["fetch", "queue", "decode", "render"]


def test_who_waits_for_another_is_told_how_long(app: httpx2.Client) -> None:
    image = store(app, photo(1200, 900))

    def ask(_: int) -> httpx2.Response:
        return app.get(f"/img/{image}/w600,median9.avif")

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(8)))
    waited = [answer for answer in answers if answer.headers["x-cache"] == "coalesced"]
    assert waited, "nobody came in time"
    assert all(list(stages(answer)) == ["wait"] for answer in waited)
    (made,) = (answer for answer in answers if answer.headers["x-cache"] == "miss")
    assert all(stages(answer)["wait"] <= sum(stages(made).values()) + 0.1 for answer in waited)
