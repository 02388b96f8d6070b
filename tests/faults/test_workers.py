"""Workers that die, freeze and come back, tasks that kill them, messages that come often, late or not at all (rows R1, R6, W1-W4).

What needs no process of its own is in test_deliveries.py, too.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from redis import Redis

from catalog.records import OutboxMessage
from proxy.settings import Settings
from proxy.wiring import build
from services import relay
from services.container import Services
from services.tasks import ATTEMPTS, attempt
from storage.base import StorageUnavailable
from tests.catalog.builders import a_stored_image
from tests.deployments import environment, progimage_server, progimage_worker
from tests.e2e.conftest import eventually, product, upload
from tests.photos import photo
from tests.servers import REPOSITORY, Server, frozen, redis_server

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("faults-workers")]

QUEUE = "dramatiq:progimage.msgs"
# After this long a dead worker's tasks are with the next one, and what Redis lost is there again.
RECOVERED = 60
FROZEN = 60


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def queue(redis: Server) -> Iterator[Redis]:
    with Redis.from_url(redis.url) as client:
        client.flushall()
        yield client


@pytest.fixture
async def services(tmp_path: Path, redis: Server, queue: Redis, anyio_backend: str) -> AsyncIterator[Services]:
    async with build(Settings(data=tmp_path, redis_url=redis.url)) as built:
        yield built


async def a_message(services: Services) -> OutboxMessage:
    await a_stored_image(services.catalog)
    (message,) = await services.catalog.open_messages(["warm"], limit=2)
    return message


async def is_open(services: Services, message: OutboxMessage) -> bool:
    return await services.catalog.is_open(message.id)


class Killed(BaseException):
    """The worker's end."""


@pytest.mark.row("W3")
async def test_a_task_that_takes_its_worker_along_is_tried_three_times(services: Services, capsys: pytest.CaptureFixture[str]) -> None:
    message, deaths = await a_message(services), 0

    async def deadly(*_: object) -> None:
        nonlocal deaths
        deaths += 1
        raise Killed

    for _ in range(ATTEMPTS):
        with pytest.raises(Killed):
            await attempt(deadly, services, message.id, message.subject)
        assert await is_open(services, message)
    await attempt(deadly, services, message.id, message.subject)
    assert deaths == ATTEMPTS
    assert not await is_open(services, message)
    assert "task_given_up" in capsys.readouterr().out


async def test_a_task_is_not_to_blame_for_what_is_away(services: Services) -> None:
    message, tries = await a_message(services), 0

    async def work(services: Services, message_id: str, _: str) -> None:
        nonlocal tries
        tries += 1
        if tries <= 3 * ATTEMPTS:
            raise StorageUnavailable("The store is away.")
        await services.catalog.finish(message_id)

    for _ in range(3 * ATTEMPTS):
        with pytest.raises(StorageUnavailable):
            await attempt(work, services, message.id, message.subject)
    await attempt(work, services, message.id, message.subject)
    assert not await is_open(services, message)


@pytest.mark.row("W4")
async def test_what_is_done_is_not_done_again(services: Services) -> None:
    message, done = await a_message(services), 0

    async def work(services: Services, message_id: str, _: str) -> None:
        nonlocal done
        done += 1
        await services.catalog.finish(message_id)

    for _ in range(10):
        await attempt(work, services, message.id, message.subject)
    await attempt(work, services, "a message that nobody knows", message.subject)
    assert done == 1


@pytest.mark.row("R6")
async def test_what_redis_lost_is_sent_again_and_what_it_has_is_not(
    services: Services, queue: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SENDING", "LOST"):
        monkeypatch.setattr(relay, name, timedelta())
    await a_message(services)
    for _ in range(3):
        await relay.relay(services)
        assert queue.hlen(QUEUE) == 1
    queue.flushall()
    await relay.relay(services)
    assert queue.hlen(QUEUE) == 1


@pytest.mark.row("R1")
async def test_a_message_is_sent_when_redis_is_back(
    services: Services, redis: Server, queue: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "SENDING", timedelta())
    message = await a_message(services)
    with frozen(redis.pid):
        began = time.monotonic()
        await relay.relay(services)
        assert time.monotonic() - began < 2
    assert await is_open(services, message)
    await asyncio.to_thread(eventually, queue.ping)
    await relay.relay(services)
    assert queue.hlen(QUEUE) == 1


@dataclass(frozen=True, kw_only=True)
class Town:
    """An app that works on no tasks, on a Redis that may be killed; workers come and go."""

    api: httpx2.Client
    app: Server
    redis: Server
    settings: dict[str, str]
    folder: Path


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    (tmp_path / "redis").mkdir()
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server(tmp_path / "redis"))
        settings = {"PROGIMAGE_REDIS_URL": redis.url, "PROGIMAGE_DATA": str(tmp_path / "data")}
        app = stack.enter_context(progimage_server(tmp_path, settings))
        api = stack.enter_context(httpx2.Client(base_url=app.url, timeout=30))
        yield Town(api=api, app=app, redis=redis, settings=settings, folder=tmp_path)


def warmed(town: Town, count: int) -> Callable[[], int]:
    """Store so many pictures in a product; the answer tells how many variants of them are recorded."""
    made = product(town.api, upload(town.api, *(photo(2400, 1800) for _ in range(count))))
    return lambda: sum(len(image["variants"]) for image in town.api.get(f"/products/{made['id']}").json()["images"])


@pytest.mark.row("W1")
@pytest.mark.soak
def test_a_worker_that_is_killed_in_the_middle_loses_no_task(town: Town) -> None:
    recorded = warmed(town, 6)
    with progimage_worker(town.folder / "one", town.settings) as worker:
        eventually(recorded)
        worker.process.kill()
        worker.process.wait()
        assert recorded() < 12, "it was killed too late to prove anything"
    with progimage_worker(town.folder / "two", town.settings):
        eventually(lambda: recorded() == 12, within=RECOVERED)


