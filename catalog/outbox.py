"""The outbox: what a transaction decided and must be done after it."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import or_
from sqlmodel import col, delete, select, update
from sqlmodel.ext.asyncio.session import AsyncSession
from uuid_utils import uuid7

from catalog.models import OutboxRow
from catalog.records import Kind, OutboxMessage

# A queue that has not done a message by then has lost it: Redis may lose its data, and a task its last try.
PATIENCE = timedelta(minutes=10)


def post(session: AsyncSession, kind: Kind, subject: str, *, now: datetime, **payload: object) -> OutboxMessage:
    """Leave a message that exists if and only if this transaction commits."""
    row = OutboxRow(id=str(uuid7()), kind=kind, subject=subject, payload=payload, created_at=now)
    session.add(row)
    return _message(row)


async def open_messages(
    session: AsyncSession, kinds: Sequence[Kind], *, limit: int, until: datetime, sent_until: datetime
) -> list[OutboxMessage]:
    """Messages posted until then whose work is not done, oldest first; of those that a queue took the ones that were sent until then."""
    taken = or_(col(OutboxRow.sent_at).is_(None), col(OutboxRow.sent_at) <= sent_until)
    query = select(OutboxRow).where(col(OutboxRow.kind).in_(kinds), taken, col(OutboxRow.created_at) <= until)
    rows = await session.exec(
        query.order_by(col(OutboxRow.sent_at).is_not(None), col(OutboxRow.created_at), col(OutboxRow.id)).limit(limit)
    )
    return [_message(row) for row in rows]


async def is_open(session: AsyncSession, message_id: str) -> bool:
    return await session.get(OutboxRow, message_id) is not None


async def mark_sent(session: AsyncSession, message_ids: Sequence[str], *, now: datetime) -> None:
    await session.exec(update(OutboxRow).where(col(OutboxRow.id).in_(message_ids)).values(sent_at=now))


async def finish(session: AsyncSession, message_id: str) -> bool:
    """Forget a message, and say whether it was there."""
    result = await session.exec(delete(OutboxRow).where(col(OutboxRow.id) == message_id))
    return result.rowcount > 0


async def forget_image(session: AsyncSession, image_id: str, *, but: Kind | None = None) -> None:
    """Forget every message about an image, but those of one kind."""
    query = delete(OutboxRow).where(col(OutboxRow.subject) == image_id)
    await session.exec(query.where(col(OutboxRow.kind) != but) if but else query)


def _message(row: OutboxRow) -> OutboxMessage:
    return OutboxMessage(id=row.id, kind=row.kind, subject=row.subject, created_at=row.created_at)
