"""The focal point of a stored picture: what crops by `g_focal` keep."""

from catalog.records import ImageRecord
from services.commit import put_facts
from services.container import Services
from services.ids import facts_key
from services.values import KnownImage
from transforms.operations.gravity import Point


async def set_focal(services: Services, image_id: str, point: Point | None) -> ImageRecord:
    """The image with the point that it has now; NotFound. Safe to repeat when the store failed after the catalog knew."""
    image = await services.catalog.set_focal(image_id, point)
    services.memory.forget(image_id)
    await _tell_store(services, image)
    return image


async def _tell_store(services: Services, image: ImageRecord) -> None:
    """Facts that say what the catalog says, so that crops stay the same with SQL down; also when others change the image meanwhile."""
    await put_facts(services, KnownImage.from_record(image))
    latest = await services.catalog.image(image.id)
    if latest is None or latest.state == "deleting":
        await services.store.delete(facts_key(image.id))
    elif latest.focal != image.focal:
        await _tell_store(services, latest)
