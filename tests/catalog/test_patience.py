"""A database that is silent holds nobody up for long, and once it was so several times, for no time at all."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from catalog import patience as module
from catalog.errors import CatalogUnavailable
from catalog.patience import FAILURES, Patience
from catalog.repository import Catalog
from catalog.session import connect, migrate
from catalog.transactions import GLANCE_SECONDS
from tests.catalog.builders import a_stored_image
from tests.servers import Server, family, frozen, postgres_server

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("catalog-patience")]

AT_ONCE = 0.1


@pytest.fixture(scope="module")
def postgres() -> Iterator[Server]:
    with postgres_server() as server:
        yield server


@pytest.fixture
async def catalog(postgres: Server, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Catalog]:
    monkeypatch.setattr(module, "LEFT_ALONE_SECONDS", 0.3)
    engine = connect(postgres.url)
    await migrate(engine)
    yield Catalog(engine)
    await engine.dispose()


@pytest.mark.soak
async def test_a_glance_at_a_frozen_database_is_short_and_soon_none(postgres: Server, catalog: Catalog) -> None:
    image = await a_stored_image(catalog)
    with frozen(*family(postgres.pid)):
        lasted = [await glance(catalog, image.id) for _ in range(FAILURES + 5)]
    assert all(GLANCE_SECONDS <= seconds < GLANCE_SECONDS + 1 for seconds in lasted[:FAILURES])
    assert all(seconds < AT_ONCE for seconds in lasted[FAILURES:])
    await asyncio.sleep(module.LEFT_ALONE_SECONDS)
    assert await catalog.image(image.id, quick=True) == image


async def glance(catalog: Catalog, image_id: str) -> float:
    """The seconds until it is known that the database is away."""
    began = time.monotonic()
    with pytest.raises(CatalogUnavailable):
        await catalog.image(image_id, quick=True)
    return time.monotonic() - began


@pytest.mark.soak
async def test_many_who_glance_at_a_frozen_database_at_once_are_kept_no_longer(postgres: Server, catalog: Catalog) -> None:
    """More of them than there are connections: nobody waits for a connection that somebody gave up."""
    image = await a_stored_image(catalog)
    with frozen(*family(postgres.pid)):
        lasted = await asyncio.gather(*(glance(catalog, image.id) for _ in range(100)))
    assert max(lasted) < GLANCE_SECONDS + 1
    await asyncio.sleep(module.LEFT_ALONE_SECONDS)
    assert await catalog.image(image.id, quick=True) == image


async def silent() -> None:
    await asyncio.sleep(60)


async def refused() -> None:
    raise ConnectionRefusedError


async def answered() -> int:
    return 1


async def test_a_refusal_is_no_silence() -> None:
    patience = Patience(0.01)
    for _ in range(FAILURES * 2):
        with pytest.raises(ConnectionRefusedError):
            await patience.wait_for(refused)
    assert await patience.wait_for(answered) == 1


async def test_one_try_now_and_then_finds_out_that_it_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEFT_ALONE_SECONDS", 0.05)
    patience = Patience(0.01)
    for _ in range(FAILURES):
        with pytest.raises(TimeoutError):
            await patience.wait_for(silent)
    with pytest.raises(TimeoutError):
        await patience.wait_for(answered)
    await asyncio.sleep(0.06)
    assert [await patience.wait_for(answered) for _ in range(3)] == [1, 1, 1]


async def test_a_loop_that_stood_still_does_not_blame_the_database() -> None:
    patience = Patience(0.01)
    for _ in range(FAILURES):
        asyncio.get_running_loop().call_soon(time.sleep, 0.3)
        with pytest.raises(TimeoutError):
            await patience.wait_for(silent)
    assert await patience.wait_for(answered) == 1


async def test_what_is_given_up_is_told_so() -> None:
    ended = asyncio.Event()

    async def slow() -> None:
        try:
            await silent()
        finally:
            ended.set()

    with pytest.raises(TimeoutError):
        await Patience(0.01).wait_for(slow)
    await asyncio.wait_for(ended.wait(), 1)
