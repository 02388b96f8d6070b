"""Files for decoders: originals from the store or from staging, mezzanines, and the other pictures that a plan draws on."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio
import structlog

from services import known as known_images
from services.container import Services
from services.errors import UnknownImage
from services.ids import mezzanine_key
from services.makeable import unless_damaged
from services.scratch import scratch_file
from services.stage import missing
from services.values import KnownImage
from storage.base import DigestConflict, NotStored, StorageUnavailable
from transforms.plan import Plan
from transforms.shrink import mezzanine_format, mezzanine_will_do
from transforms.values import Facts

log = structlog.get_logger(__name__)

# Seconds before each look for a stored original: what was written a moment ago may not be seen everywhere yet.
TRIES_AFTER = (0, 0.05, 0.1, 0.2)


@dataclass(frozen=True, kw_only=True)
class Source:
    """What a plan is made from: a file, what is known of the picture in it, and the files of the other images, by id."""

    path: Path
    facts: Facts
    images: Mapping[str, Path] = field(default_factory=dict)


@asynccontextmanager
async def source_of(services: Services, known: KnownImage, plan: Plan) -> AsyncIterator[Source]:
    """The mezzanine where it is there and will do, else the original. UnknownImage when the plan draws on an image that is not stored."""
    async with AsyncExitStack() as stack:
        images = await stack.enter_async_context(other_images(services, plan))
        source = await _mezzanine(services, known, plan, stack)
        if source is None:
            path = await stack.enter_async_context(original_path(services, known))
            source = Source(path=path, facts=known.facts)
        yield replace(source, images=images)


async def _mezzanine(services: Services, known: KnownImage, plan: Plan, stack: AsyncExitStack) -> Source | None:
    if not from_mezzanine(known, plan):
        return None
    key = mezzanine_key(known.id, known.facts)
    try:
        async with unless_damaged(services, key):
            path = await stack.enter_async_context(services.store.local(key))
    except NotStored:
        return None
    return Source(path=path, facts=replace(known.facts, format=mezzanine_format(known.facts), orientation=1))


def from_mezzanine(known: KnownImage, plan: Plan) -> bool:
    """Whether a resolved plan is made from the mezzanine, if that is where it should be."""
    return known.warmed and mezzanine_will_do(plan, known.facts)


@asynccontextmanager
async def other_images(services: Services, plan: Plan) -> AsyncIterator[Mapping[str, Path]]:
    """The files of the stored images that a plan draws on, by id; UnknownImage when one is not stored."""
    async with AsyncExitStack() as stack:
        yield {image: await stack.enter_async_context(_other(services, image)) for image in sorted(plan.images)}


@asynccontextmanager
async def _other(services: Services, image_id: str) -> AsyncIterator[Path]:
    async with original_path(services, await drawable(services, image_id)) as path:
        yield path


async def drawable(services: Services, image_id: str) -> KnownImage:
    """The image if it is stored, or UnknownImage: what is drawn from one that may vanish would be wrong for a year."""
    found = await known_images.find(services, image_id)
    if found.staged:
        raise UnknownImage(f"There is no stored image {image_id}: commit it before others are drawn with it.", image=image_id)
    return found


@asynccontextmanager
async def original_path(services: Services, known: KnownImage) -> AsyncIterator[Path]:
    """A file with the original: for a decoder, or to be sent to somebody who reads slowly."""
    if known.place is not None:
        async with AsyncExitStack() as stack:
            yield await _stored_path(services, known, known.place, stack)
        return
    try:
        data = await services.staging.read(known.id)
    except NotStored as error:
        raise await missing(services, known.id) from error
    with scratch_file() as file:
        await anyio.to_thread.run_sync(file.write, data)
        file.flush()
        yield Path(file.name)


async def _stored_path(services: Services, known: KnownImage, place: str, stack: AsyncExitStack) -> Path:
    """A file whose bytes are those that the catalog knows. That there is none, or another, is a failure of ours: 503, never 404."""
    try:
        for pause in TRIES_AFTER:
            await asyncio.sleep(pause)
            with suppress(NotStored):
                return await stack.enter_async_context(services.store.local(place, sha256=known.sha256))
        await _check_there(services, known)
        log.error("original_missing", place=place)
    except DigestConflict:
        log.exception("original_damaged", place=place)
    raise StorageUnavailable("The original cannot be read at the moment.")


async def _check_there(services: Services, known: KnownImage) -> None:
    """UnknownImage when it has been deleted since it was looked up."""
    services.memory.forget(known.id)
    await known_images.find(services, known.id)
