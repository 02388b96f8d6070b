"""Deliver: the bytes of a variant, from memory, from the store or by building it now."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from time import perf_counter

import anyio
import structlog

from catalog.errors import CatalogUnavailable
from catalog.records import VariantRecord
from services.container import Services
from services.ids import variant_key
from services.scratch import scratch_file
from services.stage import missing
from services.values import Built, KnownImage, Timings, Variant
from storage.base import DigestConflict, NotStored, StorageUnavailable
from transforms.engine import execute
from transforms.formats import FORMATS, negotiate
from transforms.limits import Limits
from transforms.plan import Plan, Resolved
from transforms.values import Facts

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A variant, and how it was got: `hit` (memory or store), `miss` (built for this caller) or `coalesced` (for another).

    `timings` are the stages that it took for this caller, in seconds.
    """

    variant: Variant
    how: str
    timings: Timings = ()


def resolve(services: Services, plan: Plan, known: KnownImage, accept: str | None) -> Resolved:
    """What the plan comes down to for this image and caller; ImpossibleOutput over the limits on results."""
    facts = known.facts
    name = negotiate(accept, alpha=facts.alpha, animated=facts.animated, order=services.auto_order) if plan.auto else plan.format
    return _within(services.limits, plan, facts, name)


# This arithmetic costs more than all the rest of a hit in memory, and the same few plans are asked for again and again.
@lru_cache(maxsize=8192)
def _within(limits: Limits, plan: Plan, facts: Facts, name: str) -> Resolved:
    resolved, output = plan.resolve(facts, name), FORMATS[name]
    # What is enlarged may be cut out of something much larger than the result.
    largest = resolved.peak if resolved.enlarged else resolved.size
    limits.check_output(largest, output, enlarged=resolved.enlarged, frames=facts.frames if output.animation else 1)
    return resolved


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


async def deliver(services: Services, known: KnownImage, resolved: Resolved) -> Delivery:
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
    async with original_path(services, known) as path:
        fetched = perf_counter()
        rendition = await services.pool.run(execute, resolved.plan, path, known.facts, services.limits)
    rendered = perf_counter()
    variant = _variant(rendition.data, resolved)
    if not known.staged:
        variant = await _keep(services, known, resolved, key, variant)
    timings = (("fetch", fetched - began), ("render", rendered - fetched), ("store", perf_counter() - rendered))
    return Built(variant=variant, timings=timings)


async def _keep(services: Services, known: KnownImage, resolved: Resolved, key: str, variant: Variant) -> Variant:
    """Store and record a new variant. Whoever comes second takes what the first one stored."""
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


@asynccontextmanager
async def original_path(services: Services, known: KnownImage) -> AsyncIterator[Path]:
    """A file with the original: for a decoder, or to be sent to somebody who reads slowly."""
    if known.place is not None:
        async with _promised(services, known), services.store.local(known.place) as path:
            yield path
        return
    async with _promised(services, known):
        data = await services.staging.read(known.id)
    with scratch_file() as file:
        await anyio.to_thread.run_sync(file.write, data)
        file.flush()
        yield Path(file.name)


@asynccontextmanager
async def _promised(services: Services, known: KnownImage) -> AsyncIterator[None]:
    """An upload may be over by now. A stored original that is not there is a failure of ours: 503, never 404."""
    try:
        yield
    except NotStored as error:
        if known.staged:
            raise await missing(services, known.id) from error
        log.exception("original_missing", place=known.place)
        raise StorageUnavailable("The original cannot be read at the moment.") from error
