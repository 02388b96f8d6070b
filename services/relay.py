"""Take up what was cut off: commits, deletions, and messages that Redis could not take."""

from datetime import timedelta

import structlog

from catalog.records import OutboxMessage
from services import commit, erase, outbox
from services.container import Services
from transforms.errors import ProgImageError

log = structlog.get_logger(__name__)

AT_ONCE = 100
# Requests do their own work: only what they had the time to do, and did not, was cut off.
GRACE = timedelta(seconds=60)


async def relay(services: Services) -> None:
    """Safe at any time and from several processes. What fails is left for the next time."""
    await outbox.send(services, await services.catalog.open_messages(["warm"], limit=AT_ONCE, older_than=GRACE))
    for message in await services.catalog.open_messages(["commit", "erase"], limit=AT_ONCE, older_than=GRACE):
        try:
            await (_finish_commit(services, message) if message.kind == "commit" else erase.erase(services, message.subject))
        except ProgImageError as error:
            log.warning("not_taken_up", kind=message.kind, subject=message.subject, reason=str(error))


async def _finish_commit(services: Services, message: OutboxMessage) -> None:
    """Store what the cut-off commit did not; one whose bytes are gone from staging gives itself up."""
    reservation = await services.catalog.resume(message.id)
    if reservation:
        await commit.carry_out(services, reservation)