@pytest.mark.row("W2")
@pytest.mark.soak
def test_a_worker_that_freezes_and_comes_back_changes_nothing(town: Town) -> None:
    recorded = warmed(town, 6)
    with Redis.from_url(town.redis.url) as client, progimage_worker(town.folder / "one", town.settings) as first:
        eventually(lambda: list(client.scan_iter("dramatiq:__acks__*")))
        with frozen(first.pid):
            assert recorded() < 12, "it was stopped too late to prove anything"
            with progimage_worker(town.folder / "two", town.settings):
                began = time.monotonic()
                eventually(lambda: recorded() == 12, within=RECOVERED)
                print(f"taken over in {time.monotonic() - began:.1f} s")  # noqa: T201 - a figure for the operations manual
                eventually(lambda: client.hlen(QUEUE) == 0)
                time.sleep(max(0.0, began + FROZEN - time.monotonic()))
        time.sleep(5)
        assert recorded() == 12
        assert client.hlen(QUEUE) == 0
        assert first.process.poll() is None
        more = warmed(town, 1)
        eventually(lambda: more() == 2)
        assert "task_given_up" not in first.log_text()


@pytest.mark.row("R9")
@pytest.mark.soak
def test_two_processes_of_which_one_freezes_over_a_render_make_one_picture(town: Town) -> None:
    image_id = product(town.api, upload(town.api, photo(4000, 3000)))["images"][0]["id"]
    path = f"/img/{image_id}/w2000,rotate33.webp"
    data = town.settings["PROGIMAGE_DATA"]
    same = {"PROGIMAGE_DATABASE_URL": f"sqlite:///{data}/catalog.sqlite3", "PROGIMAGE_STORAGE_URL": f"{data}/store"}
    with progimage_server(town.folder / "second", town.settings | same) as second, ThreadPoolExecutor(1) as pool:
        slow = pool.submit(town.api.get, path)
        with Redis.from_url(town.redis.url) as client:
            eventually(lambda: list(client.scan_iter("lease:*")))
        with frozen(town.app.pid):
            began = time.monotonic()
            other = httpx2.get(f"{second.url}{path}", timeout=30)
            print(f"served by the other in {time.monotonic() - began:.1f} s")  # noqa: T201 - a figure for the operations manual
        late, again = slow.result(), town.api.get(path)
    # Whoever was frozen for longer than a render may take says so.
    assert late.status_code in (200, 503)
    assert (other.status_code, again.status_code) == (200, 200), (late.content[:300], other.content[:300], again.content[:300])
    assert again.headers["etag"] == other.headers["etag"]
    assert again.content == other.content


KILLER = """
import asyncio, os, signal
from services import tasks
from services.warm import warm

async def deadly(services, message_id, subject):
    (image,) = (await services.catalog.images([subject])).values()
    if image.facts.size.width == 666:
        os.kill(os.getpid(), signal.SIGKILL)
    await warm(services, message_id, subject)

tasks.warm = deadly
from proxy.settings import Settings
from proxy.worker import work
asyncio.run(work(Settings()))
"""


@pytest.mark.row("W3")
@pytest.mark.soak
def test_a_fleet_outlives_a_task_that_kills_its_workers(town: Town) -> None:
    """Two workers under a supervisor; the deadly picture stands before all the others."""
    doomed = product(town.api, upload(town.api, photo(666, 100)))["id"]
    recorded = warmed(town, 4)
    deaths, ends = 0, time.monotonic() + 3 * RECOVERED
    workers: list[subprocess.Popen[bytes]] = []
    log = (town.folder / "killers.log").open("wb")
    try:
        while recorded() < 8 or b"task_given_up" not in (town.folder / "killers.log").read_bytes():
            assert time.monotonic() < ends, (recorded(), deaths)
            for worker in [worker for worker in workers if worker.poll() is not None]:
                assert worker.returncode == -signal.SIGKILL
                workers.remove(worker)
                deaths += 1
            while len(workers) < 2:
                command = [sys.executable, "-c", KILLER]
                workers.append(subprocess.Popen(command, cwd=REPOSITORY, env=environment(town.settings), stdout=log, stderr=log))
            time.sleep(0.2)
    finally:
        for worker in workers:
            worker.terminate()
            worker.wait(25)
        log.close()
    assert deaths == ATTEMPTS
    (image,) = town.api.get(f"/products/{doomed}").json()["images"]
    assert town.api.get(image["url"]).status_code == 200
    assert image["variants"] == []


@pytest.mark.row("R6")
@pytest.mark.soak
def test_tasks_are_done_though_redis_lost_its_data(town: Town) -> None:
    recorded = warmed(town, 3)
    with Redis.from_url(town.redis.url) as client:
        assert client.hlen(QUEUE) == 3
        client.flushall()
    with progimage_worker(town.folder / "one", town.settings):
        began = time.monotonic()
        eventually(lambda: recorded() == 6, within=RECOVERED)
        print(f"sent again and done in {time.monotonic() - began:.1f} s")  # noqa: T201 - a figure for the operations manual


@pytest.mark.soak
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_a_worker_without_redis_ends_when_it_is_told_to(town: Town, how: signal.Signals) -> None:
    with progimage_worker(town.folder / "one", town.settings) as worker:
        os.kill(town.redis.pid, how)
        time.sleep(5)
        worker.process.terminate()
        try:
            assert worker.process.wait(20) == 0
        finally:
            os.kill(town.redis.pid, signal.SIGCONT)
    assert "Traceback" not in worker.log_text()
