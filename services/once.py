"""Once: of all processes that miss the same thing at the same time, one makes it, and the others find it."""

from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar

from services.container import Services
from transforms import deadline

T = TypeVar("T")


async def once(services: Services, name: str, look: Callable[[], Awaitable[T | None]], make: Callable[[], Awaitable[T]]) -> T:
    """What `look` finds by now, or what `make` makes; for somebody who has looked before and found nothing.

    Others may make it too, when the maker dies or takes too long, or Redis is away: `make` must bear that. Its errors are its caller's
    own; the others then try for themselves, one after the other. OutOfTime once nobody waits for it any more.
    """
    patience = monotonic() + services.leases.seconds
    while True:
        deadline.check()
        async with services.leases.hold(name) as ours:
            if ours or monotonic() > patience:
                found = await look()
                return await make() if found is None else found
        await services.leases.wait(name)
        if (found := await look()) is not None:
            return found
