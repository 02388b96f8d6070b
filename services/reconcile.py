"""Reconcile: look whether the catalog and the store say the same, and mend what can be mended.

Every step may run twice, also at the same time. Nothing is deleted that is younger than a day or was not looked at twice; an original that
has a row never, nor one that somebody may have been told is stored.
"""

import asyncio
from collections.abc import AsyncIterator, Collection
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from uuid import uuid4

from catalog.records import ImageRecord, Kind
from services import findings, relay
from services.container import Services
from services.erase import erase_all
from services.findings import Finding, Looked, each
from services.focal import tell_store
from services.ids import facts_key
from services.orphans import find_orphans
from services.values import KnownImage
from storage.base import NotStored, ObjectStore
from storage.digests import CHECKS, sha256_of

MESSAGES: tuple[Kind, ...] = ("commit", "erase", "warm")
# Between two looks at what seems to be missing, in seconds.
LOOK_AGAIN = 1.0


async def reconcile(services: Services, *, dry_run: bool = False, looked: Looked | None = None) -> AsyncIterator[Finding]:
    """What is found, as it is found; with `dry_run` nothing of it is mended. StorageUnavailable or CatalogUnavailable ends it anywhere."""
    looked = looked or Looked()
    before = await _now(services.store) - findings.YOUNG
    for finding in await _cut_off(services, dry_run=dry_run):
        yield finding
    async for finding in _rows(services, before, looked, dry_run=dry_run):
        yield finding
    async for finding in find_orphans(services, before, looked, dry_run=dry_run):
        yield finding


async def _now(store: ObjectStore) -> datetime:
    """The time by the store's clock, which dates the objects, or by ours where that is behind: nothing must look older than it is."""
    key, data = f"{CHECKS}{uuid4().hex}.txt", b"what time is it?"
    await store.put(key, data, sha256=sha256_of(data), durable=False)
    try:
        now, written = datetime.now(UTC), (await store.head(key)).modified
        return min(now, written or now)
    finally:
        await store.delete(key)


async def _cut_off(services: Services, *, dry_run: bool) -> list[Finding]:
    """Commits and erasures that nobody has finished, messages that no queue has taken."""

    async def still_open() -> dict[str, str]:
        messages = await services.catalog.open_messages(MESSAGES, limit=relay.AT_ONCE, older_than=relay.GRACE)
        return {message.id: f"{message.kind} {message.subject}".strip() for message in messages}

    before = await still_open()
    if before and not dry_run:
        await relay.relay(services)
    after = before if dry_run else await still_open()
    return [Finding(kind="cut-off", subject=before[message], mended=message not in after) for message in before]


async def _rows(services: Services, before: datetime, looked: Looked, *, dry_run: bool) -> AsyncIterator[Finding]:
    """All ready images, in the order of their ids."""
    last = ""
    while page := await services.catalog.images_after(last, limit=findings.PAGE):
        last = page[-1].id
        for finding in await _unreferenced(services, page, before, dry_run=dry_run):
            yield finding
        for finding in await _untrue(services, page, dry_run=dry_run):
            yield finding
        looked.images += len(page)


async def _unreferenced(services: Services, page: Collection[ImageRecord], before: datetime, *, dry_run: bool) -> list[Finding]:
    """What a change of a product stored, and was cut off before the product showed it."""
    sizes = {image.id: image.bytes for image in page if not image.standalone}
    loose = await services.catalog.unreferenced(sizes, before)
    if loose and not dry_run:
        released = await services.catalog.release_unreferenced(loose, before)
        await erase_all(services, released)
        loose = {image.id for image in released}
    return [Finding(kind="unreferenced", subject=image_id, bytes=sizes[image_id], mended=not dry_run) for image_id in sorted(loose)]


async def _untrue(services: Services, page: Collection[ImageRecord], *, dry_run: bool) -> list[Finding]:
    """What the store does not hold as the catalog says, at two looks."""
    look = partial(_look, services)
    suspects = [finding.subject for finding in await each(look, page) if finding]
    if not suspects:
        return []
    await asyncio.sleep(LOOK_AGAIN)
    again = [image for image in (await services.catalog.images(suspects)).values() if image.state == "ready"]
    return await each(partial(_mended, services, dry_run=dry_run), [finding for finding in await each(look, again) if finding])


async def _look(services: Services, image: ImageRecord) -> Finding | None:
    try:
        size = (await services.store.head(image.place)).size
    except NotStored:
        return Finding(kind="missing", subject=image.id, bytes=image.bytes)
    if size != image.bytes:
        return Finding(kind="damaged", subject=image.id, bytes=size)
    facts = KnownImage.from_record(image).to_json().encode()
    try:
        true = await services.store.get(facts_key(image.id)) == facts
    except NotStored:
        true = False
    return None if true else Finding(kind="facts", subject=image.id, bytes=len(facts))


async def _mended(services: Services, finding: Finding, *, dry_run: bool) -> Finding:
    """Of what is lost only a new upload brings the bytes back: see commit.carry_out."""
    image = None if finding.lost or dry_run else await services.catalog.image(finding.subject)
    if image is None or image.state != "ready":
        return finding
    async with services.facts:
        await tell_store(services, image)
    return replace(finding, mended=True)
