"""Explain: where a variant would come from, and what it would take to make it. Nothing is rendered, fetched or changed."""

from dataclasses import dataclass

from catalog.records import SourceRecord
from services import known as known_images
from services.container import Services
from services.deliver import check_room, etag, key_of
from services.ids import mezzanine_key
from services.origins.source_url import SourceUrl
from services.quarantine import quarantined
from services.sources import drawable, from_mezzanine
from services.values import KnownImage
from storage.base import NotStored, StorageUnavailable
from transforms.engine.cost import Cost, cost
from transforms.plan import Resolved
from transforms.shrink import mezzanine_size


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A variant in the store: its key, its `bytes` if it is there, and the etag that the catalog knows of it.

    What is made of an upload is never stored: its `key` is None.
    """

    key: str | None
    bytes: int | None
    etag: str | None


@dataclass(frozen=True, kw_only=True)
class Ingredient:
    """Something that a render reads: an upload has no `key` in the store."""

    what: str
    key: str | None
    bytes: int


@dataclass(frozen=True, kw_only=True)
class Making:
    """What a render reads, its own picture first, and what it takes then."""

    reads: tuple[Ingredient, ...]
    cost: Cost


@dataclass(frozen=True, kw_only=True)
class Remembered:
    """What is known of another host's picture."""

    record: SourceRecord
    image: KnownImage


async def remembered(services: Services, source: SourceUrl) -> Remembered | None:
    """What the catalog says; None for what was never fetched."""
    record = await services.catalog.source(str(source))
    return Remembered(record=record, image=await known_images.find(services, record.image_id)) if record else None


async def kept(services: Services, known: KnownImage, resolved: Resolved) -> Kept:
    if known.staged:
        return Kept(key=None, bytes=None, etag=None)
    key = key_of(known, resolved)
    size = await _size(services, key)
    return Kept(key=key, bytes=size, etag=await etag(services, known, resolved) if size is not None else None)


async def check_makeable(services: Services, known: KnownImage, resolved: Resolved, *, trusted: bool) -> None:
    """The errors of `deliver` that are known before anything is read: what is quarantined, and TooManyVariants."""
    if services.variants_per_image and not trusted and not known.staged:
        await check_room(services, known)
    async with quarantined(services, known.sha256, key_of(known, resolved), resolved.plan):
        pass


async def making(services: Services, known: KnownImage, resolved: Resolved) -> Making:
    """UnknownImage for another image that is not stored, ImpossibleOutput, StorageUnavailable when the original is missing."""
    reads, whole = await _own(services, known, resolved), known.facts.size
    if reads.what == "mezzanine":
        whole = mezzanine_size(known.facts) or whole
    others = [await _other(services, image) for image in sorted(resolved.plan.images)]
    return Making(reads=(reads, *others), cost=cost(resolved, known.facts, whole, services.limits))


async def _own(services: Services, known: KnownImage, resolved: Resolved) -> Ingredient:
    if from_mezzanine(known, resolved.plan):
        key = mezzanine_key(known.id, known.facts)
        if (size := await _size(services, key)) is not None:
            return Ingredient(what="mezzanine", key=key, bytes=size)
    return await _original(services, known, "upload" if known.staged else "original")


async def _other(services: Services, image_id: str) -> Ingredient:
    return await _original(services, await drawable(services, image_id), "another image")


async def _original(services: Services, known: KnownImage, what: str) -> Ingredient:
    if known.place is not None and await _size(services, known.place) is None:
        raise StorageUnavailable(f"The original is not at {known.place}.")
    return Ingredient(what=what, key=known.place, bytes=known.bytes)


async def _size(services: Services, key: str) -> int | None:
    try:
        return (await services.store.head(key)).size
    except NotStored:
        return None
