"""The outbox: what the catalog says must still happen. Sending may fail or happen twice; the record stays until the work is done."""

from collections.abc import Sequence

import structlog

from catalog.errors import CatalogUnavailable
from catalog.records import OutboxMessage
from services.container import Services
from storage.base import StorageError
from transforms.errors import NoThreads
from transforms.threads import threads_needed

log = structlog.get_logger(__name__)


async def send(services: Services, messages: Sequence[OutboxMessage]) -> None:
    """Hand messages to the workers. Redis, SQL or threads being away loses nothing: the relay sends them later."""
    if not messages:
        return
    try:
        with threads_needed():
            for message in messages:
                await services.tasks.send(message)
            await services.catalog.mark_sent([message.id for message in messages])
    except (StorageError, CatalogUnavailable, NoThreads) as error:
        log.warning("outbox_not_sent", messages=len(messages), reason=str(error))
