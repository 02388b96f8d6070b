"""Leases: one holder at a time, one that lives; and nobody waits for a Redis that is in trouble."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio
import pytest
from redis.asyncio import Redis

from storage import leases as module
from storage.leases import DEAD_SECONDS, Leases
from storage.redis_client import PATIENCE, connect
from tests.servers import REPOSITORY, Server, free_port, frozen, redis_server

pytestmark = pytest.mark.anyio

HOLDER = """
import asyncio, sys
from storage.leases import Leases
from storage.redis_client import connect

async def hold():
    async with Leases(connect(sys.argv[1]), seconds=10).hold(sys.argv[2]) as ours:
        print("ours" if ours else "theirs", flush=True)
        await asyncio.to_thread(sys.stdin.readline)

asyncio.run(hold())
"""


@asynccontextmanager
async def leases_at(url: str, seconds: float = 10) -> AsyncIterator[Leases]:
    leases = Leases(connect(url), seconds=seconds)
    yield leases
    await leases.close()


@pytest.fixture
async def pair(redis: Server, client: Redis) -> AsyncIterator[tuple[Leases, Leases]]:
    """The leases of two processes."""
    async with leases_at(redis.url) as one, leases_at(redis.url) as other:
        yield one, other


@contextmanager
def holder(redis: Server, name: str) -> Iterator[subprocess.Popen[str]]:
    """Another process, from the moment it holds the lease until it is sent a line."""
    command = [sys.executable, "-c", HOLDER, redis.url, name]
    with subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ours\n"
            yield process
        finally:
            process.kill()


async def held(leases: Leases, name: str) -> bool:
    """Whether somebody else holds it."""
    async with leases.hold(name) as ours:
        return not ours


async def test_a_lease_has_one_holder_at_a_time(pair: tuple[Leases, Leases]) -> None:
    one, other = pair
    async with one.hold("a") as ours:
        assert ours
        assert await held(other, "a")
        assert await held(one, "a")
        assert not await held(other, "b")
        assert await held(other, "a"), "who did not get it has released it"
    assert not await held(other, "a")


async def test_of_many_who_come_at_once_one_holds_it(pair: tuple[Leases, Leases]) -> None:
    holders = most = 0

    async def work(leases: Leases) -> None:
        nonlocal holders, most
        while True:
            async with leases.hold("a") as ours:
                if ours:
                    holders += 1
                    most = max(most, holders)
                    await asyncio.sleep(0.001)
                    holders -= 1
                    return
            await leases.wait("a")

    await asyncio.gather(*(work(leases) for leases in pair for _ in range(10)))
    assert most == 1


async def test_work_that_fails_lets_go(pair: tuple[Leases, Leases]) -> None:
    one, other = pair
    with pytest.raises(ZeroDivisionError):
        async with one.hold("a"):
            raise ZeroDivisionError
    assert not await held(other, "a")


async def test_work_that_is_cancelled_lets_go(pair: tuple[Leases, Leases]) -> None:
    one, other = pair
    holds = asyncio.Event()

    async def work() -> None:
        async with one.hold("a"):
            holds.set()
            await asyncio.sleep(9)

    task = asyncio.create_task(work())
    await holds.wait()
    assert await held(other, "a")
    task.cancel()
    await asyncio.wait([task])
    assert not await held(other, "a")


async def test_who_waits_goes_on_when_it_is_free(pair: tuple[Leases, Leases]) -> None:
    one, other = pair
    with anyio.fail_after(1):
        await other.wait("a")
    async with one.hold("a"):
        waiting = asyncio.create_task(other.wait("a"))
        await asyncio.sleep(0.3)
        assert not waiting.done()
    with anyio.fail_after(1):
        await waiting


async def test_a_holder_that_beats_keeps_it_for_longer_than_a_lease_lives(redis: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(module, "DEAD_SECONDS", 0.4)
    async with leases_at(redis.url, 0.6) as one, leases_at(redis.url, 0.6) as other, one.hold("long"):
        began = time.monotonic()
        await other.wait("long")
        assert 0.6 <= time.monotonic() - began < 5, "waiting has an end, though the holder lives"
        await asyncio.sleep(0.5)
        assert await held(other, "long")


@pytest.mark.row("R9")
@pytest.mark.parametrize("how", [signal.SIGSTOP, pytest.param(signal.SIGKILL, marks=pytest.mark.soak)], ids=["frozen", "killed"])
async def test_a_holder_that_beats_no_more_loses_it_and_takes_it_from_nobody(
    redis: Server, pair: tuple[Leases, Leases], how: signal.Signals
) -> None:
    one, other = pair
    with holder(redis, "a") as process:
        process.send_signal(how)
        began = time.monotonic()
        await asyncio.gather(one.wait("a"), other.wait("a"))
        assert DEAD_SECONDS - 1.5 < time.monotonic() - began < DEAD_SECONDS + 1.5
        async with one.hold("a") as ours:
            assert ours
            assert await held(other, "a"), "two took it over"
            process.send_signal(signal.SIGCONT)
            process.communicate("go on\n")  # beats, and releases what it believes to be its own
            assert await held(other, "a")


async def test_without_redis_everybody_works_and_nobody_waits() -> None:
    async with leases_at(f"redis://127.0.0.1:{free_port()}") as leases:
        with anyio.fail_after(2 * PATIENCE):
            async with leases.hold("a") as ours, leases.hold("a") as theirs:
                assert ours
                assert theirs
            await leases.wait("a")


async def test_a_redis_that_hangs_is_not_waited_for(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        async with leases_at(server.url) as one, leases_at(server.url) as other, one.hold("a"):
            with frozen(server.pid), anyio.fail_after(4 * PATIENCE):
                async with other.hold("a") as ours:
                    assert ours
                await other.wait("a")
            # An answer that nobody waited for is not taken for the next one.
            assert await held(other, "a")
            assert not await held(other, "b")


async def test_a_redis_without_memory_gives_no_leases_but_keeps_and_takes_back_its_own(
    redis: Server, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BEAT_SECONDS", 0.1)
    async with leases_at(redis.url, 4) as one, leases_at(redis.url, 4) as other:
        async with one.hold("a"):
            await client.config_set("maxmemory", "1mb")
            try:
                assert not await held(other, "b")
                assert await client.exists("lease:b") == 0
                await client.pexpire("lease:a", 2000)
                await asyncio.sleep(0.3)
                assert await client.pttl("lease:a") > 3000
            finally:
                await client.config_set("maxmemory", "256mb")
        assert await client.exists("lease:a") == 0
