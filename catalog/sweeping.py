"""Queries of those who compare the catalog with the store, each to be run inside a transaction."""

from collections.abc import Collection
from datetime import datetime

from sqlmodel import col, exists, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from catalog import commits, images, outbox
from catalog.inserts import insert_or_ignore
from catalog.models import ImageRow, ProductImageRow, SourceRow
from catalog.records import ImageRecord, Original
from transforms.operations.gravity import Point
from transforms.values import Facts


async def after(session: AsyncSession, image_id: str, *, limit: int) -> list[ImageRecord]:
    query = select(ImageRow).where(ImageRow.state == "ready", col(ImageRow.id) > image_id)
    return [images.record(row) for row in await session.exec(query.order_by(col(ImageRow.id)).limit(limit))]


async def unreferenced(session: AsyncSession, image_ids: Collection[str], before: datetime) -> set[str]:
    """See Catalog.unreferenced."""
    found = set(await session.exec(_unreferenced(image_ids, before)))
    return found - await commits.in_open_commits(session) if found else found


async def release(session: AsyncSession, image_ids: Collection[str], before: datetime, *, now: datetime) -> list[ImageRecord]:
    """See Catalog.release_unreferenced. Who refers to an image is asked once it is locked."""
    rows = await images.lock(session, image_ids)
    return await images.release(session, [rows[image_id] for image_id in sorted(await unreferenced(session, rows, before))], now=now)


def _unreferenced(image_ids: Collection[str], before: datetime) -> SelectOfScalar[str]:
    shown = exists().where(col(ProductImageRow.image_id) == col(ImageRow.id))
    named = exists().where(col(SourceRow.image_id) == col(ImageRow.id))
    query = select(ImageRow.id).where(ImageRow.state == "ready", col(ImageRow.standalone).is_(False), col(ImageRow.remote).is_(False))
    return query.where(col(ImageRow.id).in_(image_ids), col(ImageRow.created_at) < before, ~shown, ~named)


async def take_up(session: AsyncSession, original: Original, focal: Point | None, created_at: datetime, *, now: datetime) -> bool:
    """See Catalog.take_up."""
    row = images.new_row(original, state="ready", standalone=True, now=created_at)
    row |= {"focal_x": focal.x, "focal_y": focal.y} if focal else {}
    added = await insert_or_ignore(session, ImageRow, [row]) > 0
    if added:
        outbox.post(session, "warm", original.id, now=now)
    return added


async def condemn_unknown(session: AsyncSession, image_id: str, place: str, *, now: datetime) -> ImageRecord | None:
    """See Catalog.condemn_unknown."""
    unknown = Original(id=image_id, facts=Facts(format="", width=0, height=0), bytes=0, sha256="", place=place)
    if not await insert_or_ignore(session, ImageRow, [images.new_row(unknown, state="deleting", now=now)]):
        return None
    outbox.post(session, "erase", image_id, now=now)
    return (await images.find(session, [image_id]))[image_id]
