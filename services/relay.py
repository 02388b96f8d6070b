"""Take up what was cut off: commits, deletions, and messages that Redis could not take."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from catalog.outbox import PATIENCE
from catalog.records import Kind, OutboxMessage
from services import commit, erase, outbox
from services.container import Services
from storage.base import StorageError
from transforms.errors import ProgImageError
from transforms.threads import threads_needed

log = structlog.get_logger(__name__)

AT_ONCE = 100
EVERY_SECONDS = 5.0
# Requests do their own work: only what they had the time to do, and did not, was cut off.
GRACE = timedelta(seconds=60)
# To send a message takes a moment only.
SENDING = timedelta(seconds=5)
# What was sent so long ago and is not in the queue will not be done; what is in the queue may have to wait for its turn.
LOST = timedelta(seconds=30)


async def relay(services: Services) -> None:
    """Safe at any time and from several processes. What fails is left for the next time."""
    await _send_again(services)
    await _take_up(services, "commit", _finish_commit)
    await _take_up(services, "erase", _finish_erasure)


async def relay_forever(services: Services) -> None:
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        try:
            with threads_needed():
                await relay(services)
        except ProgImageError as error:
            log.warning("relay_failed", reason=str(error))


async def _send_again(services: Services) -> None:
    """What was never sent, what the queue lost, and what it should have done long ago."""
    patience = LOST if await _queue_is_empty(services) else PATIENCE
    await outbox.send(services, await services.catalog.open_messages(["warm"], limit=AT_ONCE, older_than=SENDING, patience=patience))


async def _queue_is_empty(services: Services) -> bool:
    """Then Redis has lost what was sent and is not done, or it was tried as often as a task is tried."""
    try:
        return await services.tasks.none_waits()
    except StorageError:
        return False


async def _take_up(services: Services, kind: Kind, finish: Callable[[Services, OutboxMessage], Awaitable[None]]) -> None:
    for message in await services.catalog.open_messages([kind], limit=AT_ONCE, older_than=GRACE):
        try:
            with threads_needed():
                await finish(services, message)
        except ProgImageError as error:
            log.warning("not_taken_up", kind=kind, subject=message.subject, reason=str(error))


async def _finish_commit(services: Services, message: OutboxMessage) -> None:
    """Store what the cut-off commit did not; one whose bytes are gone from staging gives itself up."""
    reservation = await services.catalog.resume(message.id)
    if reservation:
        await commit.carry_out(services, reservation)


async def _finish_erasure(services: Services, message: OutboxMessage) -> None:
    erasure = await erase.erase(services, message.subject)
    if erasure.done:
        await services.catalog.finish(message.id)
    else:
        # Next time those come first that were not tried yet: an edge that never comes back must not hold them up.
        await services.catalog.mark_sent([message.id])
