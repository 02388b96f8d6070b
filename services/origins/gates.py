"""Fair use of other people's servers: a few fetches from each origin at a time, none from one that is down."""

import asyncio
from asyncio import Semaphore
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from cachetools import LRUCache

from services.origins.source_url import SourceUrl
from services.origins.trouble import unavailable
from transforms.breaker import Breaker
from transforms.errors import PoolBusy

AT_ONCE = 8
# From all of them together: names below one domain are as many origins as its owner likes, and each fetch is an open file or two.
AT_ONCE_IN_ALL = 128
WAIT = 1.0
LEFT_ALONE_SECONDS = 10.0
REMEMBERED = 1000

Origin = tuple[str, str, int]


@dataclass(kw_only=True)
class Gate:
    places: Semaphore = field(default_factory=lambda: Semaphore(AT_ONCE))
    breaker: Breaker = field(default_factory=lambda: Breaker(seconds=LEFT_ALONE_SECONDS))
    users: int = 0


class Gates:
    """A gate for each origin. Those in use are never forgotten, or their places would be given out twice."""

    def __init__(self) -> None:
        self._used: dict[Origin, Gate] = {}
        self._idle: LRUCache[Origin, Gate] = LRUCache(REMEMBERED)
        self._all = Semaphore(AT_ONCE_IN_ALL)

    @asynccontextmanager
    async def enter(self, source: SourceUrl) -> AsyncIterator[Breaker]:
        """A place at the source's origin, and its breaker, to be told of the outcome.

        SourceUnavailable; PoolBusy when it is we who are busy, which is remembered of no URL.
        """
        origin = (source.scheme, source.host, source.port)
        gate = self._used.get(origin) or self._idle.pop(origin, None) or Gate()
        self._used[origin] = gate
        gate.users += 1
        try:
            if not gate.breaker.admits():
                raise unavailable(source.host, "failed several times in a row, and is left alone for a while")
            # In this order: who waits for one origin takes nothing from the others.
            async with _place(gate.places, "from this host"), _place(self._all, "from other hosts"):
                yield gate.breaker
        finally:
            gate.users -= 1
            if not gate.users:
                self._idle[origin] = self._used.pop(origin)


@asynccontextmanager
async def _place(places: Semaphore, whence: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(WAIT):
            await places.acquire()
    except TimeoutError:
        raise PoolBusy(f"Many pictures are being fetched {whence} already: try again.") from None
    try:
        yield
    finally:
        places.release()
