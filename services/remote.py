"""Remote pictures: the image behind a URL, from memory, from the catalog, or fetched now and stored like any other."""

import hashlib
from copy import copy
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import structlog

from catalog.errors import ImageBusy, NotFound
from catalog.records import SourceRecord
from services import known
from services.commit import commit_remote
from services.container import Services
from services.errors import (
    ExpiredImage,
    SourceBusy,
    SourceMissing,
    SourceTooSlow,
    SourceUnavailable,
    UncommittableImage,
    UnknownImage,
)
from services.memory import Sought
from services.once import once
from services.origins.headers import Validators
from services.origins.source_url import SourceUrl
from services.stage import stage
from services.values import KnownImage
from storage.base import NotStored
from transforms.errors import ImageError, ProgImageError

log = structlog.get_logger(__name__)

# Another process may have asked the host again meanwhile.
BELIEVED = timedelta(minutes=1)
REFUSED = timedelta(minutes=1)
# A host in trouble is left alone for so long, and its picture of the last day is shown instead.
LEFT_ALONE = timedelta(seconds=10)
STALE = timedelta(days=1)

TROUBLE = (SourceUnavailable, SourceTooSlow, SourceBusy)
# Deleted by somebody at this moment, or lost by Redis.
VANISHED = (NotFound, ImageBusy, ExpiredImage, UncommittableImage, NotStored)


@dataclass(frozen=True, kw_only=True)
class Remote:
    """The image that a URL stands for, and for how many more seconds that is taken for granted."""

    image: KnownImage
    fresh: int


async def find(services: Services, source: SourceUrl, *, signed: bool) -> Remote:
    """The image. Errors of `Origins.get` and of `stage`, LimitExceeded where an upload would be TooManyBytes, ImageBusy.

    Most errors are given again for a while without asking the host; not for signed URLs because of an unsigned one.
    """
    try:
        return await _find(services, source, signed)
    except (UnknownImage, ExpiredImage):
        # It was deleted since this process looked.
        services.memory.sources.pop((str(source), signed), None)
        return await _find(services, source, signed)


async def _find(services: Services, source: SourceUrl, signed: bool) -> Remote:
    sought = services.memory.sources.get((str(source), signed))
    if sought is None:
        sought, _ = await services.remotes.join(f"{signed:d} {source}", lambda: _seek(services, source, signed))
    if isinstance(sought.outcome, ProgImageError):
        raise copy(sought.outcome)
    left = sought.outcome.fresh_until - datetime.now(UTC)
    return Remote(image=await known.find(services, sought.outcome.image_id), fresh=max(1, int(left.total_seconds())))


async def _seek(services: Services, source: SourceUrl, signed: bool) -> Sought:
    """What is known of the source by now, kept in memory. Errors of our own servers are raised, and not kept."""
    try:
        record = await _fresh(services, source) or await _ask_once(services, source, signed)
        sought = Sought(outcome=record, believed=min(BELIEVED, record.fresh_until - datetime.now(UTC)))
    except (SourceMissing, ImageError) as error:
        sought = Sought(outcome=copy(error), believed=REFUSED)
    except (*TROUBLE, ImageBusy) as error:
        sought = Sought(outcome=copy(error), believed=LEFT_ALONE)
    services.memory.sources[str(source), signed] = sought
    return sought


async def _fresh(services: Services, source: SourceUrl) -> SourceRecord | None:
    record = await services.catalog.source(str(source))
    return record if record and record.fresh_until > datetime.now(UTC) else None


async def _ask_once(services: Services, source: SourceUrl, signed: bool) -> SourceRecord:
    """Of all processes that miss it one asks the host."""
    name = f"source:{signed:d}:{hashlib.sha256(str(source).encode()).hexdigest()}"
    return await once(services, name, lambda: _fresh(services, source), lambda: _ask(services, source, signed))


async def _ask(services: Services, source: SourceUrl, signed: bool) -> SourceRecord:
    """What the host has now, or in trouble what it had."""
    old = await services.catalog.source(str(source))
    try:
        return await _fetch_anew(services, source, signed, old)
    except TROUBLE as error:
        now = datetime.now(UTC)
        if old is None or now - old.checked_at > STALE:
            raise
        log.warning("source_stale", host=source.host, reason=type(error).__name__)
        return replace(old, fresh_until=now + LEFT_ALONE)


async def _fetch_anew(services: Services, source: SourceUrl, signed: bool, old: SourceRecord | None) -> SourceRecord:
    try:
        return await _fetch(services, source, signed, old)
    except VANISHED:
        log.info("source_vanished", host=source.host)
    try:
        return await _fetch(services, source, signed, None)
    except VANISHED as error:
        raise ImageBusy("The picture went while it was stored: try again.") from error


async def _fetch(services: Services, source: SourceUrl, signed: bool, old: SourceRecord | None) -> SourceRecord:
    """Ask the host, store what is new, and remember what it said."""
    validators = Validators(etag=old.etag, last_modified=old.last_modified) if old else None
    image_id = old.image_id if old else ""
    async with services.origins.get(source, signed=signed, known=validators) as fetched:
        staged = (await stage(services, fetched.chunks)).staged if fetched.chunks else None
    if staged:
        image_id = staged.image_id
        await commit_remote(services, image_id)
    now = datetime.now(UTC)
    record = SourceRecord(
        url=str(source),
        image_id=image_id,
        etag=fetched.validators.etag,
        last_modified=fetched.validators.last_modified,
        fresh_until=now + timedelta(seconds=fetched.max_age),
        checked_at=now,
    )
    await services.catalog.remember_source(record)
    return record
