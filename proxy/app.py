"""The ASGI application: routes and middleware around the use cases, and what happens from start to end."""

import asyncio
import gc
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from types import FrameType
from typing import TypedDict

import structlog
from starlette.routing import Router
from starlette.types import ASGIApp

from proxy import logs, metrics
from proxy.endpoint import routes
from proxy.handlers.common import Lifecycle, Shell
from proxy.middleware import Edge
from proxy.presenter import Presenter
from proxy.routes import ENDPOINTS
from proxy.settings import Settings
from proxy.watchdog import Watchdog
from proxy.wiring import admission, build, limits
from proxy.worker import TaskRunner, cancelled
from services.container import Services
from services.daily import reconcile_daily
from services.purge import purge
from services.relay import relay_forever
from transforms.errors import ProgImageError
from transforms.threads import threads_needed

log = structlog.get_logger(__name__)

PURGE_SECONDS = 60.0
TELL_SECONDS = 0.1
# So many new objects, and garbage is looked for.
GARBAGE = 5_000


class State(TypedDict):
    shell: Shell


def factory() -> ASGIApp:
    """What each uvicorn process calls; the command line has put the settings into the environment."""
    return create_app(Settings())


def create_app(settings: Settings) -> ASGIApp:
    """The routes with the edge around them. Starlette's own application would add two layers that handle errors, which the edge does."""
    lines = logs.late(sys.stderr)
    logs.configure(settings, lines)
    lifecycle = Lifecycle()

    @asynccontextmanager
    async def lifespan(_: Router) -> AsyncIterator[State]:
        admits = admission(settings)
        presenter = Presenter(base=settings.public_url, widths=settings.widths, limits=limits(settings), signer=admits.signer)
        async with build(settings) as services, background(settings, services, lines):
            await services.pool.warm_up()
            _settle()
            _drain_on_sigterm(lifecycle, settings.drain_notice)
            yield {"shell": Shell(services=services, settings=settings, admission=admits, presenter=presenter, lifecycle=lifecycle)}

    router = Router(routes(ENDPOINTS), lifespan=lifespan, redirect_slashes=False)
    return Edge(router, max_body=settings.max_body, deadline=settings.request_deadline, draining=lambda: lifecycle.draining)


@asynccontextmanager
async def background(settings: Settings, services: Services, lines: logs.LateLines) -> AsyncIterator[None]:
    """What a process does beside answering: tell how it is, work off tasks, and purge when nobody else does."""
    async with AsyncExitStack() as stack:
        stack.callback(metrics.close)
        watchdog = Watchdog(lines.write_out)
        stack.callback(watchdog.stop)
        stack.push_async_callback(cancelled, asyncio.create_task(_tell_forever(services, lines, watchdog)))
        if settings.inline_tasks:
            runner = TaskRunner(settings, services)
            runner.start()
            stack.push_async_callback(asyncio.to_thread, runner.stop)
            stack.push_async_callback(cancelled, asyncio.create_task(relay_forever(services)))
            stack.push_async_callback(cancelled, asyncio.create_task(_purge_forever(services)))
            stack.push_async_callback(cancelled, asyncio.create_task(reconcile_daily(services, metrics.reconciled)))
        yield


async def _tell_forever(services: Services, lines: logs.LateLines, watchdog: Watchdog) -> None:
    while True:
        await asyncio.sleep(TELL_SECONDS)
        metrics.loop_turned(late=watchdog.turned() - TELL_SECONDS)
        lines.write_out()
        metrics.pool_state(waiting=services.pool.waiting, running=services.pool.running)
        metrics.redis_state(away=services.staging.away)


async def _purge_forever(services: Services) -> None:
    while True:
        await asyncio.sleep(PURGE_SECONDS)
        try:
            with threads_needed():
                await purge(services)
        except ProgImageError as error:
            log.warning("purge_failed", reason=str(error))


def _settle() -> None:
    """Never look again for garbage among what was made until now: libraries, for the most part. All requests would wait meanwhile.

    And look seldom: each time that 700 objects had been made, it took about a sixth of what a refusal cost.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE)


def _drain_on_sigterm(lifecycle: Lifecycle, notice: float) -> None:
    """Say on /readyz that the end is near, serve a while longer, then let uvicorn finish what it has."""
    stop, loop = signal.getsignal(signal.SIGTERM), asyncio.get_running_loop()
    if not callable(stop):
        return

    def drain(signum: int, frame: FrameType | None) -> None:
        lifecycle.draining = True
        loop.call_soon_threadsafe(loop.call_later, notice, stop, signum, frame)

    signal.signal(signal.SIGTERM, drain)
