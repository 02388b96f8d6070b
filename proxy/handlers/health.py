"""Whether the process lives, and whether it can do what it is for."""

import asyncio
import time

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from proxy.handlers.common import services, shell
from proxy.http import NO_STORE
from services.flights import Flights
from transforms.engine import self_test
from transforms.errors import ImageError, PoolBusy, RenderUnavailable
from transforms.pool import RenderPool

# Together they are how long it may go unseen that nothing is rendered any more.
BELIEVED_SECONDS = 1.0
READY_SECONDS = 0.8
TRIAL = "trial"


async def live(request: Request) -> Response:
    """The event loop turns; nothing else is asked."""
    return PlainTextResponse("ok\n", headers={"cache-control": NO_STORE})


async def ready(request: Request) -> Response:
    """200 while this process can render and is not draining; 503 and the reason otherwise."""
    lifecycle, pool, staging = shell(request).lifecycle, services(request).pool, services(request).staging
    reason = "draining" if lifecycle.draining else await why_not(pool, lifecycle.trials)
    # Only told: pictures are served without it, and what all processes lack must not take all of them away.
    body = {"status": reason or "ready", "waiting": pool.waiting, "redis": "away" if staging.away else "there"}
    return JSONResponse(body, 503 if reason else 200, {"cache-control": NO_STORE})


async def why_not(pool: RenderPool, trials: Flights[None]) -> str | None:
    """Why the pool is of no use to a newcomer, known within a second. Unless a picture came out of it just now, a tiny one must.

    All who ask share one trial. It is not given up when they are: its end, by itself or by the pool's deadline, replaces a child that
    does not answer, while a slow one is left to become ready.
    """
    if pool.saturated:
        return "rendering is saturated"
    if time.monotonic() - pool.last_success < BELIEVED_SECONDS or (pool.full and TRIAL not in trials):
        return None
    try:
        async with asyncio.timeout(READY_SECONDS):
            await trials.join(TRIAL, lambda: pool.run(self_test))
    except TimeoutError:
        return "rendering is stuck"
    except PoolBusy:
        return None
    except (RenderUnavailable, ImageError) as error:
        return f"rendering fails: {type(error).__name__}"
    return None
