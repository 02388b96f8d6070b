"""The comparison that runs by itself: once a day in one of all processes, and not while the clock is set."""

import asyncio
import io
from collections.abc import Sequence

import pytest
import structlog

from services import daily, reconcile
from services.container import Services
from services.daily import Clock, Found, reconcile_and_log, reconcile_daily
from services.ids import facts_key
from tests.services.grounds import only_embedded, stored

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daily, "EVERY_SECONDS", 0.02)
    monkeypatch.setattr(reconcile, "LOOK_AGAIN", 0)


@pytest.mark.parametrize(
    ("times", "moved"),
    [((0, 1), [False]), ((0, 3000, -400), [False, False]), ((0, 4000), [True]), ((0, -4000, -4000), [True, False]), ((0, 9e9), [True])],
)
def test_a_clock_that_is_set_is_noticed_once(times: Sequence[float], moved: Sequence[bool]) -> None:
    told = iter(times)
    clock = Clock(lambda: next(told))
    assert [clock.moved() for _ in moved] == list(moved)


@only_embedded
async def test_it_runs_by_itself_once_a_day_in_one_of_all_processes(services: Services) -> None:
    image = await stored(services)
    told: list[Found] = []
    done = asyncio.Event()

    def tell(found: Found) -> None:
        told.append(found)
        done.set()

    for _ in range(2):
        await services.store.delete(facts_key(image.id))
        tasks = [asyncio.create_task(reconcile_daily(services, tell)) for _ in range(3)]
        async with asyncio.timeout(20):
            await done.wait()
        await asyncio.sleep(0.1)
        for task in tasks:
            task.cancel()
    assert told == [{"facts": 1}]


@only_embedded
async def test_each_loss_is_a_line_of_the_log(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    # Of its own: a logger that was used before writes to where it wrote then.
    monkeypatch.setattr(daily, "log", structlog.wrap_logger(structlog.PrintLogger(stream)))
    image = await stored(services)
    await services.store.delete(image.place)
    assert await reconcile_and_log(services) == {"missing": 1}
    lines = stream.getvalue().splitlines()
    assert any("original_lost" in line and image.id in line for line in lines)
    assert any("reconciled" in line for line in lines)
