"""Whether the process lives, and whether it can do what it is for."""

import asyncio
import time

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from transforms.engine import self_test

from proxy.handlers.common import services, shell

READY_SECONDS = 1.0
FRESH_SECONDS = 30.0
BELIEVED_SECONDS = 5.0


async def live(request: Request) -> Response:
    """The event loop turns; nothing else is asked."""
    return PlainTextResponse("ok\n", headers={"cache-control": "no-store"})


async def ready(request: Request) -> Response:
    """200 while this process can render and is not draining; 503 and the reason otherwise."""
    reason = "draining" if shell(request).lifecycle.draining else await _wedged(request)
    body = {"status": reason or "ready", "waiting": services(request).pool.waiting}
    return JSONResponse(body, 503 if reason else 200, {"cache-control": "no-store"})


async def _wedged(request: Request) -> str | None:
    """Why the render pool is of no use now: no picture came out of it lately, and a tiny real one does not within a second."""
    pool, lifecycle = services(request).pool, shell(request).lifecycle
    now = time.monotonic()
    if now - max(pool.last_success, lifecycle.rendered_at) < BELIEVED_SECONDS:
        return None
    try:
        async with asyncio.timeout(READY_SECONDS):
            await pool.run(self_test)
    except Exception as error:  # noqa: BLE001  whatever it is, it is the answer
        return None if now - pool.last_success < FRESH_SECONDS else f"rendering fails: {type(error).__name__}"
    return None
