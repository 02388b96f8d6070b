"""What crashed or was late once fails at once the next time, in every process, and costs no second child."""

import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from proxy.settings import Settings
from proxy.wiring import build
from services import quarantine
from services import stage as staging
from services.container import Services
from services.embedded import EmbeddedRedis
from services.quarantine import quarantined
from services.stage import stage
from storage.quarantine import Quarantine
from storage.redis_client import PATIENCE, connect
from tests.photos import photo
from tests.safety.deadly import be_late, crash
from tests.servers import free_port, frozen
from transforms.errors import DecoderCrashed, LimitExceeded, RenderTimeout
from transforms.grammar import parse

pytestmark = pytest.mark.anyio

DIGEST, OTHER = "1" * 64, "2" * 64


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    server = EmbeddedRedis(tmp_path_factory.mktemp("redis"), maxmemory=256 * 1024**2)
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def processes(tmp_path: Path, redis: EmbeddedRedis) -> AsyncIterator[tuple[Services, Services]]:
    """The collaborators of two processes."""
    settings = Settings(data=tmp_path, redis_url=redis.url, renderers=1)
    async with AsyncExitStack() as stack:
        one, other = [await stack.enter_async_context(build(settings)) for _ in range(2)]
        for services in (one, other):
            await services.pool.warm_up()
        yield one, other
        for noted in (f"crashed:{DIGEST}", f"late:{DIGEST}", "late:a/key", f"crashed:{OTHER}"):
            await one.quarantine.note(noted, timedelta(milliseconds=1))


async def run(services: Services, digest: str, variant: str | None = None) -> int:
    async with quarantined(services, digest, variant):
        return await services.pool.run(abs, -1)


async def upload(services: Services, data: bytes) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield data

    await stage(services, body())


async def test_a_picture_that_crashed_is_refused_at_once_in_every_process_and_no_child_is_lost(
    processes: tuple[Services, Services],
) -> None:
    one, other = processes
    children = [await services.pool.run(os.getpid) for services in processes]
    with pytest.raises(DecoderCrashed) as first:
        async with quarantined(one, DIGEST):
            await one.pool.run(crash)
    children[0] = await one.pool.run(os.getpid)
    for services, child in zip(processes, children, strict=True):
        for variant in (None, "a/key"):
            with pytest.raises(DecoderCrashed) as again:
                await run(services, DIGEST, variant)
            assert (str(again.value), again.value.facts) == (str(first.value), first.value.facts)
        assert await services.pool.run(os.getpid) == child
    assert await run(other, OTHER) == 1


async def test_a_crash_that_others_may_be_to_blame_for_is_noted_of_the_variant_alone(processes: tuple[Services, Services]) -> None:
    one, other = processes
    drawn = parse(f"w9,wm_{'a' * 26}", "webp")
    with pytest.raises(DecoderCrashed):
        async with quarantined(one, DIGEST, "a/key", drawn):
            await one.pool.run(crash)
    with pytest.raises(DecoderCrashed):
        async with quarantined(other, DIGEST, "a/key", drawn):
            raise AssertionError("it was let through")
    assert await run(other, DIGEST, "another/key") == 1


async def test_a_variant_that_was_late_is_refused_alone_and_for_a_minute_at_most(
    processes: tuple[Services, Services], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = processes
    monkeypatch.setattr(quarantine, "LATE_VARIANT_TIME", timedelta(seconds=1))
    with pytest.raises(RenderTimeout) as first:
        async with quarantined(one, DIGEST, "a/key"):
            await one.pool.run(time.sleep, 30.0, deadline=0.1)
    with pytest.raises(RenderTimeout, match=str(first.value)):
        await run(other, OTHER, "a/key")
    assert await run(other, DIGEST, "another/key") == await run(other, DIGEST) == 1
    await anyio.sleep(1)
    assert await run(other, DIGEST, "a/key") == 1


def test_nothing_is_remembered_for_long() -> None:
    """A picture may be innocent: its child was killed for want of memory, or the machine was busy."""
    assert timedelta(seconds=60) >= quarantine.LATE_VARIANT_TIME
    assert max(quarantine.CRASHED_TIME, quarantine.LATE_TIME) <= timedelta(minutes=10)


@pytest.mark.parametrize(
    ("work", "error", "said"), [(crash, DecoderCrashed, "crashed"), (be_late, LimitExceeded, "too long to decode")], ids=["crash", "late"]
)
async def test_an_upload_that_failed_so_fails_alike_and_at_once_when_it_comes_again(
    processes: tuple[Services, Services], monkeypatch: pytest.MonkeyPatch, work: object, error: type[Exception], said: str
) -> None:
    one, other = processes
    data = photo(64, 48)
    with monkeypatch.context() as patch:
        patch.setattr(staging, "verify", work)
        with pytest.raises(error, match=said):
            await upload(one, data)
    with pytest.raises(error, match=said):
        await upload(other, data)
    await upload(other, photo(64, 48))


async def test_what_pictures_are_told_otherwise_is_not_remembered(processes: tuple[Services, Services]) -> None:
    services, _ = processes
    with pytest.raises(LimitExceeded):
        async with quarantined(services, OTHER):
            raise LimitExceeded("It is too large.", limit="pixels", value=2, maximum=1)
    assert await run(services, OTHER) == 1


async def test_without_redis_nothing_is_known_and_nobody_waits() -> None:
    away = Quarantine(connect(f"redis://127.0.0.1:{free_port()}"))
    began = time.monotonic()
    await away.note("a", timedelta(seconds=9))
    assert await away.noted("a", "b") == set()
    assert time.monotonic() - began < 2 * PATIENCE + 0.5
    await away.close()


async def test_a_redis_that_hangs_is_not_waited_for(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path, maxmemory=256 * 1024**2)
    server.start()
    quarantine = Quarantine(connect(server.url))
    await quarantine.note("a", timedelta(seconds=60))
    assert await quarantine.noted("a", "b") == {"a"}
    client = connect(server.url)
    pid = (await client.info("server"))["process_id"]
    with frozen(pid):
        began = time.monotonic()
        assert await quarantine.noted("a") == set()
        assert time.monotonic() - began < 4 * PATIENCE
    # An answer that nobody waited for is not taken for the next one.
    assert await quarantine.noted("b", "a") == {"a"}
    await quarantine.close()
    await client.aclose()
    server.stop()
