"""Warm: right after a commit, one decode makes what every page will ask for: the mezzanine, the warm variants, the placeholders."""

from collections.abc import Sequence

import structlog

from services import known
from services.container import Services
from services.deliver import deliver, keep, record
from services.errors import ExpiredImage, UnknownImage
from services.ids import mezzanine_key
from services.makeable import put_once
from services.quarantine import quarantined
from services.resolving import resolve
from services.sources import original_path
from services.values import KnownImage
from transforms.engine.warm import Warmed, warm_up
from transforms.errors import ImageError, ImpossibleOutput, PlanError
from transforms.lanes import Lane
from transforms.plan import Resolved
from transforms.shrink import copy_will_do

log = structlog.get_logger(__name__)


async def warm(services: Services, message_id: str, image_id: str) -> None:
    """Build and record all of it, then strike the message from the outbox. Safe to repeat."""
    # This process may still believe that it is staged, as it was a moment ago.
    services.memory.forget(image_id)
    try:
        image = await known.find(services, image_id)
        if not image.staged:
            await _warm(services, image)
    except (UnknownImage, ExpiredImage):
        log.info("warm_image_gone", image=image_id)
    except ImageError as error:
        # Trying again would end the same way: whoever asks for the variant will be told why.
        log.warning("warm_impossible", image=image_id, reason=str(error))
    await services.catalog.finish(message_id)


async def _warm(services: Services, image: KnownImage) -> None:
    wanted = await _wanted(services, image)
    together = [resolved for resolved in wanted if copy_will_do(resolved.plan, image.facts)]
    async with original_path(services, image) as path, quarantined(services, image.sha256, mezzanine_key(image.id, image.facts)):
        plans = tuple(resolved.plan for resolved in together)
        warmed = await services.pool.run(warm_up, plans, path, image.facts, services.limits, lane=Lane.BACKGROUND)
    await _keep(services, image, together, warmed)
    for resolved in wanted:
        if resolved not in together:
            await _deliver(services, image, resolved)


async def _deliver(services: Services, image: KnownImage, resolved: Resolved) -> None:
    try:
        delivery = await deliver(services, image, resolved, trusted=True)
    except ImpossibleOutput as error:
        log.warning("warm_impossible", image=image.id, plan=str(resolved.plan), reason=str(error))
        return
    # Also what was stored before: the catalog may have been away then.
    await record(services, image, resolved, delivery.variant)


async def _wanted(services: Services, image: KnownImage) -> list[Resolved]:
    """The warm plans on this image, each result once; those that are impossible on it are not built."""
    wanted: dict[str, Resolved] = {}
    for plan in services.warm:
        try:
            resolved = await resolve(services, plan, image, accept=None)
            wanted.setdefault(resolved.digest, resolved)
        except (ImpossibleOutput, PlanError) as error:
            log.warning("warm_impossible", image=image.id, plan=str(plan), reason=str(error))
    return list(wanted.values())


async def _keep(services: Services, image: KnownImage, resolved: Sequence[Resolved], warmed: Warmed) -> None:
    """The mezzanine first: whoever reads of placeholders in the catalog may count on it."""
    if warmed.mezzanine:
        await put_once(services, mezzanine_key(image.id, image.facts), warmed.mezzanine)
    for each, rendition in zip(resolved, warmed.renditions, strict=True):
        if rendition is None:
            log.warning("warm_impossible", image=image.id, plan=str(each.plan))
        else:
            await keep(services, image, each, rendition.data)
    await services.catalog.record_placeholders(image.id, warmed.placeholders)
    services.memory.forget(image.id)
