"""What is known of an image before any of its bytes is read: memory, then SQL, then staging, then the facts object in the store."""

from catalog.errors import CatalogUnavailable
from services.container import Services
from services.ids import facts_key
from services.stage import missing
from services.values import KnownImage
from storage.base import NotStored


async def find(services: Services, image_id: str) -> KnownImage:
    """The image, committed or staged; UnknownImage or ExpiredImage when there is none."""
    memory = services.memory
    known = memory.known.get(image_id)
    if known is None:
        # One look-up for all who wait: a busy image would else be asked for by everybody each time its second is over.
        # What it finds may be of before something was forgotten: those who come after that do not hear of it.
        began = memory.forgotten
        known, _ = await services.lookups.join(f"{image_id} {began}", lambda: _look_up(services, image_id))
        if memory.forgotten == began:
            memory.known[image_id] = known
    return known


async def _look_up(services: Services, image_id: str) -> KnownImage:
    try:
        record = await services.catalog.image(image_id, quick=True)
    except CatalogUnavailable:
        if (known := await _from_store(services, image_id)) is not None:
            return known
        # Of what is not there only the catalog knows, and it may be slow and no more.
        record = await services.catalog.image(image_id)
    if record and record.state == "ready":
        return KnownImage.from_record(record)
    being_deleted = record is not None and record.state == "deleting"
    staged = None if being_deleted else await services.staging.head(image_id)
    if staged is None:
        raise await missing(services, image_id)
    return KnownImage.from_staged(staged)


async def _from_store(services: Services, image_id: str) -> KnownImage | None:
    """Stored pictures are served with SQL down; that an object is missing proves nothing then."""
    try:
        return KnownImage.from_json((await services.store.get(facts_key(image_id))).decode())
    except NotStored:
        return None
