"""Objects in the store that can be made again: whoever comes first writes them, nobody waits for the disk, and damaged ones go."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import structlog

from services.container import Services
from storage.base import DigestConflict, NotStored
from storage.digests import sha256_of

log = structlog.get_logger(__name__)


async def put_once(services: Services, key: str, data: bytes) -> None:
    """Store the bytes unless something is there already: two processes may make the same thing at once."""
    with suppress(DigestConflict):
        await services.store.put(key, data, sha256=sha256_of(data), durable=False)


async def whole(services: Services, key: str) -> bytes | None:
    """What is stored there and whole, or None."""
    try:
        async with unless_damaged(services, key):
            return await services.store.get(key)
    except NotStored:
        return None


@asynccontextmanager
async def unless_damaged(services: Services, key: str) -> AsyncIterator[None]:
    """Around reading the object: when it is damaged it is deleted, and NotStored then."""
    try:
        yield
    except DigestConflict as error:
        log.exception("object_damaged", key=key)
        await services.store.delete(key)
        raise NotStored("It was damaged, and is made again.") from error
