"""That a file on the disk still has the bytes that were written: its digest is kept in an extended attribute, where there are such."""

import hashlib
import os
import sys
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG
from threading import Lock

from cachetools import LRUCache

from storage.base import DigestConflict
from storage.digests import conflict, sha256_of

DIGEST = "user.sha256"
FILES = 100_000

# The digest that a file has, and by what one can tell that it is the same file: size, inode and time.
Proof = tuple[str, int, int, int]


def remember(path: Path, sha256: str) -> None:
    """Keep the digest with the file; where that cannot be, the file is as good without."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setxattr(path, DIGEST, sha256.encode())


def remembered(path: Path) -> str | None:
    if sys.platform == "linux":
        with suppress(OSError):
            return os.getxattr(path, DIGEST).decode(errors="replace")
    return None


def read(key: str, path: Path) -> bytes:
    """The bytes of the file; DigestConflict when they are not those of its remembered digest."""
    data, digest = path.read_bytes(), remembered(path)
    if digest and hashlib.sha256(data).hexdigest() != digest:
        raise damaged(key)
    return data


class Proofs:
    """Each file is read once to prove it, as long as it is the same one: nobody writes to a file of the store."""

    def __init__(self) -> None:
        self._proven: LRUCache[Path, Proof] = LRUCache(FILES)
        self._lock = Lock()

    def prove(self, key: str, path: Path, sha256: str | None) -> None:
        """DigestConflict when the file has not this digest, or not the remembered one; where neither is known, nothing is asked.

        OSError when it cannot be read, or is no file.
        """
        digest, found = sha256 or remembered(path), path.stat()
        if not S_ISREG(found.st_mode):
            raise IsADirectoryError
        if not digest:
            return
        proof = (digest, found.st_size, found.st_ino, found.st_mtime_ns)
        with self._lock:
            if self._proven.get(path) == proof:
                return
        if sha256_of(path) != digest:
            raise damaged(key)
        with self._lock:
            self._proven[path] = proof


def damaged(key: str) -> DigestConflict:
    return conflict(key, "The stored bytes are not those that were written.")
