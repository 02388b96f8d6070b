"""The ASGI application: routes and middleware around the use cases, and what happens from start to end."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from types import FrameType
from typing import TypedDict

import structlog
from starlette.applications import Starlette

from proxy import errors, logs
from proxy.endpoint import routes
from proxy.handlers.common import Lifecycle, Shell
from proxy.middleware import Edge
from proxy.routes import ENDPOINTS
from proxy.schemas import Presenter
from proxy.settings import Settings
from proxy.wiring import build
from proxy.worker import TaskRunner
from services.container import Services
from services.purge import purge
from transforms.errors import ProgImageError

log = structlog.get_logger(__name__)

PURGE_SECONDS = 60.0


class State(TypedDict):
    shell: Shell


def factory() -> Starlette:
    """What each uvicorn process calls; the command line has put the settings into the environment."""
    return create_app(Settings())


def create_app(settings: Settings) -> Starlette:
    logs.configure(settings)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[State]:
        lifecycle = Lifecycle()
        async with build(settings) as services, background(settings, services):
            await services.pool.warm_up()
            _drain_on_sigterm(lifecycle, settings.drain_notice)
            yield {"shell": Shell(services=services, settings=settings, presenter=Presenter(base=settings.public_url), lifecycle=lifecycle)}

    app = Starlette(routes=routes(ENDPOINTS), lifespan=lifespan, exception_handlers=errors.HANDLERS)
    app.router.redirect_slashes = False
    app.add_middleware(Edge, max_body=settings.max_body)
    return app


@asynccontextmanager
async def background(settings: Settings, services: Services) -> AsyncIterator[None]:
    """What a process does beside answering: work off tasks, and purge when nobody else does."""
    async with AsyncExitStack() as stack:
        if settings.inline_tasks:
            runner = TaskRunner(settings, services)
            runner.start()
            stack.push_async_callback(asyncio.to_thread, runner.stop)
            task = asyncio.create_task(_purge_forever(services))
            stack.push_async_callback(_cancel, task)
        yield


async def _purge_forever(services: Services) -> None:
    while True:
        await asyncio.sleep(PURGE_SECONDS)
        try:
            await purge(services)
        except ProgImageError as error:
            log.warning("purge_failed", reason=str(error))


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def _drain_on_sigterm(lifecycle: Lifecycle, notice: float) -> None:
    """Say on /readyz that the end is near, serve a while longer, then let uvicorn finish what it has."""
    stop, loop = signal.getsignal(signal.SIGTERM), asyncio.get_running_loop()
    if not callable(stop):
        return

    def drain(signum: int, frame: FrameType | None) -> None:
        lifecycle.draining = True
        loop.call_soon_threadsafe(loop.call_later, notice, stop, signum, frame)

    signal.signal(signal.SIGTERM, drain)
