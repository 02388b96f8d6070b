"""Commit: staged originals become stored ones. The order of writes is the promise (reliability.md, 5.0):

(a) pending rows and an outbox row in one transaction; (b) the original into the store, create-only and with its digest; (c) read back
and proven, the facts put beside it; (d) rows ready; (e) staging told. Only after (d) may a caller say 201. Each step may run twice.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal

import structlog

from catalog.records import ImageRecord, Original, ProductDraft, ProductRecord, Reservation
from services import outbox
from services.container import Services
from services.erase import Erasure, erase_all
from services.errors import ExpiredImage, UncommittableImage
from services.ids import facts_key, original_key
from services.stage import missing
from services.values import KnownImage
from storage.base import DigestConflict, NotStored, StagedImage, StorageError, StorageUnavailable
from storage.digests import sha256_of

log = structlog.get_logger(__name__)

TRANSFERS_AT_ONCE = 4


async def commit_images(services: Services, image_ids: Sequence[str]) -> list[ImageRecord]:
    """Store staged images that belong to no product; they live until they are deleted by their own id."""
    originals = await _originals(services, image_ids, product_id=None)
    await carry_out(services, await services.catalog.reserve(originals, standalone=True, image_ids=image_ids))
    return await _records(services, image_ids)


async def commit_remote(services: Services, image_id: str) -> None:
    """Store a staged image that came from another host; unless somebody stores it himself, it lives while a source names it."""
    originals = await _originals(services, [image_id], product_id=None, remote=True)
    await carry_out(services, await services.catalog.reserve(originals, remote=True, image_ids=[image_id]))
    # What many pages show would else fill staging until the next purge, and leave no room for uploads.
    with _unless_staging_is_away():
        await services.staging.drop(image_id)


async def create_product(services: Services, draft: ProductDraft, image_ids: Sequence[str]) -> tuple[ProductRecord, bool]:
    """The product with its images stored, and whether it is new: a repeated idempotency key gives the product that it made."""
    repeated = await services.catalog.repeated(draft)
    originals = [] if repeated else await _originals(services, image_ids, product_id=draft.id)
    reservation = await services.catalog.reserve(originals, draft=draft, image_ids=image_ids)
    await carry_out(services, reservation)
    product_id = reservation.product_id or draft.id
    return await services.catalog.require_product(product_id), not reservation.repeated


async def update_product(
    services: Services,
    product_id: str,
    *,
    name: str | None,
    price: Decimal | None,
    currency: str | None,
    image_ids: Sequence[str] | None,
) -> tuple[ProductRecord, list[Erasure]]:
    """Change what is not None; new images are stored first, and images to which nothing refers any more are deleted."""
    if image_ids is not None:
        await services.catalog.require_product(product_id)
        await _add_images(services, product_id, image_ids)
    product, orphans = await services.catalog.update_product(product_id, name=name, price=price, currency=currency, image_ids=image_ids)
    return product, await erase_all(services, orphans)


async def _add_images(services: Services, product_id: str, image_ids: Sequence[str]) -> None:
    """Store what a product that exists is about to refer to."""
    originals = await _originals(services, image_ids, product_id=product_id)
    if originals:
        await carry_out(services, await services.catalog.reserve(originals, image_ids=image_ids))


async def _originals(services: Services, image_ids: Sequence[str], product_id: str | None, *, remote: bool = False) -> list[Original]:
    """Those of the images that are still to be stored; ExpiredImage or UncommittableImage for the first that cannot be."""
    known = await services.catalog.images(image_ids)
    wanted = [image_id for image_id in image_ids if not (image_id in known and known[image_id].state == "ready")]
    staged = [await _staged(services, image_id) for image_id in wanted]
    return [_original(image, product_id, remote=remote) for image in staged if image]


async def _staged(services: Services, image_id: str) -> StagedImage | None:
    """What is to be stored, or None when another commit has stored it meanwhile."""
    staged = await services.staging.head(image_id)
    if staged is not None or await _is_stored(services, image_id):
        return staged
    error = await missing(services, image_id)
    if isinstance(error, ExpiredImage):
        raise error
    raise UncommittableImage(f"There is no upload {image_id}: send the picture to /uploads first.", image=image_id)


def _original(staged: StagedImage, product_id: str | None, *, remote: bool) -> Original:
    known = KnownImage.from_staged(staged)
    place = original_key(known.id, known.facts.format, product_id, remote=remote)
    return Original(id=known.id, facts=known.facts, bytes=known.bytes, sha256=known.sha256, place=place)


async def carry_out(services: Services, reservation: Reservation) -> None:
    """Steps (b) to (e), and the start of what follows a commit."""
    limit = asyncio.Semaphore(TRANSFERS_AT_ONCE)

    async def transfer(image: ImageRecord) -> None:
        async with limit:
            if not await _is_kept(services, image):
                await _transfer(services, image)

    try:
        await asyncio.gather(*(transfer(image) for image in reservation.images))
    except ExpiredImage:
        await erase_all(services, await services.catalog.abandon(reservation))
        raise
    warm = await services.catalog.confirm(reservation)
    # All of it is acknowledged from here on: nothing that fails now may turn the answer into an error.
    for image in reservation.images:
        services.memory.forget(image.id)
    # Those too that were stored before: a copy that was uploaded anew must not outlive the picture.
    with _unless_staging_is_away():
        for image in reservation.images:
            await services.staging.mark_transferred(image.id)
    await outbox.send(services, warm)


@contextmanager
def _unless_staging_is_away() -> Iterator[None]:
    """Around telling it what is done already."""
    try:
        yield
    except StorageError as error:
        log.warning("staging_not_told", reason=str(error))


async def _transfer(services: Services, image: ImageRecord) -> None:
    """Steps (b) and (c) for one image."""
    data = await _staged_bytes(services, image.id)
    if data is None:
        return
    known = KnownImage.from_record(image)
    await _put_original(services, known, image.place, data)
    await put_facts(services, known)


async def _is_kept(services: Services, image: ImageRecord) -> bool:
    """Whether its bytes need not be stored. Those of a ready image may be lost: whoever uploads them again brings them back."""
    if image.state != "ready":
        return False
    try:
        if await services.staging.head(image.id):
            await services.store.verify(image.place, size=image.bytes, sha256=image.sha256)
    except (NotStored, DigestConflict):
        log.warning("original_comes_back", place=image.place)
        return False
    except StorageUnavailable:
        log.warning("original_not_looked_for", place=image.place)
    return True


async def _put_original(services: Services, known: KnownImage, place: str, data: bytes) -> None:
    """Put it and prove it. What an earlier put left damaged, or was said to have stored and did not, is put once more."""
    failure: StorageError | None = None
    for again in (False, True):
        try:
            await services.store.put(place, data, sha256=known.sha256, metadata=_metadata(known), replace=again)
            await services.store.verify(place, size=known.bytes, sha256=known.sha256)
        except (DigestConflict, NotStored) as error:
            log.exception("original_not_as_sent", place=place)
            failure = error
        else:
            return
    raise StorageUnavailable("The object store does not keep what it is given.") from failure


async def _staged_bytes(services: Services, image_id: str) -> bytes | None:
    """The bytes to store, or None when another commit has stored them meanwhile; ExpiredImage when they are nowhere."""
    try:
        return await services.staging.read(image_id)
    except NotStored as error:
        if await _is_stored(services, image_id):
            return None
        raise ExpiredImage(f"The upload {image_id} has expired: upload the picture again.", image=image_id) from error


async def _is_stored(services: Services, image_id: str) -> bool:
    record = await services.catalog.image(image_id)
    return record is not None and record.state == "ready"


def _metadata(known: KnownImage) -> dict[str, str]:
    """The facts once more, on the object itself, for stores that keep metadata."""
    return {name: str(value) for name, value in known.facts.to_json().items()}


async def put_facts(services: Services, known: KnownImage) -> None:
    """Write the facts object, in the place of one that says something else."""
    data = known.to_json().encode()
    await services.store.put(facts_key(known.id), data, sha256=sha256_of(data), replace=True)


async def _records(services: Services, image_ids: Sequence[str]) -> list[ImageRecord]:
    known = await services.catalog.images(image_ids)
    return [known[image_id] for image_id in image_ids]
