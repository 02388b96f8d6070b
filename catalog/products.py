"""Queries about products and the images that they show, each to be run inside a transaction."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from catalog import images
from catalog.columns import checked_price
from catalog.errors import IdempotencyConflict, NotFound
from catalog.inserts import insert_or_ignore
from catalog.models import ImageRow, ProductImageRow, ProductRow
from catalog.paging import newest_first
from catalog.records import ImageRecord, Page, ProductDraft, ProductRecord, folded


async def find(session: AsyncSession, product_id: str) -> ProductRecord | None:
    row = await session.get(ProductRow, product_id)
    if row is None or row.state != "ready":
        return None
    return _record(row, await shown_by(session, [row.id]))


async def page(
    session: AsyncSession,
    *,
    limit: int,
    cursor: str | None,
    name: str | None,
    min_price: Decimal | None,
    max_price: Decimal | None,
) -> Page[ProductRecord]:
    query = select(ProductRow).where(ProductRow.state == "ready")
    if name:
        query = query.where(col(ProductRow.name_folded).contains(folded(name), autoescape=True))
    if min_price is not None:
        query = query.where(col(ProductRow.price) >= checked_price(min_price))
    if max_price is not None:
        query = query.where(col(ProductRow.price) <= checked_price(max_price))
    rows, following = await newest_first(session, query, ProductRow, limit=limit, cursor=cursor)
    shown = await shown_by(session, [row.id for row in rows])
    return Page(items=tuple(_record(row, shown) for row in rows), next_cursor=following)


async def shown_by(session: AsyncSession, product_ids: Collection[str]) -> dict[str, list[ImageRecord]]:
    """The images of each product, in its order."""
    shown: dict[str, list[ImageRecord]] = {product_id: [] for product_id in product_ids}
    query = select(ProductImageRow.product_id, ImageRow).join(ImageRow).where(col(ProductImageRow.product_id).in_(shown))
    for product_id, row in await session.exec(query.order_by(col(ProductImageRow.position))):
        shown[product_id].append(images.record(row))
    return shown


async def add(session: AsyncSession, draft: ProductDraft, *, now: datetime) -> bool:
    """Insert a pending product; false when its id or its idempotency key is there already."""
    row = ProductRow(
        id=draft.id,
        name=draft.name,
        name_folded=folded(draft.name),
        price=draft.price,
        currency=draft.currency,
        state="pending",
        idempotency_key=draft.idempotency_key,
        request_digest=draft.request_digest,
        created_at=now,
    )
    return await insert_or_ignore(session, ProductRow, [row.model_dump()]) > 0


async def earlier(session: AsyncSession, draft: ProductDraft) -> ProductRow | None:
    """The product that the same request made before, if any; IdempotencyConflict when its key was used by another request."""
    same = col(ProductRow.id) == draft.id
    if draft.idempotency_key is not None:
        same |= col(ProductRow.idempotency_key) == draft.idempotency_key
    row = (await session.exec(select(ProductRow).where(same))).first()
    if row is not None and row.request_digest != draft.request_digest:
        raise IdempotencyConflict("This idempotency key was used before, for another request.", product=row.id)
    return row


async def show(session: AsyncSession, product_id: str, image_ids: Iterable[str]) -> None:
    """Let the product show exactly these images, in this order."""
    await session.exec(delete(ProductImageRow).where(col(ProductImageRow.product_id) == product_id))
    session.add_all(
        ProductImageRow(product_id=product_id, position=position, image_id=image_id) for position, image_id in enumerate(image_ids)
    )
    await session.flush()


async def lock(session: AsyncSession, product_id: str) -> ProductRow | None:
    """The row, held until the end of the transaction: the first of the locks, see `images.lock`."""
    return (await session.exec(select(ProductRow).where(ProductRow.id == product_id).with_for_update())).first()


async def change(
    session: AsyncSession,
    product_id: str,
    *,
    name: str | None,
    price: Decimal | None,
    currency: str | None,
    image_ids: Sequence[str] | None,
    now: datetime,
) -> tuple[ProductRecord, list[ImageRecord]]:
    row = await _require(session, product_id)
    if name is not None:
        row.name, row.name_folded = name, folded(name)
    if price is not None:
        row.price = checked_price(price)
    if currency is not None:
        row.currency = currency
    orphans = [] if image_ids is None else await _show_instead(session, product_id, list(dict.fromkeys(image_ids)), now=now)
    return _record(row, await shown_by(session, [product_id])), orphans


async def remove(session: AsyncSession, product_id: str, *, now: datetime) -> list[ImageRecord]:
    """Delete a product; its images that nothing else keeps."""
    row = await _require(session, product_id)
    orphans = await _show_instead(session, product_id, [], now=now)
    await session.delete(row)
    return orphans


async def _show_instead(session: AsyncSession, product_id: str, image_ids: Sequence[str], *, now: datetime) -> list[ImageRecord]:
    before = set(await session.exec(select(ProductImageRow.image_id).where(ProductImageRow.product_id == product_id)))
    rows = await images.lock(session, before.union(image_ids))
    images.require(rows, image_ids, ready=True)
    for image_id in image_ids:
        rows[image_id].remote = False
    await show(session, product_id, image_ids)
    return await images.release(session, [rows[image_id] for image_id in before.difference(image_ids)], now=now)


async def _require(session: AsyncSession, product_id: str) -> ProductRow:
    row = await lock(session, product_id)
    if row is None or row.state != "ready":
        raise missing(product_id)
    return row


def missing(product_id: str) -> NotFound:
    return NotFound(f"There is no product {product_id[:60]}.", product=product_id[:60])


def _record(row: ProductRow, shown: dict[str, list[ImageRecord]]) -> ProductRecord:
    return ProductRecord(
        id=row.id, name=row.name, price=row.price, currency=row.currency, created_at=row.created_at, images=tuple(shown[row.id])
    )
