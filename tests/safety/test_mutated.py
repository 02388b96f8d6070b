"""Damaged pictures are taken or refused; no error but ours comes out, and no decoder crashes. `make soak` asks for many more."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from functools import partial

import pytest

from tests.safety.mutations import LIMITS, fates
from transforms.engine import prepare
from transforms.pool import RenderPool

pytestmark = pytest.mark.anyio

BATCH = 25


@pytest.fixture(scope="module")
async def pool() -> AsyncIterator[RenderPool]:
    pool = RenderPool(workers=2, wait=60, soft=60, deadline=60, prepare=partial(prepare, LIMITS.accepted))
    yield pool
    await pool.close()


async def test_a_few_hundred_mutated_pictures_are_taken_or_refused(pool: RenderPool) -> None:
    batches = [range(at, at + BATCH) for at in range(0, 300, BATCH)]
    fate = sum(await asyncio.gather(*(pool.run(fates, batch) for batch in batches)), Counter[str]())
    assert fate.total() == 300
    # Not all alike, or they would prove nothing.
    assert fate["taken"] > 30
    assert fate["broken-image"] > 30
