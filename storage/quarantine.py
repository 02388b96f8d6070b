"""What went wrong lately, by name, in Redis: all processes know it, and it is forgotten by itself."""

import asyncio
from datetime import timedelta

from redis.asyncio import Redis

from storage.base import StorageError
from storage.staging import translated

# A server that takes longer than this to answer is away: a render must not wait for it.
PATIENCE = 0.25


class Quarantine:
    """A memory that helps and never stands in the way: while Redis is away nothing is known and nothing is noted, without an error."""

    def __init__(self, client: Redis, *, prefix: str = "quarantine:") -> None:
        self._client = client
        self._prefix = prefix

    async def noted(self, *names: str) -> set[str]:
        """Those of the names that are noted."""
        try:
            async with asyncio.timeout(PATIENCE):
                with translated():
                    values = await self._client.mget([self._prefix + name for name in names])
        except (StorageError, TimeoutError):
            return set()
        return {name for name, value in zip(names, values, strict=True) if value is not None}

    async def note(self, name: str, time: timedelta) -> None:
        """Remember the name for so long."""
        try:
            async with asyncio.timeout(PATIENCE):
                with translated():
                    await self._client.set(self._prefix + name, b"", px=time)
        except (StorageError, TimeoutError):
            return

    async def close(self) -> None:
        await self._client.aclose()
