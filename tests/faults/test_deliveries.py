"""Messages that come ten times at once, an hour late, or to a worker that says nothing more (rows W1 and W4)."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta

import pytest
from dramatiq import Message
from redis import Redis

from catalog.records import OutboxMessage
from proxy.settings import Settings
from proxy.wiring import build
from proxy.worker import TaskRunner
from services.broker import QUEUE, close_broker, make_broker
from services.container import Services
from services.tasks import ATTEMPTS, attempt
from tests.photos import photo
from tests.servers import redis_server
from tests.services.grounds import stored
from transforms.errors import ProgImageError, RenderTimeout, RenderUnavailable
from transforms.threads import CANNOT_START

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("faults-workers")]

WARM = {("w256", "webp"), ("w512", "webp")}
COPIES = 10
WITHIN = 15.0


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    folder = tmp_path_factory.mktemp("deliveries")
    with redis_server(folder) as redis:
        yield Settings(data=folder, redis_url=redis.url, renderers=1)


@pytest.fixture(scope="module")
async def processes(settings: Settings, anyio_backend: str) -> AsyncIterator[list[Services]]:
    """What two workers have, who know nothing of each other but by Redis, database and store."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(build(settings)) for _ in range(2)]


@pytest.fixture
def queue(settings: Settings) -> Iterator[Redis]:
    with Redis.from_url(settings.redis_url, decode_responses=True) as client:
        client.flushall()
        yield client


@asynccontextmanager
async def working(settings: Settings, processes: list[Services]) -> AsyncIterator[None]:
    runners = [TaskRunner(settings, services) for services in processes]
    try:
        for runner in runners:
            runner.start()
        yield
    finally:
        await asyncio.gather(*(asyncio.to_thread(runner.stop) for runner in runners))


async def until(look: Callable[[], Awaitable[bool]]) -> None:
    ends = time.monotonic() + WITHIN
    while not await look():
        assert time.monotonic() < ends, "it never came true"
        await asyncio.sleep(0.05)


def copy_of(message: OutboxMessage, *, late: float = 0) -> Message[None]:
    """As it is sent, or was `late` seconds ago."""
    sent = int((time.time() - late) * 1000)
    return Message(
        queue_name=QUEUE,
        actor_name=message.kind,
        args=(message.id, message.subject),
        kwargs={},
        options={},
        message_timestamp=sent,
    )


def send(settings: Settings, messages: list[Message[None]]) -> None:
    broker = make_broker(settings.redis_url)
    for message in messages:
        broker.enqueue(message)
    close_broker(broker)


async def unfinished(services: Services) -> list[OutboxMessage]:
    """Also those that were sent a moment ago."""
    return await services.catalog.open_messages(["warm"], limit=9, patience=timedelta())


async def objects(services: Services) -> dict[str, tuple[bytes, datetime | None]]:
    return {found.key: (await services.store.get(found.key), found.modified) async for found in services.store.list("")}


async def recorded(services: Services, *image_ids: str) -> list[set[tuple[str, str]]]:
    """The variants that the catalog has of each image."""
    return [{(each.plan, each.format) for each in found} for found in (await services.catalog.variants(image_ids)).values()]


@pytest.mark.row("W4")
async def test_ten_copies_at_once_over_two_workers_are_one_task(
    settings: Settings, processes: list[Services], queue: Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    services = processes[0]
    images = [await stored(services, photo(800, 600)) for _ in range(3)]
    messages = await unfinished(services)
    assert {message.subject for message in messages} == {image.id for image in images}
    copies = [copy_of(message) for message in messages for _ in range(COPIES)]
    random.Random(1).shuffle(copies)
    send(settings, copies)

    async def idle() -> bool:
        return await services.tasks.none_waits()

    async with working(settings, processes):
        await until(idle)
        assert await unfinished(services) == []
        made = await objects(services)
        send(settings, [copy_of(message, late=3600) for message in messages])
        await until(idle)
    assert await objects(services) == made
    assert await recorded(services, *(image.id for image in images)) == [WARM] * len(images)
    # Nobody began with one that somebody else had, or was done with.
    assert [queue.get(f"quarantine:attempts:{message.id}") for message in messages] == ["1"] * len(messages)
    assert "task_given_up" not in capsys.readouterr().out


@pytest.mark.row("W1")
async def test_what_a_silent_worker_had_is_done_by_the_next_one(settings: Settings, processes: list[Services], queue: Redis) -> None:
    """Its silence is made older than it is; tests/faults/test_workers.py kills a real one and waits."""
    services = processes[0]
    image = await stored(services, photo(800, 600))
    silent = make_broker(settings.redis_url)
    taken = next(silent.consume(QUEUE))
    assert taken
    assert taken.args[1] == image.id
    queue.zadd("dramatiq:__heartbeats__", {silent.broker_id: 1})

    async def done() -> bool:
        return not await unfinished(services) and await services.tasks.none_waits()

    async with working(settings, processes):
        await until(done)
    assert await recorded(services, image.id) == [WARM]
    close_broker(silent)


@pytest.mark.row("W4")
async def test_a_copy_that_meets_an_attempt_whose_end_redis_did_not_hear_of_is_done(
    settings: Settings, processes: list[Services], queue: Redis
) -> None:
    services = processes[0]
    image = await stored(services, photo(800, 600))
    (message,) = await unfinished(services)
    queue.set(f"lease:task:{message.id}", "of one that is over", px=round(services.leases.seconds * 1000))

    async def done() -> bool:
        return not await unfinished(services) and await services.tasks.none_waits()

    async with working(settings, processes):
        await until(done)
    assert await recorded(services, image.id) == [WARM]


@pytest.mark.row("K4")
@pytest.mark.parametrize(
    ("trouble", "blamed"),
    [
        (RuntimeError(CANNOT_START), False),
        (RenderUnavailable("No worker can be kept alive."), False),
        (RenderTimeout("It took too long."), True),
    ],
)
async def test_a_task_is_not_to_blame_for_a_lack_of_threads_and_children(
    processes: list[Services], queue: Redis, trouble: Exception, blamed: bool
) -> None:
    services = processes[0]
    await stored(services)
    (message,) = await unfinished(services)

    async def work(*_: object) -> None:
        raise trouble

    for _ in range(ATTEMPTS):
        with pytest.raises(ProgImageError):
            await attempt(work, services, message.id, message.subject)
    assert queue.get(f"quarantine:attempts:{message.id}") == str(ATTEMPTS if blamed else 0)
    await services.catalog.finish(message.id)
