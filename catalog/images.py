"""Queries about images and their variants, each to be run inside a transaction.

Of variants, those of this engine: what another version recorded has other bytes, under a key of its own in the store.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import cache

from sqlalchemy import bindparam
from sqlmodel import col, func, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from catalog import inserts, outbox
from catalog.columns import checked_share
from catalog.errors import ImageBusy, ImageInUse, NotFound
from catalog.inserts import insert_or_ignore
from catalog.models import ImageRow, ProductImageRow, VariantRow
from catalog.paging import newest_first
from catalog.records import ImageRecord, Original, Page, State, VariantRecord
from transforms.geometry import Size
from transforms.operations.gravity import Point
from transforms.plan import ENGINE_VERSION
from transforms.values import Facts, Placeholders

# Put together once, as `_recording` is: every picture that is built is counted, and recorded.
COUNTING = (
    select(func.count())
    .select_from(VariantRow)
    .where(VariantRow.image_id == bindparam("image_id"), VariantRow.engine == bindparam("engine"))
)


def record(row: ImageRow) -> ImageRecord:
    return ImageRecord(
        id=row.id,
        owner=row.owner,
        state=row.state,
        facts=Facts(format=row.format, width=row.width, height=row.height, frames=row.frames, orientation=row.orientation, alpha=row.alpha),
        bytes=row.bytes,
        sha256=row.sha256,
        place=row.place,
        standalone=row.standalone,
        created_at=row.created_at,
        focal=None if row.focal_x is None or row.focal_y is None else Point(row.focal_x, row.focal_y),
        placeholders=_placeholders(row),
    )


def _placeholders(row: ImageRow) -> Placeholders | None:
    if row.thumbhash is None or row.colour is None or row.placeholder is None:
        return None
    return Placeholders(thumbhash=row.thumbhash, colour=row.colour, data_uri=row.placeholder)


async def find(session: AsyncSession, image_ids: Collection[str]) -> dict[str, ImageRecord]:
    rows = await session.exec(select(ImageRow).where(col(ImageRow.id).in_(image_ids)))
    return {row.id: record(row) for row in rows}


async def page(session: AsyncSession, *, limit: int, cursor: str | None, formats: Sequence[str]) -> Page[ImageRecord]:
    query = select(ImageRow).where(ImageRow.state == "ready", col(ImageRow.remote).is_(False))
    if formats:
        query = query.where(col(ImageRow.format).in_(formats))
    rows, following = await newest_first(session, query, ImageRow, limit=limit, cursor=cursor)
    return Page(items=tuple(record(row) for row in rows), next_cursor=following)


async def add_missing(session: AsyncSession, originals: Sequence[Original], *, remote: bool, now: datetime) -> None:
    """Insert pending rows for the originals that have none. In the order of ids, as everywhere: see `lock`."""
    ordered = sorted(originals, key=lambda original: original.id)
    await insert_or_ignore(session, ImageRow, [new_row(original, state="pending", remote=remote, now=now) for original in ordered])


def new_row(original: Original, *, state: State, remote: bool = False, standalone: bool = False, now: datetime) -> dict[str, object]:
    """The columns of a row that is to be inserted."""
    return {
        **original.facts.to_json(),
        "id": original.id,
        "owner": "",
        "state": state,
        "bytes": original.bytes,
        "sha256": original.sha256,
        "place": original.place,
        "standalone": standalone,
        "remote": remote,
        "created_at": now,
    }


async def lock(session: AsyncSession, image_ids: Iterable[str]) -> dict[str, ImageRow]:
    """The rows that there are, held until the end of the transaction.

    Everyone takes locks in one order, so that nobody waits in a circle: the product, then missing images inserted by id, then images
    by id. A list of references read under these locks stays true.
    """
    query = select(ImageRow).where(col(ImageRow.id).in_(set(image_ids))).order_by(col(ImageRow.id)).with_for_update()
    rows = await session.exec(query, execution_options={"populate_existing": True})
    return {row.id: row for row in rows}


def require(rows: dict[str, ImageRow], image_ids: Iterable[str], *, ready: bool) -> None:
    """ImageBusy when one of the images is being deleted; NotFound when one is missing, or only pending where `ready` is asked."""
    wanted = list(image_ids)
    if busy := [image_id for image_id in wanted if image_id in rows and rows[image_id].state == "deleting"]:
        raise ImageBusy("An image is being deleted at this moment: try again.", images=busy)
    if missing := [image_id for image_id in wanted if image_id not in rows or (ready and rows[image_id].state != "ready")]:
        raise NotFound(f"There is no stored image {missing[0]}.", images=missing)


async def _lock_ready(session: AsyncSession, image_id: str) -> ImageRow:
    row = (await lock(session, [image_id])).get(image_id)
    if row is None or row.state != "ready":
        raise NotFound(f"There is no stored image {image_id[:60]}.", images=[image_id[:60]])
    return row


async def set_focal(session: AsyncSession, image_id: str, point: Point | None) -> ImageRecord:
    row = await _lock_ready(session, image_id)
    row.focal_x, row.focal_y = map(checked_share, point) if point else (None, None)
    return record(row)


async def set_placeholders(session: AsyncSession, image_id: str, placeholders: Placeholders) -> None:
    found = {"thumbhash": placeholders.thumbhash, "colour": placeholders.colour, "placeholder": placeholders.data_uri}
    await session.exec(update(ImageRow).where(col(ImageRow.id) == image_id).values(found))


async def release(session: AsyncSession, rows: Iterable[ImageRow], *, now: datetime) -> list[ImageRecord]:
    """Mark those of the locked images to which nothing refers any more as deleting, and post their erasure."""
    loose = {row.id: row for row in rows if not row.standalone}
    in_use = set(await session.exec(select(ProductImageRow.image_id).where(col(ProductImageRow.image_id).in_(loose))))
    return [_condemn(session, row, now) for image_id, row in loose.items() if image_id not in in_use]


async def condemn(session: AsyncSession, image_id: str, *, now: datetime) -> ImageRecord:
    """Mark one stored image as deleting; ImageInUse while a product refers to it."""
    row = await _lock_ready(session, image_id)
    query = select(ProductImageRow.product_id).where(ProductImageRow.image_id == image_id)
    products = list(await session.exec(query.order_by(col(ProductImageRow.product_id))))
    if products:
        raise ImageInUse("A product still shows this image.", products=products)
    return _condemn(session, row, now)


def _condemn(session: AsyncSession, row: ImageRow, now: datetime) -> ImageRecord:
    row.state = "deleting"
    outbox.post(session, "erase", row.id, now=now)
    return record(row)


async def erase(session: AsyncSession, image_id: str, *, told: bool) -> None:
    """Forget an image whose bytes are gone; its variants go with it, and its messages but for an erasure of which not all were told."""
    row = (await lock(session, [image_id])).get(image_id)
    if row is not None and row.state == "deleting":
        await outbox.forget_image(session, image_id, but=None if told else "erase")
        await session.delete(row)


async def add_variant(session: AsyncSession, variant: VariantRecord, *, now: datetime) -> None:
    """The first record of a variant stays until a newer engine makes its own. One of an image deleted meanwhile is not recorded."""
    row = {
        "image_id": variant.image_id,
        "plan": variant.plan,
        "format": variant.format,
        "width": variant.size.width,
        "height": variant.size.height,
        "bytes": variant.bytes,
        "etag": variant.etag,
        "engine": ENGINE_VERSION,
        "created_at": now,
    }
    await inserts.execute(session, _recording(inserts.dialect_of(session)), row)


@cache
def _recording(dialect: str) -> inserts.Insert:
    alive = select(ImageRow.id).where(ImageRow.id == bindparam("image_id"), ImageRow.state != "deleting")
    # The weakest lock that keeps the image from being marked as deleting before we are done.
    beside = alive.with_for_update(read=True)
    return inserts.replacing(dialect, VariantRow, where=col(VariantRow.engine) < bindparam("engine"), beside=beside)


async def variant(session: AsyncSession, image_id: str, plan: str, image_format: str) -> VariantRecord | None:
    row = await session.get(VariantRow, (image_id, plan, image_format))
    return _variant(row) if row and row.engine == ENGINE_VERSION else None


async def variants(session: AsyncSession, image_ids: Collection[str]) -> dict[str, list[VariantRecord]]:
    found: dict[str, list[VariantRecord]] = {image_id: [] for image_id in image_ids}
    query = select(VariantRow).where(col(VariantRow.image_id).in_(found), VariantRow.engine == ENGINE_VERSION)
    for row in await session.exec(query.order_by(col(VariantRow.plan), col(VariantRow.format))):
        found[row.image_id].append(_variant(row))
    return found


async def count_variants(session: AsyncSession, image_id: str) -> int:
    given = {"image_id": image_id, "engine": ENGINE_VERSION}
    return int((await (await session.connection()).execute(COUNTING, given)).scalar_one())


def _variant(row: VariantRow) -> VariantRecord:
    size = Size(row.width, row.height)
    return VariantRecord(image_id=row.image_id, plan=row.plan, format=row.format, size=size, bytes=row.bytes, etag=row.etag)
