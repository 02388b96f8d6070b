"""Rebuild: rows for pictures that only the store knows, after the catalog was lost or was restored from an older copy.

The facts beside an original say all that its row said, but who kept it: so every picture, also a remote one, stands by itself from then
on, until it is deleted by its own id. Its variants are in the store still; those that are built after each commit are recorded anew.
Products were in the catalog only: made again, they find their pictures under the same ids.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from pathlib import PurePosixPath

import structlog

from catalog.records import Original
from services.commit import put_facts
from services.container import Services
from services.findings import Finding, Looked, each, pages
from services.ids import facts_key, image_id
from services.orphans import image_of
from services.values import KnownImage
from storage.base import NotStored, StoredObject
from storage.digests import sha256_of
from transforms.engine import probe
from transforms.errors import ImageError

log = structlog.get_logger(__name__)


async def rebuild(services: Services, *, dry_run: bool = False, looked: Looked | None = None) -> AsyncIterator[Finding]:
    """Originals without a row: `unlisted`, mended when they have one now, or `damaged`. Safe to repeat.

    StorageUnavailable, CatalogUnavailable or what the pool raises ends it anywhere.
    """
    looked = looked or Looked()
    async for page in pages(services.store.list("originals/")):
        named = {name: found for found in page if (name := image_of(found.key))}
        rows = await services.catalog.images(named)
        missing = [found for name, found in named.items() if name not in rows]
        for finding in await each(partial(_take_up, services, dry_run=dry_run), missing):
            yield finding
        looked.objects += len(page)
        looked.images += len(named)


async def _take_up(services: Services, found: StoredObject, *, dry_run: bool) -> Finding:
    name = PurePosixPath(found.key).stem
    try:
        known = await _by_facts(services, name) or await _by_bytes(services, found, dry_run=dry_run)
    except ImageError as error:
        log.warning("not_taken_up", image=name, reason=str(error))
        return Finding(kind="unlisted", subject=name, bytes=found.size)
    if known is None or known.place is None:
        return Finding(kind="damaged", subject=name, bytes=found.size)
    original = Original(id=known.id, facts=known.facts, bytes=known.bytes, sha256=known.sha256, place=known.place)
    written = found.modified or datetime.now(UTC)
    taken = not dry_run and await services.catalog.take_up(original, known.focal, written)
    return Finding(kind="unlisted", subject=name, bytes=found.size, mended=taken)


async def _by_facts(services: Services, name: str) -> KnownImage | None:
    """What the facts say, if they are of that image and its original is where they say, as long as they say."""
    try:
        known = KnownImage.from_json((await services.store.get(facts_key(name))).decode())
        there = known.place is not None and (await services.store.head(known.place)).size == known.bytes
    except (NotStored, LookupError, ValueError, TypeError, ArithmeticError, AttributeError):  # whatever damaged JSON leads to
        return None
    return known if there and known.id == name else None


async def _by_bytes(services: Services, found: StoredObject, *, dry_run: bool) -> KnownImage | None:
    """The facts of an original, put beside it; None when the bytes are not those of its name, ImageError when they cannot be read here."""
    async with services.store.local(found.key) as path:
        digest = await asyncio.to_thread(sha256_of, path)
        name = image_id(digest)
        if name != PurePosixPath(found.key).stem:
            return None
        facts = await services.pool.run(probe, path, services.limits)
    known = KnownImage(id=name, facts=facts, bytes=found.size, sha256=digest, place=found.key)
    if not dry_run:
        await put_facts(services, known)
    return known
