"""Lanes, foresight and deadlines with real children."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import TypeVarTuple

import pytest

from transforms import deadline
from transforms.errors import OutOfTime, PoolBusy
from transforms.lanes import Lane
from transforms.pool import NICE, RenderPool

pytestmark = pytest.mark.anyio

Ts = TypeVarTuple("Ts")

HOLD = 0.4


def note(path: Path, word: str) -> None:
    with path.open("a") as file:
        file.write(f"{word} ")


@pytest.fixture
async def pool() -> AsyncIterator[RenderPool]:
    pool = RenderPool(workers=1, wait=2)
    await pool.warm_up()
    yield pool
    await pool.close()


async def test_who_somebody_waits_for_comes_before_background_work(pool: RenderPool, tmp_path: Path) -> None:
    lanes = (Lane.BACKGROUND, Lane.UPLOAD, Lane.UPLOAD, Lane.COLD, Lane.COLD)
    await asyncio.gather(pool.run(time.sleep, HOLD / 4), *(pool.run(note, tmp_path / "order", lane.value, lane=lane) for lane in lanes))
    first, *others = (tmp_path / "order").read_text().split()
    assert others[-1] == "background"
    assert [first, *others[:-1]] in (["cold", "upload"] * 2, ["upload", "cold"] * 2)


async def test_who_would_wait_too_long_is_told_at_once() -> None:
    pool = RenderPool(workers=1, wait=HOLD)
    for _ in range(10):
        await pool.run(time.sleep, HOLD / 8)
    asked = [asyncio.create_task(pool.run(time.sleep, HOLD / 8)) for _ in range(30)]
    await asyncio.sleep(0)
    busy = [task.exception() for task in asked if task.done()]
    assert len(busy) > 10
    assert {type(error) for error in busy} == {PoolBusy}
    with pytest.raises(PoolBusy):
        pool.check_room()
    pool.check_room(Lane.BACKGROUND)
    for task in asked:
        task.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    await pool.close()


async def test_what_a_child_takes_to_start_is_not_foreseen_for_the_calls_that_follow() -> None:
    pool = RenderPool(workers=1, wait=2, prepare=partial(time.sleep, 1))
    await pool.run(abs, -1)
    asked = [asyncio.create_task(pool.run(time.sleep, HOLD / 8)) for _ in range(4)]
    await asyncio.sleep(0)
    assert pool.waiting == 3
    pool.check_room()
    await asyncio.gather(*asked)
    await pool.close()


async def test_who_was_promised_a_place_is_not_turned_away_when_others_come_first() -> None:
    pool = RenderPool(workers=1, queue=1)
    running = asyncio.create_task(pool.run(time.sleep, HOLD))
    await asyncio.sleep(0)
    with pool.promise():
        with pytest.raises(PoolBusy):
            await asyncio.create_task(other(pool))
        assert await pool.run(abs, -1) == 1
    await running
    await pool.close()


async def other(pool: RenderPool) -> None:
    """Another request, with a context of its own."""
    with pool.promise():
        await pool.run(abs, -1)


async def hurried(pool: RenderPool, seconds: float, function: Callable[[*Ts], None], *args: *Ts) -> float:
    """As a request does that has so much time; what is left of it. To be run as a task: a deadline is that of its context."""
    deadline.start(seconds)
    await pool.run(function, *args)
    return deadline.left()


async def test_what_waits_ends_with_its_request_and_is_never_begun(pool: RenderPool, tmp_path: Path) -> None:
    running = asyncio.create_task(pool.run(time.sleep, HOLD))
    await asyncio.sleep(0)
    with pytest.raises(OutOfTime):
        await asyncio.create_task(hurried(pool, HOLD / 4, note, tmp_path / "begun", "late"))
    assert not running.done()
    await running
    assert not (tmp_path / "begun").exists()


async def test_nothing_begins_for_a_request_that_is_over(pool: RenderPool, tmp_path: Path) -> None:
    with pytest.raises(OutOfTime):
        await asyncio.create_task(hurried(pool, -1, note, tmp_path / "begun", "late"))
    assert not (tmp_path / "begun").exists()


async def test_what_was_begun_may_end_after_its_request(pool: RenderPool) -> None:
    assert await asyncio.create_task(hurried(pool, HOLD / 4, time.sleep, HOLD)) < 0


async def test_children_leave_the_processor_to_their_parent(pool: RenderPool) -> None:
    assert await pool.run(os.nice, 0) == min(19, os.nice(0) + NICE)
