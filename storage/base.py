"""What ProgImage asks of a place that keeps bytes.

StorageError(ProgImageError)
├── NotStored              nothing under this key, or no such upload
├── DigestConflict         the key is taken by other bytes, or the bytes read back are not those that were written
├── OffsetMismatch         an append that does not continue where the upload ends: offset
├── StagingFull            the byte budget or the memory of the staging server is used up
└── StorageUnavailable     the server behind the storage refused, failed or was too slow
"""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from transforms.errors import ProgImageError

# A part never begins with a dot: no key leads out of its store, and a store may keep dotted names for itself.
_PART = r"[a-z0-9_-][a-z0-9._-]{0,199}"
_KEY = re.compile(rf"(?:{_PART}/)*{_PART}")
_PREFIX = re.compile(rf"(?:{_PART}/)*(?:{_PART})?")
MAX_KEY = 512


class StorageError(ProgImageError):
    slug = "storage"


class NotStored(StorageError):
    slug = "not-stored"


class DigestConflict(StorageError):
    slug = "digest-conflict"


class OffsetMismatch(StorageError):
    slug = "offset-mismatch"


class StagingFull(StorageError):
    slug = "staging-full"


class StorageUnavailable(StorageError):
    slug = "storage-unavailable"


def check_key(key: str) -> str:
    """The key itself; ValueError when it is none: at most 512 characters in parts of `[a-z0-9._-]`, none of which begins with a dot."""
    if len(key) > MAX_KEY or not _KEY.fullmatch(key):
        raise ValueError(f"not a storage key: {key!r}")
    return key


def check_prefix(prefix: str) -> str:
    """The prefix itself, which may be empty or end within a part; ValueError when no key could begin with it."""
    if len(prefix) > MAX_KEY or not _PREFIX.fullmatch(prefix):
        raise ValueError(f"not the beginning of a storage key: {prefix!r}")
    return prefix


def check_folder(prefix: str) -> str:
    """The prefix itself; ValueError when it does not end in a slash, so that a slip never deletes more than a folder of keys."""
    if not prefix.endswith("/"):
        raise ValueError(f"not a folder of storage keys: {prefix!r}")
    return check_prefix(prefix)


@dataclass(frozen=True, kw_only=True)
class StoredObject:
    """One object: `size` in bytes; `created` is false when a put found these very bytes there already.

    `modified` is when it was written, by the clock of the store; a put does not say it.
    """

    key: str
    size: int
    modified: datetime | None = None
    created: bool = False


class ObjectStore(Protocol):
    """Immutable bytes by key. Keys pass `check_key`; the media type follows from the extension of the key.

    Every method raises StorageUnavailable when the storage cannot answer, and ValueError for what is no key.
    """

    async def prepare(self) -> None:
        """Make the bucket or the folder where there is none yet."""

    async def put(
        self, key: str, source: bytes | Path, *, sha256: str, metadata: Mapping[str, str] = ..., durable: bool = True, replace: bool = False
    ) -> StoredObject:
        """Create the object; the bytes must have this hex SHA-256.

        Taken by the same bytes: fine, `created` is false. Taken by others: DigestConflict. `durable` says that the bytes must
        survive a loss of power before this returns (originals); renditions can be made again and may skip that cost. `replace` says
        that other bytes there are damaged, or older facts: they are replaced in one step.
        """

    async def get(self, key: str) -> bytes:
        """The whole object, or NotStored; DigestConflict when it is not what was stored, as far as the storage knows."""

    async def head(self, key: str) -> StoredObject:
        """Its size and age, or NotStored."""

    def local(self, key: str, *, sha256: str | None = None) -> AbstractAsyncContextManager[Path]:
        """A file that holds the object for as long as the context lives (for a decoder, which wants a path), or NotStored.

        DigestConflict when its bytes do not have the digest that is asked for, or as for `get`.
        """

    async def verify(self, key: str, *, size: int, sha256: str) -> None:
        """Prove that the stored bytes are those: DigestConflict or NotStored when not."""

    async def delete(self, key: str) -> None:
        """Make the key free; silently nothing when it is."""

    async def delete_prefix(self, prefix: str) -> int:
        """Delete all objects whose key starts with `prefix` (which ends in a slash), and say how many there were."""

    def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        """All objects whose key starts with `prefix`, in order of their keys."""

    async def check(self) -> None:
        """Prove put, get and delete with a small object of its own."""

    async def close(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class StagedImage:
    """An upload that arrived whole. `facts` is what the uploader's caller wants to have back (JSON values)."""

    image_id: str
    bytes: int
    sha256: str
    expires_at: datetime
    facts: Mapping[str, Any] = field(default_factory=dict)
    transferred: bool = False


@dataclass(frozen=True, kw_only=True)
class PurgeReport:
    transferred: int
    expired: int
    bytes: int


class Staging(Protocol):
    """Uploads on their way in, for a limited time and within a budget of bytes.

    An upload is created, appended to and finished under the id of its image; from then on it goes by that id.
    """

    @property
    def away(self) -> bool:
        """Whether the server behind it failed several times in a row, and has not answered since."""

    async def create(self) -> str:
        """A token for a new, empty upload."""

    async def append(self, upload: str, offset: int, chunk: bytes) -> int:
        """Add bytes where the upload ends (else OffsetMismatch) and return the new end; StagingFull when the budget is used up."""

    async def finish(self, upload: str, image_id: str, *, sha256: str, facts: Mapping[str, Any]) -> StagedImage:
        """Make the upload known by its image id, in one step. The same image staged before is replaced and lives anew."""

    async def head(self, image_id: str) -> StagedImage | None: ...

    async def read(self, image_id: str) -> bytes:
        """The whole image, checked against its length and digest (StorageUnavailable when damaged), or NotStored."""

    async def expired(self, image_id: str) -> bool:
        """Whether an image of this id was staged within the last day and has expired since."""

    async def drop(self, name: str) -> bool:
        """Forget an upload token or a staged image and give its bytes back to the budget; whether there was one."""

    async def mark_transferred(self, image_id: str) -> None:
        """Say that the store holds it durably now; it stays readable until it is purged."""

    async def purge(self) -> PurgeReport:
        """Drop what is transferred or past its time."""

    async def check(self) -> None:
        """Raise StorageUnavailable with the mend when the server is away or may evict (`maxmemory-policy` is not `noeviction`)."""

    async def close(self) -> None: ...
