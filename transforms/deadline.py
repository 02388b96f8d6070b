"""The deadline of a request: set once where it comes in, looked at wherever somebody waits or is about to begin with something.

Waiting ends with it, and nothing is begun after it. What was begun keeps to limits of its own, for others may wait for it too.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from math import inf

from transforms.errors import OutOfTime

_ends: ContextVar[float] = ContextVar("deadline", default=inf)


def start(seconds: float) -> None:
    """Whatever this task does from now on is for somebody who waits so long."""
    _ends.set(time.monotonic() + seconds)


def left() -> float:
    """The seconds that are left; infinite where nobody waits."""
    return _ends.get() - time.monotonic()


def check() -> None:
    """OutOfTime when nobody waits any more."""
    if left() <= 0:
        raise out_of_time()


@asynccontextmanager
async def waiting() -> AsyncIterator[None]:
    """Around waiting for others: OutOfTime when the deadline passes meanwhile."""
    seconds = left()
    try:
        async with asyncio.timeout(None if seconds == inf else seconds) as limit:
            yield
    except TimeoutError:
        if limit.expired():
            raise out_of_time() from None
        raise


def out_of_time() -> OutOfTime:
    return OutOfTime("The time for this request was over before its turn came: try again soon.")
