"""Warm: build the variants that every page will ask for, right after a commit."""

import structlog

from services import known
from services.container import Services
from services.deliver import deliver, record, resolve
from services.errors import ExpiredImage, UnknownImage
from transforms.errors import ImageError, ImpossibleOutput

log = structlog.get_logger(__name__)


async def warm(services: Services, message_id: str, image_id: str) -> None:
    """Build and record the warm variants of an image, then strike the message from the outbox. Safe to repeat."""
    # This process may still believe that it is staged, as it was a moment ago.
    services.memory.forget(image_id)
    try:
        image = await known.find(services, image_id)
        for plan in services.warm:
            resolved = resolve(services, plan, image, accept=None)
            delivery = await deliver(services, image, resolved)
            if not image.staged:
                # Also what was stored before: the catalog may have been away then.
                await record(services, image, resolved, delivery.variant)
    except (UnknownImage, ExpiredImage):
        log.info("warm_image_gone", image=image_id)
    except (ImageError, ImpossibleOutput) as error:
        # Trying again would end the same way: whoever asks for the variant will be told why.
        log.warning("warm_impossible", image=image_id, reason=str(error))
    await services.catalog.finish(message_id)
