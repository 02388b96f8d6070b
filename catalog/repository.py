"""The catalog: what exists. Every query of ProgImage is behind a method of this class, and every method is one transaction."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncEngine

from catalog import commits, images, outbox, products, sources, sweeping
from catalog.records import (
    ImageRecord,
    Kind,
    Original,
    OutboxMessage,
    Page,
    ProductDraft,
    ProductRecord,
    Reservation,
    SourceRecord,
    VariantRecord,
)
from catalog.transactions import Transactions
from transforms.operations.gravity import Point
from transforms.values import Placeholders


class Catalog:
    """Every method raises CatalogUnavailable when the database refuses, fails or is too slow.

    Whoever is `quick` can do without, and learns after half a second that it is too slow.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        transactions = Transactions(engine)
        self._read, self._write = transactions.read, transactions.write
        self._glance, self._note = transactions.glance, transactions.note

    # Images

    async def image(self, image_id: str, *, quick: bool = False) -> ImageRecord | None:
        """The image in whatever state it is."""
        return (await (self._glance if quick else self._read)(images.find, [image_id])).get(image_id)

    async def images(self, image_ids: Collection[str]) -> dict[str, ImageRecord]:
        """Those of the images that there are, in whatever state, by id."""
        return await self._read(images.find, image_ids)

    async def list_images(self, *, limit: int, cursor: str | None = None, formats: Sequence[str] = ()) -> Page[ImageRecord]:
        """Ready images (of these formats, when any are named), newest first; BadCursor. `limit` is at least one.

        Remote ones are not among them: nobody has put them here.
        """
        return await self._read(images.page, limit=limit, cursor=cursor, formats=formats)

    async def delete_image(self, image_id: str) -> ImageRecord:
        """Mark a ready image as deleting and post its erasure; NotFound, or ImageInUse while a product refers to it."""
        return await self._write(images.condemn, image_id, now=_now())

    async def erase(self, image_id: str, *, told: bool = True) -> None:
        """Forget an image that is deleting, once its bytes are gone: its rows, its variants and its messages. Safe to repeat.

        Unless everybody was `told` who may show it still, the message of its erasure stays, until it is finished.
        """
        await self._write(images.erase, image_id, told=told)

    async def set_focal(self, image_id: str, point: Point | None) -> ImageRecord:
        """Choose the focal point of a ready image, or none; NotFound. ValueError when a share has more than two places."""
        return await self._write(images.set_focal, image_id, point)

    async def record_placeholders(self, image_id: str, placeholders: Placeholders) -> None:
        """Remember what a page shows before the picture; silently nothing when the image is gone."""
        await self._write(images.set_placeholders, image_id, placeholders)

    # Commits

    async def repeated(self, draft: ProductDraft) -> bool:
        """Whether `reserve` would find that this request has made a product before; IdempotencyConflict when another has."""
        return await self._read(products.earlier, draft) is not None

    async def reserve(
        self,
        originals: Sequence[Original],
        *,
        standalone: bool = False,
        remote: bool = False,
        draft: ProductDraft | None = None,
        image_ids: Sequence[str] = (),
    ) -> Reservation:
        """Begin a commit: pending rows for what is new, and a message that lets a sweeper finish what is cut off.

        `originals` brings what may be missing; an image that has a row keeps it, and the `place` in it. `image_ids` names all images
        in the order of the product (each counts once; originals not named follow). NotFound names images with neither row nor
        original, ImageBusy those that are being deleted. A draft whose request made a product before inserts nothing and gives that
        product's reservation; IdempotencyConflict when the key belongs to another request. `standalone` images live by themselves, new
        `remote` ones as long as a source names them, or until somebody else commits them.
        """
        return await self._write(
            commits.reserve, originals, standalone=standalone, remote=remote, draft=draft, image_ids=image_ids, now=_now()
        )

    async def confirm(self, reservation: Reservation) -> list[OutboxMessage]:
        """End a commit whose bytes are proven to lie in the store: images and product become ready.

        Returns a `warm` message for each image that became ready now. Safe to repeat, and for two commits of one image at once.
        NotFound when the product was given up, ImageBusy when an image was deleted meanwhile: then nothing becomes ready.
        """
        return await self._write(commits.confirm, reservation, now=_now())

    async def resume(self, message_id: str) -> Reservation | None:
        """The reservation of a commit that was cut off, from its message; None when it was confirmed or given up."""
        return await self._read(commits.resume, message_id)

    async def abandon(self, reservation: Reservation) -> list[ImageRecord]:
        """Give up a commit whose bytes are lost: its product goes, its idempotency key is free again.

        Returns the images that neither a product nor another open commit keeps, marked as deleting. Does nothing when the commit was
        confirmed before.
        """
        return await self._write(commits.abandon, reservation, now=_now())

    # Sources of remote images

    async def source(self, url: str) -> SourceRecord | None:
        """What is known of the picture at a URL, as long as its image is ready."""
        return await self._read(sources.find, url)

    async def remember_source(self, source: SourceRecord) -> None:
        """Take this for what is known of its URL. NotFound or ImageBusy when its image is not ready."""
        await self._write(sources.remember, source)

    async def expire_sources(self, before: datetime) -> list[ImageRecord]:
        """Forget the sources that were last asked before then; some of the older remote images that none keeps, marked as deleting.

        An empty list says that there are no more of them.
        """
        return await self._write(sources.expire, before, now=_now())

    # Products

    async def product(self, product_id: str) -> ProductRecord | None:
        """The product, once it is ready."""
        return await self._read(products.find, product_id)

    async def require_product(self, product_id: str) -> ProductRecord:
        """The product, or NotFound."""
        product = await self.product(product_id)
        if product is None:
            raise products.missing(product_id)
        return product

    async def list_products(
        self,
        *,
        limit: int,
        cursor: str | None = None,
        name: str | None = None,
        min_price: Decimal | None = None,
        max_price: Decimal | None = None,
    ) -> Page[ProductRecord]:
        """Ready products whose name contains this text in any case, within these prices, newest first; BadCursor.

        ValueError when a bound is not a price.
        """
        return await self._read(products.page, limit=limit, cursor=cursor, name=name, min_price=min_price, max_price=max_price)

    async def update_product(
        self,
        product_id: str,
        *,
        name: str | None = None,
        price: Decimal | None = None,
        currency: str | None = None,
        image_ids: Sequence[str] | None = None,
    ) -> tuple[ProductRecord, list[ImageRecord]]:
        """Change what is given. With it, the images that nothing keeps any more, marked as deleting.

        NotFound without the product, or when an image is not ready; ImageBusy when one is being deleted.
        """
        return await self._write(products.change, product_id, name=name, price=price, currency=currency, image_ids=image_ids, now=_now())

    async def delete_product(self, product_id: str) -> list[ImageRecord]:
        """Delete a product; the images that nothing keeps any more, marked as deleting. NotFound."""
        return await self._write(products.remove, product_id, now=_now())

    # Variants

    async def record_variant(self, variant: VariantRecord, *, quick: bool = False) -> None:
        """Remember a variant of this engine. Its first record stays; nothing happens when its image is gone or going."""
        await (self._note if quick else self._write)(images.add_variant, variant, now=_now())

    async def variant(self, image_id: str, plan: str, image_format: str) -> VariantRecord | None:
        """The variant of the canonical resolved plan in this format, if that can be known quickly."""
        return await self._glance(images.variant, image_id, plan, image_format)

    async def variants(self, image_ids: Collection[str]) -> dict[str, list[VariantRecord]]:
        """The variants of each of the images, in a stable order; an image without any has an empty list."""
        return await self._read(images.variants, image_ids)

    async def count_variants(self, image_id: str) -> int:
        """How many variants of the image are recorded."""
        return await self._read(images.count_variants, image_id)

    # What the sweep asks, which compares the catalog with the store

    async def images_after(self, image_id: str, *, limit: int) -> list[ImageRecord]:
        """Ready images of all kinds whose ids follow this one, in their order."""
        return await self._read(sweeping.after, image_id, limit=limit)

    async def unreferenced(self, image_ids: Collection[str], before: datetime) -> set[str]:
        """Those of the images, from before then, that nothing keeps: a change of a product was cut off after it had stored them."""
        return await self._read(sweeping.unreferenced, image_ids, before)

    async def release_unreferenced(self, image_ids: Collection[str], before: datetime) -> list[ImageRecord]:
        """The same images, marked as deleting."""
        return await self._write(sweeping.release, image_ids, before, now=_now())

    async def take_up(self, original: Original, focal: Point | None, created_at: datetime) -> bool:
        """Give a row to a picture that is whole in the store; it is ready, stands by itself and will be warmed. False when it has one."""
        return await self._write(sweeping.take_up, original, focal, created_at, now=_now())

    async def condemn_unknown(self, image_id: str, place: str) -> ImageRecord | None:
        """Mark an image that has no row as deleting, so that nobody can commit it while its objects are erased; None when it has one."""
        return await self._write(sweeping.condemn_unknown, image_id, place, now=_now())

    # Outbox

    async def open_messages(
        self, kinds: Sequence[Kind], *, limit: int, older_than: timedelta = timedelta(), patience: timedelta = outbox.PATIENCE
    ) -> list[OutboxMessage]:
        """Messages of these kinds whose work is not done, at least so old, oldest first; those that a queue took after this patience."""
        now = _now()
        return await self._read(outbox.open_messages, kinds, limit=limit, until=now - older_than, sent_until=now - patience)

    async def is_open(self, message_id: str) -> bool:
        """Whether the work of this message is still to be done."""
        return await self._read(outbox.is_open, message_id)

    async def mark_sent(self, message_ids: Sequence[str]) -> None:
        """Say that a queue has taken these messages."""
        await self._write(outbox.mark_sent, message_ids, now=_now())

    async def finish(self, message_id: str) -> None:
        """Strike out a message whose work is done; silently nothing when it is gone."""
        await self._write(outbox.finish, message_id)


def _now() -> datetime:
    return datetime.now(UTC)
