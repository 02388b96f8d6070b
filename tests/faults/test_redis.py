"""Redis refused, frozen, slow, full, emptied, evicting and read-only, seen from outside (rows R1-R8)."""

import itertools
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from redis import Redis

from services.embedded import EmbeddedRedis
from storage.redis_client import ping
from tests.deployments import PROGIMAGE, environment, progimage_server
from tests.e2e.conftest import eventually, product, store, upload
from tests.faults.proxy import Proxy, proxy
from tests.faults.rules import Down, Latency, Rule, Stall
from tests.photos import photo, size_of
from tests.servers import Server, frozen, redis_server

pytestmark = pytest.mark.xdist_group("faults-redis")

# What one answer may take that needs nothing of Redis, or can do without, on a busy machine.
SOON = 1.5
RECOVERED = 5


@dataclass(frozen=True, kw_only=True)
class Town:
    """One app that works on its own tasks, and its Redis behind a proxy."""

    api: httpx2.Client
    app: Server
    redis: Server
    way: Proxy
    client: Redis

    def broken(self, how: Rule | None) -> AbstractContextManager[None]:
        return self.way.broken(how) if how else frozen(self.redis.pid)

    def can_upload(self) -> bool:
        return self.api.post("/uploads", content=photo(64, 48)).status_code == 202


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("redis-town")
    (folder / "redis").mkdir()
    with redis_server(folder / "redis") as redis, proxy(redis.url) as way:
        settings = {"PROGIMAGE_REDIS_URL": way.url, "PROGIMAGE_INLINE_TASKS": "true"}
        with (
            progimage_server(folder, settings) as app,
            httpx2.Client(base_url=app.url, timeout=30) as api,
            Redis.from_url(redis.url) as client,
        ):
            yield Town(api=api, app=app, redis=redis, way=way, client=client)


@pytest.fixture(scope="module")
def stored(town: Town) -> str:
    """A stored picture."""
    return store(town.api, photo(800, 600))


@pytest.fixture(autouse=True)
def well(town: Town) -> None:
    eventually(town.can_upload, within=RECOVERED)


widths = itertools.count(100)


def cold(image_id: str) -> str:
    """A variant that nobody has asked for."""
    return f"/img/{image_id}/w{next(widths)}.webp"


def timed(api: httpx2.Client, method: str, path: str, **options: Any) -> tuple[httpx2.Response, float]:
    began = time.monotonic()
    answer = api.request(method, path, **options)
    return answer, time.monotonic() - began


def is_refused(answer: httpx2.Response, problem: str) -> bool:
    return answer.status_code == 503 and answer.json()["type"].endswith(problem) and 1 <= int(answer.headers["retry-after"]) <= 30


def redis_of(api: httpx2.Client) -> tuple[int, str]:
    """What /readyz answers, and what it says of Redis."""
    answer = api.get("/readyz")
    return answer.status_code, answer.json()["redis"]


AWAY = [
    pytest.param(Down(), id="refused"),
    pytest.param(None, id="frozen"),
    pytest.param(Stall(), id="silent", marks=pytest.mark.soak),
    pytest.param(Latency(seconds=0.5), id="slow", marks=pytest.mark.soak),
    pytest.param(Latency(seconds=3), id="very-slow", marks=pytest.mark.soak),
    pytest.param(Down(refuse=False), id="closes", marks=pytest.mark.soak),
]


@pytest.mark.row("R1", "R2", "R3")
@pytest.mark.parametrize("how", AWAY)
def test_without_redis_pictures_are_served_and_uploads_refused_at_once(town: Town, stored: str, how: Rule | None) -> None:
    api, before = town.api, len(town.app.log_text())
    with town.broken(how):
        for _ in range(5):
            path = cold(stored)
            made, seconds = timed(api, "GET", path)
            assert (made.status_code, seconds < SOON) == (200, True), made.text
            assert f"w{size_of(made.content)[0]}." in path
            refused, seconds = timed(api, "POST", "/uploads", content=photo(64, 48))
            assert is_refused(refused, "/problems/storage-unavailable"), refused.text
            assert seconds < SOON
        for known in (f"/img/{stored}", path, f"/images/{stored}"):
            assert api.get(known).status_code == 200
        assert redis_of(api) == (200, "away")
        assert "progimage_redis_away 1.0" in api.get("/metrics").text
        # Who is left alone costs nothing.
        assert min(timed(api, "POST", "/uploads", content=photo(64, 48))[1] for _ in range(5)) < 0.1
    eventually(town.can_upload, within=RECOVERED)
    assert redis_of(api) == (200, "there")
    eventually(lambda: '"redis_back"' in town.app.log_text()[before:])
    said = town.app.log_text()[before:]
    assert (said.count('"redis_away"'), said.count('"redis_back"')) == (1, 1)


@pytest.mark.row("R3")
def test_a_frozen_redis_gathers_no_connections(town: Town, stored: str) -> None:
    with frozen(town.redis.pid):
        for _ in range(10):
            town.api.get(cold(stored))
            town.can_upload()
        assert town.way.open < 12


