"""A commit from reservation to confirmation: steps (a) and (d) of the write order, each to be run inside a transaction.

Between them the caller puts the bytes into the store. An open commit has a message in the outbox, which is struck out by the
confirmation or by giving the commit up: a message that stays belongs to a commit that was cut off.
"""

from collections.abc import Sequence
from datetime import datetime

from pydantic import TypeAdapter
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from catalog import images, outbox, products
from catalog.models import ImageRow, OutboxRow, ProductRow
from catalog.records import ImageRecord, Original, OutboxMessage, ProductDraft, Reservation
from catalog.transactions import Again

IDS = TypeAdapter(list[str])


async def reserve(
    session: AsyncSession,
    originals: Sequence[Original],
    *,
    standalone: bool,
    remote: bool,
    draft: ProductDraft | None,
    image_ids: Sequence[str],
    now: datetime,
) -> Reservation:
    """See Catalog.reserve."""
    if draft is not None and not await products.add(session, draft, now=now):
        return await _repeated(session, draft)
    await images.add_missing(session, originals, remote=remote, now=now)
    wanted = list(dict.fromkeys([*image_ids, *(original.id for original in originals)]))
    rows = await images.lock(session, wanted)
    images.require(rows, wanted, ready=False)
    for row in rows.values():
        row.standalone |= standalone  # from now on, so that no product that is deleted meanwhile takes the image along
        row.remote &= remote
    if draft is not None:
        await products.show(session, draft.id, wanted)
    product_id = draft.id if draft is not None else None
    message = outbox.post(session, "commit", product_id or "", now=now, images=wanted, standalone=standalone)
    records = tuple(images.record(rows[image_id]) for image_id in wanted)
    return Reservation(outbox_id=message.id, product_id=product_id, images=records, standalone=standalone)


async def _repeated(session: AsyncSession, draft: ProductDraft) -> Reservation:
    product = await products.earlier(session, draft)
    if product is None:
        raise Again  # it was deleted between the two statements
    message = await _open_commit(session, product)
    shown = (await products.shown_by(session, [product.id]))[product.id]
    return Reservation(outbox_id=message.id if message else None, product_id=product.id, images=tuple(shown), repeated=True)


async def _open_commit(session: AsyncSession, product: ProductRow) -> OutboxRow | None:
    query = select(OutboxRow).where(OutboxRow.subject == product.id, OutboxRow.kind == "commit")
    return (await session.exec(query)).first()


async def confirm(session: AsyncSession, reservation: Reservation, *, now: datetime) -> list[OutboxMessage]:
    """See Catalog.confirm."""
    product = await _product(session, reservation)
    if product is not None and product.state == "ready":
        return []
    rows = await _lock_images(session, reservation)
    images.require(rows, [image.id for image in reservation.images], ready=False)
    warm = [outbox.post(session, "warm", row.id, now=now) for row in rows.values() if row.state == "pending"]
    for row in rows.values():
        row.state = "ready"
        row.standalone |= reservation.standalone
    if product is not None:
        product.state = "ready"
    await _close(session, reservation)
    return warm


async def abandon(session: AsyncSession, reservation: Reservation, *, now: datetime) -> list[ImageRecord]:
    """See Catalog.abandon."""
    product = await products.lock(session, reservation.product_id) if reservation.product_id else None
    rows = await _lock_images(session, reservation)
    if not await _close(session, reservation):
        return []
    if product is not None:
        await session.delete(product)
        await session.flush()
    kept = await in_open_commits(session)
    loose = [row for row in rows.values() if row.state != "deleting" and row.id not in kept]
    for row in loose:
        row.standalone &= row.state == "ready"
    return await images.release(session, loose, now=now)


async def in_open_commits(session: AsyncSession) -> set[str]:
    """The ids of images that a commit under way is about to keep."""
    payloads = await session.exec(select(OutboxRow.payload).where(OutboxRow.kind == "commit"))
    return {image_id for payload in payloads for image_id in IDS.validate_python(payload["images"])}


async def resume(session: AsyncSession, message_id: str) -> Reservation | None:
    """See Catalog.resume."""
    message = await session.get(OutboxRow, message_id)
    if message is None or message.kind != "commit":
        return None
    ids = IDS.validate_python(message.payload["images"])
    found = await images.find(session, ids)
    records = tuple(found[image_id] for image_id in ids if image_id in found)
    standalone = bool(message.payload["standalone"])
    return Reservation(outbox_id=message.id, product_id=message.subject or None, images=records, standalone=standalone)


async def _product(session: AsyncSession, reservation: Reservation) -> ProductRow | None:
    if reservation.product_id is None:
        return None
    product = await products.lock(session, reservation.product_id)
    if product is None:
        raise products.missing(reservation.product_id)
    return product


async def _lock_images(session: AsyncSession, reservation: Reservation) -> dict[str, ImageRow]:
    return await images.lock(session, [image.id for image in reservation.images])


async def _close(session: AsyncSession, reservation: Reservation) -> bool:
    return reservation.outbox_id is not None and await outbox.finish(session, reservation.outbox_id)
