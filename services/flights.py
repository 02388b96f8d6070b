"""One flight per key: callers who want the same thing at the same time share one attempt to make it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from transforms import deadline
from transforms.errors import OutOfTime

T = TypeVar("T")


class Flights(Generic[T]):
    def __init__(self) -> None:
        self._flying: dict[str, asyncio.Task[T]] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._flying

    async def join(self, key: str, make: Callable[[], Awaitable[T]]) -> tuple[T, bool]:
        """What `make` gave, and whether this caller was the one who set off. A caller who leaves takes nobody's result away.

        OutOfTime when this caller's deadline passes. When a flight ends because its first caller's did, the others set off again.
        """
        while True:
            task = self._flying.get(key)
            leads = task is None
            if task is None:
                task = self._flying[key] = asyncio.ensure_future(_run(make))
                task.add_done_callback(lambda done: self._land(key, done))
            try:
                async with deadline.waiting():
                    return await asyncio.shield(task), leads
            except OutOfTime:
                if leads:
                    raise
                deadline.check()

    def _land(self, key: str, done: asyncio.Task[T]) -> None:
        del self._flying[key]
        if not done.cancelled():
            done.exception()  # Looked at here, or asyncio complains when every caller has left.


async def _run(make: Callable[[], Awaitable[T]]) -> T:
    return await make()
