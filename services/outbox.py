"""The outbox: what the catalog says must still happen. Sending may fail or happen twice; the record stays until the work is done."""

from collections.abc import Sequence
from datetime import timedelta

import structlog

from catalog.records import OutboxMessage
from services import erase
from services.container import Services
from storage.base import StorageUnavailable

log = structlog.get_logger(__name__)

AT_ONCE = 100
# A request sends its own messages: the relay takes up only what a request had the time to send and did not.
GRACE = timedelta(seconds=30)


async def send(services: Services, messages: Sequence[OutboxMessage]) -> None:
    """Hand messages to the workers. Redis being away loses nothing: the relay sends them later."""
    try:
        for message in messages:
            await services.tasks.send(message)
        await services.catalog.mark_sent([message.id for message in messages])
    except StorageUnavailable as error:
        log.warning("outbox_not_sent", messages=len(messages), reason=str(error))


async def relay(services: Services) -> int:
    """Send what was never sent and finish deletions that were cut off; how many there were."""
    warm = await services.catalog.unsent(kinds=["warm"], limit=AT_ONCE, older_than=GRACE)
    await send(services, warm)
    cut_off = await services.catalog.unsent(kinds=["erase"], limit=AT_ONCE, older_than=GRACE)
    for message in cut_off:
        await erase.erase(services, message.subject)
    return len(warm) + len(cut_off)
