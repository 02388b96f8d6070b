"""Objects that no row knows, and which of them may go.

An original with facts beside it went through all steps of a commit before the last: somebody may have been told that it is stored, and
the catalog may have lost it. It is reported, never deleted. One without facts was cut off before that, and objects without an
original were left by a deletion: they go the way of every deleted image, behind a row that keeps others away meanwhile.
"""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath

from services.container import Services
from services.erase import erase_all
from services.findings import Finding, Looked, pages
from services.ids import facts_key, is_image_id, variants_prefix
from storage.base import NotStored, StoredObject
from storage.digests import CHECKS

PREFIXES = ("originals/", "facts/", "variants/")
# The rest is found the next time: memory is bounded.
MOST = 10_000


@dataclass(kw_only=True)
class Unknown:
    """The originals of images without a row, by their ids; and how many originals of the store have one, and have none."""

    originals: dict[str, list[str]] = field(default_factory=dict)
    listed: Counter[bool] = field(default_factory=Counter)

    @property
    def catalog_is_lost(self) -> bool:
        """It knows less than half of the store: then nothing is an orphan, and the catalog is to be rebuilt."""
        return self.listed[False] > self.listed[True]


async def find_orphans(services: Services, before: datetime, looked: Looked, *, dry_run: bool) -> AsyncIterator[Finding]:
    """What is found twice. It is deleted, unless it may be somebody's picture, or some of it was written since `before`."""
    unknown = await _first_look(services, looked)
    for image_id, originals in unknown.originals.items():
        objects = await _second_look(services, image_id, originals)
        size = sum(found.size for found in objects)
        if _whole(image_id, objects):
            yield Finding(kind="unlisted", subject=image_id, bytes=size)
        elif objects and all(found.modified is not None and found.modified < before for found in objects):
            gone = not (dry_run or unknown.catalog_is_lost) and await _erase(services, image_id, objects)
            yield Finding(kind="orphan", subject=image_id, bytes=size, mended=gone)
    async for found in services.store.list(CHECKS):
        if found.modified is not None and found.modified < before:
            if not dry_run:
                await services.store.delete(found.key)
            yield Finding(kind="leftover", subject=found.key, bytes=found.size, mended=not dry_run)


async def _first_look(services: Services, looked: Looked) -> Unknown:
    unknown = Unknown()
    for prefix in PREFIXES:
        async for page in pages(services.store.list(prefix)):
            looked.objects += len(page)
            await _sort_out(services, page, unknown)
    return unknown


async def _sort_out(services: Services, page: list[StoredObject], unknown: Unknown) -> None:
    ids = {found.key: image_id for found in page if (image_id := image_of(found.key))}
    rows = await services.catalog.images(set(ids.values()))
    for key, image_id in ids.items():
        if _is_original(key):
            unknown.listed[image_id in rows] += 1
        if image_id not in rows and (image_id in unknown.originals or len(unknown.originals) < MOST):
            originals = unknown.originals.setdefault(image_id, [])
            originals += [key] * _is_original(key)


def image_of(key: str) -> str | None:
    """The image that an object belongs to; None for what is not of our making."""
    parts = PurePosixPath(key).parts
    name = parts[1] if parts[0] == "variants" else PurePosixPath(key).stem
    return name if is_image_id(name) else None


def _is_original(key: str) -> bool:
    return key.startswith("originals/")


def _whole(image_id: str, objects: list[StoredObject]) -> bool:
    keys = {found.key for found in objects}
    return facts_key(image_id) in keys and any(map(_is_original, keys))


async def _second_look(services: Services, image_id: str, originals: list[str]) -> list[StoredObject]:
    """All objects of an image that has no row still."""
    objects = [found async for found in services.store.list(variants_prefix(image_id))]
    for key in (facts_key(image_id), *originals):
        try:
            objects.append(await services.store.head(key))
        except NotStored:
            continue
    # Asked last: whatever lies there has had a row since before it was put there, or has none.
    return [] if await services.catalog.image(image_id) else objects


async def _erase(services: Services, image_id: str, objects: list[StoredObject]) -> bool:
    """Whether it goes: not when it has a row by now."""
    place = next((found.key for found in objects if _is_original(found.key)), facts_key(image_id))
    condemned = await services.catalog.condemn_unknown(image_id, place)
    return bool(condemned and await erase_all(services, [condemned]))
