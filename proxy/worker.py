"""Background tasks: Dramatiq's threads beside an event loop, in `progimage serve` or in a process of their own."""

import asyncio
import signal
from contextlib import suppress

import structlog
from dramatiq import Worker

from proxy import logs
from proxy.settings import Settings
from proxy.wiring import blamed, build
from services.broker import close_broker, make_broker
from services.container import Services
from services.daily import reconcile_daily
from services.purge import purge
from services.relay import relay_forever
from services.tasks import register
from storage.base import PurgeReport, StorageError
from storage.redis_client import translated

log = structlog.get_logger(__name__)


class TaskRunner:
    """Takes tasks from the queue in threads and works them off on the event loop that `start` is called from."""

    def __init__(self, settings: Settings, services: Services) -> None:
        self._broker = make_broker(settings.redis_url)
        self._worker = Worker(self._broker, worker_threads=settings.worker_threads)
        self._services = services
        self._drain = settings.drain

    def start(self) -> None:
        """Begin; without threads nothing is ever taken."""
        register(self._broker, self._services, asyncio.get_running_loop())
        if self._worker.worker_threads:
            self._worker.start()

    def stop(self) -> None:
        """Take nothing more and wait for what is under way, which needs the event loop: call this in another thread.

        A task that does not end in time stays in the queue, for the next worker.
        """
        if self._worker.worker_threads:
            # With Redis away nothing can be given back: the next worker finds it by the silence of this one.
            with suppress(StorageError), translated():
                self._worker.stop(timeout=int(self._drain * 1000))
        close_broker(self._broker)


async def work(settings: Settings) -> None:
    """Work off tasks until SIGTERM or SIGINT. `redis_url` must be set."""
    logs.configure(settings)
    stopped, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with build(settings) as services:
        with blamed("redis_url"):
            await services.staging.check()
        await services.pool.warm_up()
        runner = TaskRunner(settings, services)
        runner.start()
        beside = [asyncio.create_task(work) for work in (relay_forever(services), reconcile_daily(services))]
        log.info("worker_ready", threads=settings.worker_threads)
        await stopped.wait()
        log.info("worker_drains")
        for task in beside:
            await cancelled(task)
        await asyncio.to_thread(runner.stop)


async def cancelled(task: asyncio.Task[None]) -> None:
    """End a task that never ends by itself."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def purge_once(settings: Settings) -> PurgeReport:
    """`progimage purge`. `redis_url` must be set."""
    logs.configure(settings)
    async with build(settings) as services:
        with blamed("redis_url"):
            await services.staging.check()
        return await purge(services)
