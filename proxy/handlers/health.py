"""Whether the process lives, and whether it can do what it is for."""

import asyncio
import time

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from proxy.handlers.common import services, shell
from proxy.http import NO_STORE
from transforms.engine import self_test
from transforms.errors import ImageError, PoolBusy, RenderUnavailable
from transforms.pool import RenderPool

READY_SECONDS = 1.0
BELIEVED_SECONDS = 5.0
FRESH_SECONDS = 30.0


async def live(request: Request) -> Response:
    """The event loop turns; nothing else is asked."""
    return PlainTextResponse("ok\n", headers={"cache-control": NO_STORE})


async def ready(request: Request) -> Response:
    """200 while this process can render and is not draining; 503 and the reason otherwise."""
    reason = "draining" if shell(request).lifecycle.draining else await _wedged(services(request).pool)
    body = {"status": reason or "ready", "waiting": services(request).pool.waiting}
    return JSONResponse(body, 503 if reason else 200, {"cache-control": NO_STORE})


async def _wedged(pool: RenderPool) -> str | None:
    """Why the render pool is of no use now, proven by a tiny real picture unless one came out of it a moment ago."""
    if time.monotonic() - pool.last_success < BELIEVED_SECONDS:
        return None
    try:
        await asyncio.wait_for(pool.run(self_test), READY_SECONDS)
    except (PoolBusy, TimeoutError):
        return None if pool.last_success > time.monotonic() - FRESH_SECONDS else "rendering is stuck"
    except (RenderUnavailable, ImageError) as error:
        return f"rendering fails: {type(error).__name__}"
    return None
