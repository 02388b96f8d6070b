"""Deliver: the bytes of a variant, from memory, from the store or by building it now."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import perf_counter

import structlog

from catalog.errors import CatalogUnavailable
from catalog.records import VariantRecord
from services.container import Services
from services.errors import TooManyVariants
from services.ids import variant_key
from services.makeable import whole
from services.once import once
from services.quarantine import quarantined
from services.sources import source_of
from services.values import Built, KnownImage, Timings, Variant
from storage.base import DigestConflict
from transforms.engine import execute
from transforms.plan import Resolved

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A variant, and how it was got: `hit` (memory or store), `miss` (built for this caller) or `coalesced` (for another, anywhere).

    `timings` are the stages that it took for this caller, in seconds.
    """

    variant: Variant
    how: str
    timings: Timings = ()


def key_of(known: KnownImage, resolved: Resolved) -> str:
    """The key in the store. What is made of a staged image has another one, which is used in memory only: it was never stored."""
    key = variant_key(known.id, resolved.digest, resolved.plan.format)
    return f"staged/{key}" if known.staged else key


async def etag(services: Services, known: KnownImage, resolved: Resolved) -> str | None:
    """The etag of a variant when it can be known without its bytes."""
    if (variant := services.memory.variants.get(key_of(known, resolved))) is not None:
        return variant.etag
    try:
        row = await services.catalog.variant(known.id, str(resolved.plan), resolved.plan.format)
    except CatalogUnavailable:
        return None
    return row.etag if row else None


async def deliver(services: Services, known: KnownImage, resolved: Resolved, *, trusted: bool = False) -> Delivery:
    """The variant. Errors: ImageError, RenderUnavailable, and StorageUnavailable when its original cannot be read.

    TooManyVariants when it would be a new one, its image has as many as it may have, and the caller is not `trusted` to have more made.
    """
    key = key_of(known, resolved)
    if (variant := services.memory.variants.get(key)) is not None:
        return Delivery(variant=variant, how="hit")
    began, limited = perf_counter(), bool(services.variants_per_image) and not trusted and not known.staged
    # Two flights: those who may have it made do not share the refusal of those who may not.
    flight = f"{key} limited" if limited else key
    built, leads = await services.flights.join(flight, lambda: _fetch_or_build(services, known, resolved, key, limited))
    if leads or built.how == "hit":
        return Delivery(variant=built.variant, how=built.how, timings=built.timings)
    return Delivery(variant=built.variant, how="coalesced", timings=(("wait", perf_counter() - began),))


async def _fetch_or_build(services: Services, known: KnownImage, resolved: Resolved, key: str, limited: bool) -> Built:
    began = perf_counter()

    async def look() -> Built | None:
        variant = await _stored(services, resolved, key)
        return Built(variant=variant, how="coalesced", timings=(("wait", perf_counter() - began),)) if variant else None

    async def make() -> Built:
        async with _room(services, known, limited):
            return await _build(services, known, resolved, key, began)

    if not known.staged and (variant := await _stored(services, resolved, key)):
        built = Built(variant=variant, how="hit")
    else:
        # Whoever is turned away learns it before a lease is taken or an original fetched.
        with services.pool.promise():
            built = await (make() if known.staged else once(services, key, look, make))
    services.memory.remember(key, built.variant)
    return built


@asynccontextmanager
async def _room(services: Services, known: KnownImage, limited: bool) -> AsyncIterator[None]:
    """TooManyVariants; else a place among the variants of the image, until the catalog counts it. Other processes do not see it before."""
    if limited:
        await check_room(services, known)
    services.building[known.id] += limited
    try:
        yield
    finally:
        services.building[known.id] -= limited
        if not services.building[known.id]:
            del services.building[known.id]


async def check_room(services: Services, known: KnownImage) -> None:
    """TooManyVariants."""
    begun = services.building[known.id]
    counted = await services.catalog.count_variants(known.id)
    # What was under way before may be recorded since, and what began since is not.
    if counted + max(begun, services.building[known.id]) >= services.variants_per_image:
        raise TooManyVariants(
            "This image has as many variants as it may have: ask for one that it has, or sign the URL.", maximum=services.variants_per_image
        )


async def _stored(services: Services, resolved: Resolved, key: str) -> Variant | None:
    data = await whole(services, key)
    return None if data is None else _variant(data, resolved)


def _variant(data: bytes, resolved: Resolved) -> Variant:
    return Variant(data=data, size=resolved.size, format=resolved.plan.format, sha256=hashlib.sha256(data).hexdigest())


async def _build(services: Services, known: KnownImage, resolved: Resolved, key: str, asked: float) -> Built:
    """`asked` is when it was looked for: until now it was not clear that it must be built."""
    began = perf_counter()
    async with source_of(services, known, resolved.plan) as source:
        fetched = perf_counter()
        async with quarantined(services, known.sha256, key, resolved.plan):
            rendition, took = await services.pool.timed(execute, resolved.plan, source.path, source.facts, services.limits, source.images)
    rendered = perf_counter()
    variant = _variant(rendition.data, resolved) if known.staged else await keep(services, known, resolved, rendition.data, quick=True)
    timings = (("cache", began - asked), ("fetch", fetched - began), *took.items(), ("store", perf_counter() - rendered))
    return Built(variant=variant, how="miss", timings=timings)


async def keep(services: Services, known: KnownImage, resolved: Resolved, data: bytes, *, quick: bool = False) -> Variant:
    """Store a new variant and record it, when it is to be `quick` only if the catalog is. Whoever comes second takes what is stored."""
    key, variant = key_of(known, resolved), _variant(data, resolved)
    try:
        await services.store.put(key, variant.data, sha256=variant.sha256, durable=False)
    except DigestConflict:
        variant = _variant(await services.store.get(key), resolved)
    try:
        await record(services, known, resolved, variant, quick=quick)
    except CatalogUnavailable as error:
        log.warning("variant_not_recorded", key=key, reason=str(error))
    return variant


async def record(services: Services, known: KnownImage, resolved: Resolved, variant: Variant, *, quick: bool = False) -> None:
    """Tell the catalog of a stored variant; it may know already."""
    size, etag, plan = variant.size, variant.etag, str(resolved.plan)
    await services.catalog.record_variant(
        VariantRecord(image_id=known.id, plan=plan, format=variant.format, size=size, bytes=len(variant.data), etag=etag), quick=quick
    )
