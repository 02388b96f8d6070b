"""Why a pool is of no use, asked of real pools."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from functools import partial

import pytest

from proxy.handlers.health import TRIAL, why_not
from services.flights import Flights
from tests.servers import frozen
from transforms.engine import self_test
from transforms.pool import RenderPool

pytestmark = pytest.mark.anyio

STUCK = "rendering is stuck"
SATURATED = "rendering is saturated"


@pytest.fixture
async def pool() -> AsyncIterator[RenderPool]:
    pool = RenderPool(workers=1)
    await pool.warm_up()
    yield pool
    await pool.close()


def forget(pool: RenderPool) -> None:
    """What came out of it came out long ago."""
    pool.last_success = -1000


async def test_a_pool_that_renders_is_ready_and_many_who_ask_cost_one_picture(pool: RenderPool) -> None:
    trials = Flights[None]()
    forget(pool)
    assert set(await asyncio.gather(*(why_not(pool, trials) for _ in range(10)))) == {None}
    assert time.monotonic() - pool.last_success < 60
    assert TRIAL not in trials


async def test_a_frozen_child_is_told_within_a_second_and_ready_again_when_it_goes_on(pool: RenderPool) -> None:
    trials, child = Flights[None](), await pool.run(os.getpid)
    forget(pool)
    with frozen(child):
        began = time.monotonic()
        assert await why_not(pool, trials) == STUCK
        assert time.monotonic() - began < 2
        # Asked again it is no better, though its only child seems to be at work now.
        assert pool.full
        assert await why_not(pool, trials) in {STUCK, SATURATED}
    await trials.join(TRIAL, lambda: pool.run(self_test))
    assert await why_not(pool, trials) is None
    assert await pool.run(os.getpid) == child


async def test_a_child_that_works_long_is_no_reason(pool: RenderPool) -> None:
    working = asyncio.create_task(pool.run(time.sleep, 0.5))
    await asyncio.sleep(0)
    forget(pool)
    began = time.monotonic()
    assert await why_not(pool, Flights()) is None
    assert time.monotonic() - began < 0.4
    await working


async def test_a_pool_whose_children_all_die_says_so() -> None:
    pool, trials = RenderPool(workers=1, prepare=partial(os._exit, 3)), Flights[None]()
    told = [await why_not(pool, trials) for _ in range(4)]
    assert set(told) <= {STUCK, "rendering fails: RenderUnavailable"}
    await pool.close()
