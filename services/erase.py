"""Deletion: rows say so first, then the edges are told, then the bytes go, then the rows.

From the first step on the app shows the image to nobody. A deletion that is cut off is finished by the outbox relay; an edge that is away
keeps the message in the outbox, but neither the bytes nor the rows: the picture can be uploaded again.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog

from catalog.records import ImageRecord
from services.container import Services
from services.ids import facts_key, variants_prefix
from storage.base import NotStored
from transforms.errors import ProgImageError

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Erasure:
    """What became of a deleted image: how many objects were removed, and which edges, by URL, have confirmed that they forget it.

    What is not `done` is left to the relay.
    """

    image_id: str
    objects: int
    edges: Mapping[str, bool]
    done: bool


async def delete_product(services: Services, product_id: str) -> list[Erasure]:
    """Delete a product and every image to which nothing refers any more."""
    return await erase_all(services, await services.catalog.delete_product(product_id))


async def delete_image(services: Services, image_id: str) -> list[Erasure]:
    """Delete a stored image; ImageInUse while a product refers to it."""
    return await erase_all(services, [await services.catalog.delete_image(image_id)])


async def erase_all(services: Services, images: Sequence[ImageRecord]) -> list[Erasure]:
    """Erase images that are marked; what cannot be done now is left to the relay, for the rows say so already."""
    for image in images:
        services.memory.forget(image.id)
    # All of them at once and before anything slow: from then on the edges ask the app.
    confirmed = await asyncio.gather(*(services.edges.forget(image.id) for image in images))
    return [await _erased(services, image.id, edges) for image, edges in zip(images, confirmed, strict=True)]


async def erase(services: Services, image_id: str) -> Erasure:
    """The same for one image, which may be gone already or be there anew. Safe to repeat."""
    return await _erased(services, image_id, await services.edges.forget(image_id))


async def _erased(services: Services, image_id: str, edges: Mapping[str, bool]) -> Erasure:
    told = all(edges.values())
    try:
        objects = await _remove(services, image_id, told=told)
    except ProgImageError as error:
        log.warning("erased_later", image=image_id, reason=str(error))
        return Erasure(image_id=image_id, objects=0, edges=edges, done=False)
    return Erasure(image_id=image_id, objects=objects, edges=edges, done=told)


async def _remove(services: Services, image_id: str, *, told: bool) -> int:
    """Remove the bytes of an image that the catalog has marked `deleting`, then its rows; how many objects there were."""
    image = await services.catalog.image(image_id)
    if image is None or image.state != "deleting":
        return 0
    services.memory.forget(image_id)
    staged = await services.staging.head(image_id)
    if staged and staged.transferred:  # Else it was uploaded anew, and that upload was acknowledged.
        await services.staging.drop(image_id)
    objects = await services.store.delete_prefix(variants_prefix(image_id))
    for key in (facts_key(image_id), image.place):
        with suppress(NotStored):
            await services.store.head(key)
            objects += 1
        await services.store.delete(key)
    await services.catalog.erase(image_id, told=told)
    return objects
