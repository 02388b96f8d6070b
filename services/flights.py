"""One flight per key: callers who want the same thing at the same time share one attempt to make it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Flights(Generic[T]):
    def __init__(self) -> None:
        self._flying: dict[str, asyncio.Task[T]] = {}

    async def join(self, key: str, make: Callable[[], Awaitable[T]]) -> tuple[T, bool]:
        """What `make` gave, and whether this caller was the one who set off. A caller who leaves takes nobody's result away."""
        task = self._flying.get(key)
        leads = task is None
        if task is None:
            task = self._flying[key] = asyncio.ensure_future(_run(make))
            task.add_done_callback(lambda done: self._land(key, done))
        return await asyncio.shield(task), leads

    def _land(self, key: str, done: asyncio.Task[T]) -> None:
        del self._flying[key]
        if not done.cancelled():
            done.exception()  # Looked at here, or asyncio complains when every caller has left.


async def _run(make: Callable[[], Awaitable[T]]) -> T:
    return await make()
