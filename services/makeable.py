"""Objects in the store that can be made again: whoever comes first writes them, and nobody waits for the disk."""

import hashlib
from contextlib import suppress

from services.container import Services
from storage.base import DigestConflict


async def put_once(services: Services, key: str, data: bytes) -> None:
    """Store the bytes unless something is there already: two processes may make the same thing at once."""
    with suppress(DigestConflict):
        await services.store.put(key, data, sha256=hashlib.sha256(data).hexdigest(), durable=False)
