"""Leases in Redis: of several processes one does the work. They save work; nothing is right or wrong by them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from secrets import token_hex
from time import monotonic
from typing import Any

from storage.base import StorageError
from storage.redis_client import ImpatientRedis
from transforms import deadline

BEAT_SECONDS = 1.0
# Whoever has not beaten for so long is dead, or frozen.
DEAD_SECONDS = 3.0
FIRST_POLL, LAST_POLL = 0.02, 0.1

# lease | token, life, what is left of the life of a dead one -> whether it is ours now
_TAKE = """#!lua
if redis.call('PTTL', KEYS[1]) > tonumber(ARGV[3]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""

# lease | token, life -> whether it was ours still
_RENEW = """#!lua flags=allow-oom
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""

# lease | token -> whether it was ours still
_RELEASE = """#!lua flags=allow-oom
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""


class Leases:
    """`seconds` is how long a lease lives without its holder's heartbeat. One that lacks a few beats may be taken over before.

    Redis being away, slow or full is no error here, and nobody waits for it: everyone does the work then.
    """

    def __init__(self, client: ImpatientRedis, *, seconds: float, prefix: str = "lease:") -> None:
        self.seconds = seconds
        self._client, self._prefix = client, prefix
        self._life = round(seconds * 1000)
        self._dead = max(0, round((seconds - DEAD_SECONDS) * 1000))
        self._scripts = {text: client.register_script(text) for text in (_TAKE, _RENEW, _RELEASE)}

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[bool]:
        """Whether the lease is ours for as long as the context lives; ours too when Redis cannot be asked."""
        token = token_hex(8)
        taken = await self._ask(_TAKE, name, token, self._life, self._dead)
        if not taken:
            yield taken is None
            return
        heart = asyncio.create_task(self._beat(name, token))
        try:
            yield True
        finally:
            heart.cancel()
            await self._ask(_RELEASE, name, token)

    async def turn(self, name: str, *, seconds: float) -> bool:
        """Whether nobody has had this turn for so long; while Redis cannot be asked nobody has it."""
        return bool(await self._ask(_TAKE, name, token_hex(8), round(seconds * 1000), 0))

    async def wait(self, name: str) -> None:
        """Until nobody alive holds it, or Redis cannot be asked; but never longer than a lease lives, or somebody waits."""
        ends, pause = monotonic() + min(self.seconds, deadline.left()), FIRST_POLL
        while monotonic() < ends and await self._held(name):
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, LAST_POLL)

    async def close(self) -> None:
        await self._client.aclose()

    async def _held(self, name: str) -> bool:
        left = await self._asked(lambda: self._client.pttl(self._prefix + name))
        return left is not None and left > self._dead

    async def _beat(self, name: str, token: str) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            await self._ask(_RENEW, name, token, self._life)

    async def _ask(self, script: str, name: str, *arguments: str | int) -> int | None:
        return await self._asked(lambda: self._scripts[script](keys=[self._prefix + name], args=arguments))

    async def _asked(self, question: Callable[[], Awaitable[Any]]) -> int | None:
        """The number that Redis answers; None when it is away, slow or full."""
        try:
            async with self._client.asking():
                return int(await question())
        except StorageError:
            return None
