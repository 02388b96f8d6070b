"""Digests of what is stored, and the proof that a store works."""

import hashlib
from pathlib import Path
from uuid import uuid4

from storage.base import DigestConflict, ObjectStore, StorageUnavailable

# Objects that are deleted as soon as they have proved something: what is left there is nobody's.
CHECKS = "checks/"


def sha256_of(source: bytes | Path) -> str:
    """The hex SHA-256 of bytes, or of a file without having it in memory."""
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    with source.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def conflict(key: str, what: str) -> DigestConflict:
    """The error to raise: the sentence is for people, the key is for the log only."""
    error = DigestConflict(what)
    error.add_note(f"key: {key}")
    return error


async def prove(store: ObjectStore) -> None:
    """Put, get and delete a small object; StorageUnavailable when what comes back is not what was put."""
    key = f"{CHECKS}{uuid4().hex}.txt"
    data = key.encode()
    try:
        await store.put(key, data, sha256=sha256_of(data))
        if await store.get(key) != data:
            raise StorageUnavailable("The object store gives back other bytes than it was given.")
    finally:
        await store.delete(key)
