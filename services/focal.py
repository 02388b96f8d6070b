"""The focal point of a stored picture: what crops by `g_focal` keep."""

from catalog.records import ImageRecord
from services.commit import put_facts
from services.container import Services
from services.ids import facts_key
from services.values import KnownImage
from transforms.operations.gravity import Point


async def set_focal(services: Services, image_id: str, point: Point | None) -> ImageRecord:
    """The image with this point, or without one; NotFound. Safe to repeat when the store failed after the catalog knew."""
    image = await services.catalog.set_focal(image_id, point)
    services.memory.forget(image_id)
    async with services.facts:
        await tell_store(services, image)
    return image


async def tell_store(services: Services, image: ImageRecord) -> None:
    """Facts that say what the catalog says: crops are to stay the same with SQL down.

    Whoever wrote facts looks again afterwards: so what is true stays in the end, whichever process wrote last.
    """
    await put_facts(services, KnownImage.from_record(image))
    latest = await services.catalog.image(image.id)
    if latest is None or latest.state == "deleting":
        await services.store.delete(facts_key(image.id))
    elif latest.focal != image.focal:
        await tell_store(services, latest)
