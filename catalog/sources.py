"""Queries about the URLs of remote images, each to be run inside a transaction."""

import hashlib
from dataclasses import asdict
from datetime import datetime

from sqlmodel import col, delete, exists, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from catalog import commits, images
from catalog.inserts import insert_or_replace
from catalog.models import ImageRow, SourceRow
from catalog.records import ImageRecord, SourceRecord

# A transaction that others wait for must end soon.
AT_ONCE = 100


async def find(session: AsyncSession, url: str) -> SourceRecord | None:
    query = select(SourceRow).join(ImageRow).where(SourceRow.id == _id(url), ImageRow.state == "ready")
    row = (await session.exec(query)).first()
    return SourceRecord(**row.model_dump(exclude={"id"})) if row else None


async def remember(session: AsyncSession, source: SourceRecord) -> None:
    """The image is locked before the source, as everywhere."""
    images.require(await images.lock(session, [source.image_id]), [source.image_id], ready=True)
    await insert_or_replace(session, SourceRow, {"id": _id(source.url), **asdict(source)})


async def expire(session: AsyncSession, before: datetime, *, now: datetime) -> list[ImageRecord]:
    """See Catalog.expire_sources. Who keeps an image is asked again once it is locked."""
    rows = await images.lock(session, await session.exec(_unnamed(before).limit(AT_ONCE)))
    await session.exec(delete(SourceRow).where(col(SourceRow.checked_at) < before))
    unnamed = set(await session.exec(_unnamed(before).where(col(ImageRow.id).in_(rows))))
    kept = await commits.in_open_commits(session)
    return await images.release(session, [rows[image_id] for image_id in sorted(unnamed - kept)], now=now)


def _unnamed(before: datetime) -> SelectOfScalar[str]:
    """The remote images from before then that no source names which was asked since."""
    asked_since = exists().where(col(SourceRow.image_id) == col(ImageRow.id), col(SourceRow.checked_at) >= before)
    query = select(ImageRow.id).where(ImageRow.state == "ready", col(ImageRow.remote).is_(True))
    return query.where(col(ImageRow.created_at) < before, ~asked_since)


def _id(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()
