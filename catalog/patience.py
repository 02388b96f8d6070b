"""How long anybody waits for the database. One that is frozen, or behind a dead link, keeps no time-outs of its own."""

import asyncio
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import Any, TypeVar

from sqlalchemy.exc import TimeoutError as PoolTimeout

from transforms.breaker import Breaker

R = TypeVar("R")

FAILURES = 3
LEFT_ALONE_SECONDS = 2.0
# A loop that had no time to look at the answer says nothing about the database.
LATE_SECONDS = 0.25


class Patience:
    """So many seconds for one kind of work; after three silences in a row none, but for one try every two seconds.

    Each kind has its own: what is slow to write may be quick to read. A refusal costs nobody any time, so it does not count.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._breaker = Breaker(failures=FAILURES, seconds=LEFT_ALONE_SECONDS)
        # Referred to, or they might be collected before they end.
        self._given_up: set[asyncio.Task[Any]] = set()

    async def wait_for(self, work: Callable[[], Coroutine[Any, Any, R]]) -> R:
        """What the work gives or raises. TimeoutError when it takes too long, or when it is not begun for that reason."""
        if not self._breaker.admits():
            raise TimeoutError("It was silent several times, and is left alone for a while.")
        ends, task = monotonic() + self._seconds, asyncio.create_task(work())
        try:
            await asyncio.wait((task,), timeout=self._seconds)
        finally:
            # Nobody waits for the end of what is given up: it takes SQLAlchemy two seconds to leave a server that is frozen.
            self._give_up(task)
        if not task.done() or isinstance(task.exception(), (TimeoutError, PoolTimeout)):
            if monotonic() < ends + LATE_SECONDS:
                self._breaker.failed()
        else:
            self._breaker.succeeded()
        if not task.done():
            raise TimeoutError
        return task.result()

    def _give_up(self, task: asyncio.Task[Any]) -> None:
        if not task.done():
            task.cancel()
            self._given_up.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._given_up.discard(task)
        if not task.cancelled():
            task.exception()  # Looked at here, or asyncio complains.
