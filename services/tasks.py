"""What the workers can do: thin wrappers that bring a Dramatiq thread to the event loop where the services live."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog
from dramatiq import Broker, actor
from dramatiq.errors import Retry

from catalog.errors import CatalogUnavailable
from services.broker import QUEUE
from services.container import Services
from services.warm import warm
from storage.base import StorageError
from storage.leases import DEAD_SECONDS
from transforms.errors import RenderTimeout, RenderUnavailable
from transforms.threads import threads_needed

log = structlog.get_logger(__name__)

Work = Callable[[Services, str, str], Awaitable[None]]

ATTEMPTS = 3
REMEMBERED = timedelta(days=1)
# What may be over when a task is tried again.
TROUBLE = (StorageError, CatalogUnavailable, RenderUnavailable)


def register(broker: Broker, services: Services, loop: asyncio.AbstractEventLoop) -> None:
    """Declare the actors. Each is named after the kind of outbox message that it works off."""
    actor(actor_name="warm", queue_name=QUEUE, broker=broker)(_bridge(warm, services, loop))


def _bridge(work: Work, services: Services, loop: asyncio.AbstractEventLoop) -> Callable[[str, str], None]:
    def run(message_id: str, subject: str) -> None:
        try:
            asyncio.run_coroutine_threadsafe(attempt(work, services, message_id, subject), loop).result()
        except TROUBLE as error:
            log.warning("task_postponed", message=message_id, subject=subject, reason=str(error))
            raise Retry(str(error)) from error

    return run


async def attempt(work: Work, services: Services, message_id: str, subject: str) -> None:
    """Do the work of a message that is still to be done; one that failed, or took its worker along, too often is never done again.

    Queues deliver twice, late and in any order, and give what a dead worker had to the next one. Of copies that come at the same time one
    is worked on, and stays in the queue until it is done: as many attempts at once would look like as many deaths. The others come again:
    Retry. Perhaps the one that they met was over, and could not say so.
    """
    async with services.leases.hold(f"task:{message_id}") as ours:
        if not await services.catalog.is_open(message_id):
            return
        if not ours:
            raise Retry("A copy of it is, or was a moment ago, worked on.", delay=round(DEAD_SECONDS * 1000))
        await _attempt(work, services, message_id, subject)


async def _attempt(work: Work, services: Services, message_id: str, subject: str) -> None:
    name = f"attempts:{message_id}"
    if await services.quarantine.count(name, 1, REMEMBERED) > ATTEMPTS:
        log.error("task_given_up", message=message_id, subject=subject)
        await services.catalog.finish(message_id)
        return
    try:
        with threads_needed():
            await work(services, message_id, subject)
    except RenderTimeout:
        # Of all this trouble only it may be the picture's.
        raise
    except TROUBLE:
        await services.quarantine.count(name, -1, REMEMBERED)
        raise
