"""Deletion: rows say so first, then the bytes go, then the rows. A deletion that is cut off is finished by the outbox relay."""

from collections.abc import Sequence

import structlog

from catalog.records import ImageRecord
from services.container import Services
from services.ids import facts_key, variants_prefix
from transforms.errors import ProgImageError

log = structlog.get_logger(__name__)


async def delete_product(services: Services, product_id: str) -> list[str]:
    """Delete a product and every image to which nothing refers any more; the ids of those."""
    return await erase_all(services, await services.catalog.delete_product(product_id))


async def delete_image(services: Services, image_id: str) -> list[str]:
    """Delete a stored image; ImageInUse while a product refers to it."""
    return await erase_all(services, [await services.catalog.delete_image(image_id)])


async def erase_all(services: Services, images: Sequence[ImageRecord]) -> list[str]:
    """Erase images that are marked; what cannot be done now is left to the relay, for the rows say so already."""
    for image in images:
        try:
            await erase(services, image.id)
        except ProgImageError as error:
            log.warning("erased_later", image=image.id, reason=str(error))
    return [image.id for image in images]


async def erase(services: Services, image_id: str) -> None:
    """Remove the bytes of an image that the catalog has marked `deleting`, then its rows. Safe to repeat."""
    image = await services.catalog.image(image_id)
    if image is None or image.state != "deleting":
        return
    services.memory.forget(image_id)
    staged = await services.staging.head(image_id)
    if staged and staged.transferred:  # Else it was uploaded anew, and that upload was acknowledged.
        await services.staging.drop(image_id)
    await services.store.delete_prefix(variants_prefix(image_id))
    await services.store.delete(facts_key(image_id))
    await services.store.delete(image.place)
    await services.catalog.erase(image_id)
