"""Deliver: the bytes of a variant, from memory, from the store or by building it now."""

import hashlib
from dataclasses import dataclass
from time import perf_counter

import structlog

from catalog.errors import CatalogUnavailable
from catalog.records import VariantRecord
from services.container import Services
from services.ids import variant_key
from services.quarantine import quarantined
from services.sources import source_of
from services.values import Built, KnownImage, Timings, Variant
from storage.base import DigestConflict, NotStored
from transforms.engine import execute
from transforms.plan import Resolved

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A variant, and how it was got: `hit` (memory or store), `miss` (built for this caller) or `coalesced` (for another).

    `timings` are the stages that it took for this caller, in seconds.
    """

    variant: Variant
    how: str
    timings: Timings = ()


def _key_of(known: KnownImage, resolved: Resolved) -> str:
    """The key in the store. What is made of a staged image has another one, which is used in memory only: it was never stored."""
    key = variant_key(known.id, resolved.digest, resolved.plan.format)
    return f"staged/{key}" if known.staged else key


async def etag(services: Services, known: KnownImage, resolved: Resolved) -> str | None:
    """The etag of a variant when it can be known without its bytes."""
    if (variant := services.memory.variants.get(_key_of(known, resolved))) is not None:
        return variant.etag
    try:
        row = await services.catalog.variant(known.id, str(resolved.plan), resolved.plan.format)
    except CatalogUnavailable:
        return None
    return row.etag if row else None


async def deliver(services: Services, known: KnownImage, resolved: Resolved, *, trusted: bool = False) -> Delivery:
    """The variant. Errors: ImageError, RenderUnavailable, and StorageUnavailable when its original cannot be read."""
    key = _key_of(known, resolved)
    if (variant := services.memory.variants.get(key)) is not None:
        return Delivery(variant=variant, how="hit")
    built, leads = await services.flights.join(key, lambda: _fetch_or_build(services, known, resolved, key))
    how = "hit" if not built.timings else "miss" if leads else "coalesced"
    return Delivery(variant=built.variant, how=how, timings=built.timings)


async def _fetch_or_build(services: Services, known: KnownImage, resolved: Resolved, key: str) -> Built:
    stored = None if known.staged else await _stored(services, resolved, key)
    built = Built(variant=stored) if stored else await _build(services, known, resolved, key)
    services.memory.remember(key, built.variant)
    return built


async def _stored(services: Services, resolved: Resolved, key: str) -> Variant | None:
    try:
        return _variant(await services.store.get(key), resolved)
    except NotStored:
        return None


def _variant(data: bytes, resolved: Resolved) -> Variant:
    return Variant(data=data, size=resolved.size, format=resolved.plan.format, sha256=hashlib.sha256(data).hexdigest())


async def _build(services: Services, known: KnownImage, resolved: Resolved, key: str) -> Built:
    began = perf_counter()
    async with source_of(services, known, resolved.plan) as source:
        fetched = perf_counter()
        async with quarantined(services, known.sha256, key, resolved.plan):
            rendition = await services.pool.run(execute, resolved.plan, source.path, source.facts, services.limits, source.images)
    rendered = perf_counter()
    variant = _variant(rendition.data, resolved) if known.staged else await keep(services, known, resolved, rendition.data)
    timings = (("fetch", fetched - began), ("render", rendered - fetched), ("store", perf_counter() - rendered))
    return Built(variant=variant, timings=timings)


async def keep(services: Services, known: KnownImage, resolved: Resolved, data: bytes) -> Variant:
    """Store and record a new variant. Whoever comes second takes what the first one stored."""
    key, variant = _key_of(known, resolved), _variant(data, resolved)
    try:
        await services.store.put(key, variant.data, sha256=variant.sha256, durable=False)
    except DigestConflict:
        variant = _variant(await services.store.get(key), resolved)
    try:
        await record(services, known, resolved, variant)
    except CatalogUnavailable as error:
        log.warning("variant_not_recorded", key=key, reason=str(error))
    return variant


async def record(services: Services, known: KnownImage, resolved: Resolved, variant: Variant) -> None:
    """Tell the catalog of a stored variant; it may know already."""
    size, etag, plan = variant.size, variant.etag, str(resolved.plan)
    await services.catalog.record_variant(
        VariantRecord(image_id=known.id, plan=plan, format=variant.format, size=size, bytes=len(variant.data), etag=etag)
    )