@pytest.mark.row("R4")
@pytest.mark.parametrize(
    ("lost", "status", "problem"),
    [
        pytest.param(["image:{}"], 410, "expired-image", id="bytes evicted"),
        pytest.param(["image:{}", "facts:{}"], 410, "expired-image", id="expired"),
        pytest.param(["image:{}", "facts:{}", "gone:{}"], 409, "uncommittable-image", id="forgotten"),
    ],
)
def test_an_upload_that_redis_lost_may_be_sent_again_under_the_same_key(
    town: Town, stored: str, lost: list[str], status: int, problem: str
) -> None:
    picture = photo(300, 200)
    (image_id,) = upload(town.api, picture)
    town.client.unlink(*(f"staging:{name.format(image_id)}" for name in lost))
    key = {"Idempotency-Key": f"a key for {image_id}"}
    body = {"name": "Vase", "price": "1.00", "images": [image_id]}
    answer = town.api.post("/products", json=body, headers=key)
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (status, problem)
    assert upload(town.api, picture) == [image_id]
    again = town.api.post("/products", json=body, headers=key)
    assert again.status_code == 201, again.text
    assert town.api.get(again.json()["images"][0]["url"]).status_code == 200


@pytest.mark.row("R5")
def test_a_full_redis_takes_no_uploads_and_loses_none(town: Town, stored: str) -> None:
    picture = photo(400, 300)
    (image_id,) = upload(town.api, picture)
    town.client.config_set("maxmemory", "1mb")
    try:
        for _ in range(7):
            assert is_refused(town.api.post("/uploads", content=photo(600, 400)), "/problems/staging-full")
        assert town.api.get(cold(stored)).status_code == 200
        # It answers: nobody must leave it alone for being full.
        assert redis_of(town.api) == (200, "there")
        made = product(town.api, [image_id])
    finally:
        town.client.config_set("maxmemory", "256mb")
    assert town.api.get(made["images"][0]["url"]).status_code == 200
    assert town.can_upload()


@pytest.mark.row("R8")
@pytest.mark.parametrize("how", ["replica", "killed connections"])
def test_a_redis_that_changes_under_the_connections_is_used_again_at_once(town: Town, stored: str, how: str) -> None:
    if how == "replica":
        town.client.replicaof("127.0.0.1", "1")
        try:
            assert is_refused(town.api.post("/uploads", content=photo(64, 48)), "/problems/storage-unavailable")
            assert town.api.get(cold(stored)).status_code == 200
        finally:
            town.client.replicaof("NO", "ONE")
    else:
        (image_id,) = upload(town.api, photo(64, 48))
        town.client.client_kill_filter(_type="normal", skipme=True)
        assert town.api.get(f"/uploads/{image_id}").status_code == 200
    assert town.can_upload()


@pytest.mark.row("R6")
def test_when_redis_lost_all_that_it_held_stored_pictures_are_there_and_uploads_gone(town: Town, stored: str) -> None:
    (image_id,) = upload(town.api, photo(64, 48))
    town.client.flushall()
    assert town.api.get(f"/uploads/{image_id}").status_code == 404
    assert town.api.get(cold(stored)).status_code == 200
    assert town.can_upload()


@pytest.mark.row("R1")
@pytest.mark.soak
def test_our_own_redis_is_killed_under_the_app_and_nothing_is_lost(tmp_path: Path) -> None:
    with progimage_server(tmp_path) as app, httpx2.Client(base_url=app.url, timeout=30) as api:
        image_id = store(api, photo(800, 600))
        (staged_id,) = upload(api, photo(320, 200))
        url = EmbeddedRedis(tmp_path / "data", maxmemory=1).url
        for _ in range(3):
            with Redis.from_url(url) as client:
                os.kill(client.info("server")["process_id"], signal.SIGKILL)
            began = time.monotonic()
            while api.post("/uploads", content=photo(64, 48)).status_code != 202:
                assert time.monotonic() < began + RECOVERED
                assert api.get(cold(image_id)).status_code == 200
            print(f"uploads again after {time.monotonic() - began:.1f} s")  # noqa: T201 - a figure for the operations manual
            assert api.get(f"/uploads/{staged_id}").json()["state"] == "staged"
        made = product(api, [staged_id])
        eventually(lambda: api.get(f"/products/{made['id']}").json()["images"][0]["variants"], within=30)
    assert not ping(url)


@pytest.mark.row("R7")
@pytest.mark.soak
def test_a_redis_that_evicts_is_refused_at_the_start(town: Town, tmp_path: Path) -> None:
    town.client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        settings = environment({"PROGIMAGE_REDIS_URL": town.redis.url})
        command = [str(PROGIMAGE), "serve", "--port", "0", "--data", str(tmp_path)]
        ended = subprocess.run(command, env=settings, capture_output=True, text=True, timeout=30, check=False)
    finally:
        town.client.config_set("maxmemory-policy", "noeviction")
    assert ended.returncode == 1
    assert "noeviction" in ended.stderr
    assert "Traceback" not in ended.stderr
