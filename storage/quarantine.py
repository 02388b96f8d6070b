"""What went wrong lately, by name, in Redis: all processes know it, and it is forgotten by itself."""

from datetime import timedelta

from storage.base import StorageError
from storage.redis_client import ImpatientRedis


class Quarantine:
    """A memory that helps and never stands in the way: while Redis is away nothing is known and nothing is noted, without an error."""

    def __init__(self, client: ImpatientRedis, *, prefix: str = "quarantine:") -> None:
        self._client = client
        self._prefix = prefix

    async def noted(self, *names: str) -> set[str]:
        """Those of the names that are noted."""
        try:
            async with self._client.asking():
                values = await self._client.mget([self._prefix + name for name in names])
                return {name for name, value in zip(names, values, strict=True) if value is not None}
        except StorageError:
            return set()

    async def note(self, name: str, time: timedelta) -> None:
        """Remember the name for so long."""
        try:
            async with self._client.asking():
                await self._client.set(self._prefix + name, b"", px=time)
        except StorageError:
            return

    async def count(self, name: str, step: int, time: timedelta) -> int:
        """Add to a number that begins at 0 and is forgotten so long after its last step; 0 when it is not known."""
        try:
            async with self._client.asking(), self._client.pipeline(transaction=False) as together:
                together.incrby(self._prefix + name, step)
                together.pexpire(self._prefix + name, time)
                number, _ = await together.execute()
                return int(number)
        except StorageError:
            return 0

    async def close(self) -> None:
        await self._client.aclose()
