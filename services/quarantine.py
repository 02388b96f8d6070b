"""Quarantine: a picture that crashed a decoder, or work that took too long, costs no second child for a while."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from services.container import Services
from transforms.errors import DecoderCrashed, RenderTimeout, TooMuchWork
from transforms.plan import Plan
from transforms.pool import CRASHED
from transforms.watch import HOPELESS, TOO_LONG

# Long enough that a client's and a worker's further tries cost nothing, short enough that a picture which is not to blame (its child may
# have been killed for want of memory) is back soon.
CRASHED_TIME = timedelta(minutes=10)
LATE_TIME = timedelta(minutes=10)
# A variant may have been late because the machine was busy, and somebody looks at a hole in a page.
LATE_VARIANT_TIME = timedelta(seconds=60)


@asynccontextmanager
async def quarantined(services: Services, original: str, variant: str | None = None, plan: Plan | None = None) -> AsyncIterator[None]:
    """Around work in the pool on the picture of this hex SHA-256: note that it crashed or was late, and fail at once when that is noted.

    Being late is noted of the variant of this key, or, without one, of the proof that the picture is whole. So is a crash where the plan
    draws other images: else whoever has one that crashes a decoder could take any picture off the pages by drawing it there.
    DecoderCrashed, TooMuchWork or RenderTimeout.
    """
    blamed = variant if variant and plan and plan.images else original
    crashed, late, hopeless = f"crashed:{blamed}", f"late:{variant or original}", f"hopeless:{variant or original}"
    noted = await services.quarantine.noted(crashed, late, hopeless)
    if crashed in noted:
        raise DecoderCrashed(CRASHED)
    if hopeless in noted:
        raise TooMuchWork(HOPELESS)
    if late in noted:
        raise RenderTimeout(TOO_LONG)
    try:
        yield
    except DecoderCrashed:
        await services.quarantine.note(crashed, CRASHED_TIME)
        raise
    except TooMuchWork:
        await services.quarantine.note(hopeless, LATE_TIME)
        raise
    except RenderTimeout:
        await services.quarantine.note(late, LATE_VARIANT_TIME if variant else LATE_TIME)
        raise
