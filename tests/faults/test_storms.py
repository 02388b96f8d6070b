"""S3 in trouble, seen from the store: what it is asked, how long anybody waits, and how soon all is well again (rows S2, S3, S6)."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from storage.base import StorageUnavailable
from storage.s3 import S3Store
from storage.s3_calls import ALONE_SECONDS, TURN_SECONDS
from storage.s3_retries import LAST_TRY_SECONDS, TRIES
from tests.deployments import S3_CREDENTIALS
from tests.faults.proxy import Proxy, proxy
from tests.faults.rules import Bandwidth, Cut, Down, Latency, Rule, Stall, slow_down
from tests.servers import s3_server

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("faults-storms")]

DATA = bytes(range(256)) * 256
SHA256 = hashlib.sha256(DATA).hexdigest()
KEY = "variants/a.webp"
READ_SECONDS = 0.4
CALLS = 150
# The longest that one call takes.
CALL_SECONDS = LAST_TRY_SECONDS + READ_SECONDS + 0.5


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with (
        pytest.MonkeyPatch.context() as patch,
        s3_server(tmp_path_factory.mktemp("s3")) as server,
        proxy(server.url, seed=5) as between,
    ):
        for name, value in S3_CREDENTIALS.items():
            patch.setenv(name, value)
        asyncio.run(_filled(between.url))
        yield between


async def _filled(url: str) -> None:
    store = S3Store("storms", endpoint_url=url)
    await store.prepare()
    await store.put(KEY, DATA, sha256=SHA256)
    await store.close()


@pytest.fixture
async def store(s3: Proxy, tmp_path: Path, anyio_backend: str) -> AsyncIterator[S3Store]:
    """A store of its own for each test, with a breaker and a budget that nothing has happened to."""
    store = S3Store("storms", endpoint_url=s3.url, connections=4, read_timeout=READ_SECONDS, temporary=tmp_path)
    assert await store.get(KEY) == DATA
    s3.asked.clear()
    s3.fired.clear()
    yield store
    s3.set()
    await store.close()


async def outcome(store: S3Store) -> tuple[bool, float]:
    """Whether the whole object came, and after how many seconds; what came is never wrong."""
    began = time.monotonic()
    try:
        assert await store.get(KEY) == DATA
    except StorageUnavailable:
        return False, time.monotonic() - began
    return True, time.monotonic() - began


async def outcomes(store: S3Store, number: int) -> tuple[list[bool], list[float]]:
    """Of so many calls, of which a few are under way at a time."""
    ends: list[tuple[bool, float]] = []

    async def one_after_another() -> None:
        while len(ends) < number:
            ends.append(await outcome(store))

    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(one_after_another())
    return [end[0] for end in ends], [end[1] for end in ends]


@pytest.mark.row("S6")
@pytest.mark.parametrize("rule", [replace(slow_down(), times=2), Down(refuse=False, times=2), Cut(after=1000, times=1)], ids=str)
async def test_what_passes_is_not_seen(store: S3Store, s3: Proxy, rule: Rule) -> None:
    with s3.broken(rule):
        assert (await outcome(store))[0]
    assert len(s3.fired) == rule.times


@pytest.mark.row("S2")
async def test_a_storm_brings_few_more_requests_than_calm(store: S3Store, s3: Proxy) -> None:
    with s3.broken(slow_down(0.3)):
        came, waits = await outcomes(store, CALLS)
    assert s3.asked["GET"] <= 1.2 * CALLS + TRIES
    assert sum(came) >= 0.6 * CALLS
    assert max(waits) < 5


@pytest.mark.row("S2")
async def test_who_refuses_everybody_is_asked_once_by_most(store: S3Store, s3: Proxy) -> None:
    with s3.broken(slow_down()):
        came, waits = await outcomes(store, CALLS)
        assert not any(came)
        assert s3.asked["GET"] <= 1.2 * CALLS + TRIES
        assert max(waits) < 5
    assert (await outcome(store))[0]


@pytest.mark.row("S3")
async def test_a_silent_server_is_left_alone(store: S3Store, s3: Proxy) -> None:
    with s3.broken(Stall()):
        came, waits = await outcomes(store, 5)
        assert not any(came)
        assert max(waits) < CALL_SECONDS
        connections = s3.connections
        _, waits = await outcomes(store, CALLS)
        assert sorted(waits)[-4] < 0.1
        assert s3.connections <= connections + 2 * TRIES
    await asyncio.sleep(ALONE_SECONDS)
    assert (await outcome(store))[0]


@pytest.mark.soak
async def test_a_crowd_before_a_silent_server_waits_for_one_answer_and_not_in_line(store: S3Store, s3: Proxy) -> None:
    with s3.broken(Stall()):
        ends = await asyncio.gather(*(outcome(store) for _ in range(60)))
    # Four at a time would be fifteen rounds.
    assert max(wait for _, wait in ends) < TURN_SECONDS + 2 * CALL_SECONDS


@pytest.mark.row("S3")
@pytest.mark.soak
@pytest.mark.parametrize("read", [S3Store.get, partial(S3Store.verify, size=len(DATA), sha256=SHA256)], ids=["get", "verify"])
async def test_a_trickle_is_no_answer(store: S3Store, s3: Proxy, read: Callable[[S3Store, str], Awaitable[object]]) -> None:
    with s3.broken(Bandwidth(per_second=8 * 1024, to="client")):
        began = time.monotonic()
        with pytest.raises(StorageUnavailable):
            await read(store, KEY)
        assert time.monotonic() - began < len(DATA) / (8 * 1024)


@pytest.mark.soak
async def test_a_slow_line_is_no_fault(store: S3Store, s3: Proxy) -> None:
    with s3.broken(Latency(seconds=0.1, jitter=0.02), Bandwidth(per_second=125_000)):
        came, _ = await outcomes(store, 4)
    assert all(came)
