"""Warm: build the variants that every page will ask for, right after a commit."""

import structlog

from services import known
from services.container import Services
from services.deliver import deliver, resolve
from services.errors import ExpiredImage, UnknownImage
from transforms.errors import ImageError, ImpossibleOutput

log = structlog.get_logger(__name__)


async def warm(services: Services, message_id: str, image_id: str) -> None:
    """Build and record the warm variants of an image, then strike the message from the outbox. Safe to repeat."""
    try:
        image = await known.find(services, image_id)
        for plan in services.warm:
            await deliver(services, image, resolve(services, plan, image, accept=None))
    except (UnknownImage, ExpiredImage):
        log.info("warm_image_gone", image=image_id)
    except (ImageError, ImpossibleOutput) as error:
        # Trying again would end the same way: whoever asks for the variant will be told why.
        log.warning("warm_impossible", image=image_id, reason=str(error))
    await services.catalog.finish(message_id)
