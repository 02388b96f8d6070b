"""Leases in Redis: of several processes one does the work. They save work; nothing is right or wrong by them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis


class Leases:
    """`seconds` is how long a lease lives without its holder's heartbeat."""

    def __init__(self, client: Redis, *, seconds: float, prefix: str = "lease:") -> None:
        self._client, self._seconds, self._prefix = client, seconds, prefix

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[bool]:
        """Whether the lease is ours for as long as the context lives; ours too when Redis cannot be asked."""
        raise NotImplementedError
        yield

    async def wait(self, name: str) -> None:
        """Until nobody alive holds it."""
        raise NotImplementedError

    async def close(self) -> None:
        await self._client.aclose()
