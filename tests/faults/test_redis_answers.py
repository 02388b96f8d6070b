"""What comes back from Redis cut, garbled, changed or not at all: no wrong bytes, no strange errors, no waiting (rows R2, R3, R8, R9)."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import timedelta

import pytest

from storage import redis_client
from storage.base import NotStored, OffsetMismatch, StagingFull, StorageUnavailable
from storage.leases import Leases
from storage.quarantine import Quarantine
from storage.redis_client import PATIENCE, ImpatientRedis, connect
from storage.staging import RedisStaging
from tests.faults.proxy import Proxy, proxy
from tests.faults.rules import Bandwidth, Cut, Down, DropAnswer, Flip, Garble, Rule, Stall
from tests.servers import redis_server

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("faults-redis-answers")]

IMAGE = "abcdefghijklmnopqrstuvwxyz"
LEFT_ALONE = 0.3
CALLERS = 300
DATA = bytes(range(256)) * 8192


@pytest.fixture(scope="module")
def way(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server, proxy(server.url, seed=8) as between:
        yield between


@dataclass(frozen=True, kw_only=True)
class Process:
    """All that one process uses Redis for."""

    redis: ImpatientRedis
    staging: RedisStaging
    leases: Leases
    quarantine: Quarantine


@pytest.fixture
async def process(way: Proxy, anyio_backend: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Process]:
    """With a picture in staging, and Redis well."""
    monkeypatch.setattr(redis_client, "LEFT_ALONE_SECONDS", LEFT_ALONE)
    async with AsyncExitStack() as stack:
        redis = connect(way.url)
        stack.push_async_callback(redis.aclose)
        stack.callback(way.set)
        staging = RedisStaging(redis, ttl=timedelta(minutes=1), budget=10 * len(DATA))
        await stage(staging)
        yield Process(redis=redis, staging=staging, leases=Leases(redis, seconds=10), quarantine=Quarantine(redis))


async def stage(staging: RedisStaging) -> None:
    token = await staging.create()
    await staging.append(token, 0, DATA)
    await staging.finish(token, IMAGE, sha256=hashlib.sha256(DATA).hexdigest(), facts={"format": "jpg"})


BROKEN: list[Rule] = [
    Garble(data=b":1\r\n"),
    Garble(data=b"*2\r\n+OK\r\n:7\r\n"),
    Garble(data=b"HTTP/1.1 200 OK\r\n\r\nhello"),
    Cut(after=70),
    DropAnswer(close=True),
    Flip(at=9),
]
BROKEN_TOO: list[Rule] = [
    Garble(data=b""),
    Garble(data=b"\r\n"),
    Garble(data=b"$-1\r\n"),
    Garble(data=b"*2\r\n$3\r\nyes\r\n"),
    Garble(data=b"$99999999\r\nfew"),
    Garble(data=b"-ERR what?\r\n"),
    Garble(data=b"-LOADING Redis is loading the dataset in memory\r\n"),
    Garble(data=b"\xff" * 100),
    Cut(after=0),
    Cut(after=3),
    DropAnswer(),
    Flip(at=0),
    Flip(at=1),
    Flip(at=-1),
    Flip(at=40, to="server"),
    Stall(),
]


@pytest.mark.row("R8")
@pytest.mark.parametrize("rule", [*BROKEN, *(pytest.param(rule, marks=pytest.mark.soak) for rule in BROKEN_TOO)], ids=str)
async def test_a_broken_answer_is_a_wait_at_most_and_never_wrong_bytes(way: Proxy, process: Process, rule: Rule) -> None:
    staging = process.staging
    with way.broken(rule):
        for question in (staging.read, staging.head, staging.expired, lambda _: staging.create(), lambda _: stage(staging), staging.drop):
            answer, began = None, time.monotonic()
            with suppress(StorageUnavailable, StagingFull, NotStored, OffsetMismatch):
                answer = await question(IMAGE)
            assert time.monotonic() - began < 1.5
            if question == staging.read:
                assert answer in (None, DATA)
        async with process.leases.hold("a"):
            assert await process.quarantine.noted("b") <= {"b"}
    await well_again(process)


async def well_again(process: Process) -> None:
    await asyncio.sleep(LEFT_ALONE)
    await stage(process.staging)
    assert await process.staging.read(IMAGE) == DATA


@pytest.mark.row("R8")
@pytest.mark.parametrize("rule", [Cut(after=0, times=1), DropAnswer(close=True, times=1)], ids=str)
async def test_a_question_is_asked_again_when_its_connection_ended(way: Proxy, process: Process, rule: Rule) -> None:
    with way.broken(rule):
        staged = await process.staging.head(IMAGE)
    assert staged is not None
    assert staged.bytes == len(DATA)


@pytest.mark.row("R2")
async def test_a_redis_that_fails_is_left_alone_and_tried_by_one_now_and_then(way: Proxy, process: Process) -> None:
    with way.broken(Stall()):
        for _ in range(5):
            assert not process.redis.away
            with pytest.raises(StorageUnavailable):
                await process.staging.head(IMAGE)
        assert process.redis.away
        before, began = way.connections, time.monotonic()
        for _ in range(100):
            async with process.leases.hold("a") as ours:
                assert ours
            assert await process.quarantine.noted("b") == set()
            with pytest.raises(StorageUnavailable):
                await process.staging.read(IMAGE)
        assert time.monotonic() - began < PATIENCE
        await asyncio.sleep(LEFT_ALONE)
        await asyncio.gather(*(process.staging.head(IMAGE) for _ in range(20)), return_exceptions=True)
        assert way.connections - before <= 1
        assert process.redis.away
    await asyncio.sleep(LEFT_ALONE)
    assert await process.staging.read(IMAGE) == DATA
    assert not process.redis.away


@pytest.mark.row("R2", "R3")
async def test_callers_together_wait_no_longer_than_one(way: Proxy, process: Process) -> None:
    with way.broken(Stall()):
        began = time.monotonic()
        ends = await asyncio.gather(*(process.staging.head(IMAGE) for _ in range(CALLERS)), return_exceptions=True)
        # Patience is counted in turns of the loop, which are longer on a busy machine.
        assert time.monotonic() - began < PATIENCE * CALLERS / 30
    assert all(isinstance(end, StorageUnavailable) for end in ends)
    await well_again(process)


async def test_a_large_picture_on_a_slow_line_is_read_whole(way: Proxy, process: Process) -> None:
    """It takes longer than a small question may."""
    with way.broken(Bandwidth(per_second=4 * len(DATA), to="client")):
        assert await process.staging.read(IMAGE) == DATA
    with way.broken(Down()), pytest.raises(StorageUnavailable):
        await process.staging.read(IMAGE)


async def test_a_loop_that_was_held_up_reads_the_answer_all_the_same(process: Process) -> None:
    for _ in range(6):
        asking = asyncio.create_task(process.staging.read(IMAGE))
        await asyncio.sleep(0)
        time.sleep(1.5 * PATIENCE)  # noqa: ASYNC251 - this is what holds it up
        assert await asking == DATA
    assert not process.redis.away
