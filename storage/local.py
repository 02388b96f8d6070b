"""An object store on the local disk, safe for several processes that share the folder."""

import hashlib
import os
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from anyio import to_thread

from storage import proofs
from storage.base import NotStored, StorageUnavailable, StoredObject, check_folder, check_key, check_prefix
from storage.digests import conflict, prove, sha256_of
from storage.proofs import Proofs

CHUNK = 1 << 20
LIST_PAGE = 500
# Every further try means that a delete took the folder away at that very moment.
LINK_TRIES = 20
ABANDONED_AFTER = 24 * 3600


class LocalStore:
    """ObjectStore with a file for each key below `root`. Metadata is not kept: `facts/` says all of it.

    The digest alone is, where the file system can: elsewhere only what callers ask for by its digest is compared.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        # A dotted name is no key: what a crash leaves here is never listed, and being on the same disk it can be linked.
        self._temporary = self._root / ".tmp"
        self._proofs = Proofs()

    async def prepare(self) -> None:
        with _writing():
            await to_thread.run_sync(lambda: self._root.mkdir(parents=True, exist_ok=True))

    async def put(
        self,
        key: str,
        source: bytes | Path,
        *,
        sha256: str,
        metadata: Mapping[str, str] | None = None,
        durable: bool = True,
        replace: bool = False,
    ) -> StoredObject:
        return await to_thread.run_sync(self._put, key, source, sha256, durable, replace)

    async def get(self, key: str) -> bytes:
        with _reading(key):
            return await to_thread.run_sync(proofs.read, key, self._path(key))

    async def head(self, key: str) -> StoredObject:
        with _reading(key):
            return await to_thread.run_sync(_object, key, self._path(key))

    @asynccontextmanager
    async def local(self, key: str, *, sha256: str | None = None) -> AsyncIterator[Path]:
        path = self._path(key)
        with _reading(key):
            await to_thread.run_sync(self._proofs.prove, key, path, sha256)
        yield path

    async def verify(self, key: str, *, size: int, sha256: str) -> None:
        found = await self.head(key)
        with _reading(key):
            if found.size != size or await to_thread.run_sync(sha256_of, self._path(key)) != sha256:
                raise proofs.damaged(key)

    async def delete(self, key: str) -> None:
        with _writing():
            await to_thread.run_sync(self._delete, self._path(key))

    async def delete_prefix(self, prefix: str) -> int:
        check_folder(prefix)
        with _writing():
            return await to_thread.run_sync(self._delete_all, prefix)

    async def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        folder, _, _ = check_prefix(prefix).rpartition("/")
        walk = _walk(self._root / folder, f"{folder}/" if folder else "", prefix)
        while page := await to_thread.run_sync(_next_page, walk):
            for found in page:
                yield found

    async def check(self) -> None:
        await prove(self)
        with _writing():
            await to_thread.run_sync(self._sweep)

    async def close(self) -> None:
        """Nothing is held open."""

    def _path(self, key: str) -> Path:
        return self._root / check_key(key)

    def _put(self, key: str, source: bytes | Path, sha256: str, durable: bool, replace: bool) -> StoredObject:
        path = self._path(key)
        with _writing(), self._temporary_file() as (temporary, file):
            size, digest = _copy(source, file)
            if digest != sha256:
                raise conflict(key, "The bytes are not those of the digest that came with them.")
            proofs.remember(temporary, sha256)
            # Also where the object need not survive: it must never be there without its bytes.
            os.fdatasync(file.fileno())
            created = _link(temporary, path)
            if not created and (path.stat().st_size != size or sha256_of(path) != sha256):
                if not replace:
                    raise conflict(key, "Other bytes are stored in this place already.")
                temporary.replace(path)
            if durable:
                self._sync(path, file_too=not created)
        return StoredObject(key=key, size=size, created=created)

    @contextmanager
    def _temporary_file(self) -> Iterator[tuple[Path, BinaryIO]]:
        self._temporary.mkdir(parents=True, exist_ok=True)
        path = self._temporary / uuid4().hex
        try:
            with path.open("xb") as file:
                yield path, file
        finally:
            path.unlink(missing_ok=True)

    def _sync(self, path: Path, *, file_too: bool) -> None:
        # Bytes that were there already may come from a put that was not durable, or that has not come to this line yet.
        if file_too:
            _fsync(path)
        for folder in [*path.parents][: len(path.relative_to(self._root).parts)]:
            _fsync(folder)
        _fsync(self._root.parent)

    def _delete(self, path: Path) -> None:
        with suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
            path.unlink()
        # A put that loses its folder here makes it again (see _link); rmdir never takes one that holds something.
        for folder in path.parents:
            if folder == self._root:
                return
            try:
                folder.rmdir()
            except OSError:
                return

    def _delete_all(self, prefix: str) -> int:
        number = 0
        for found in _walk(self._root / prefix, prefix, prefix):
            self._delete(self._root / found.key)
            number += 1
        return number

    def _sweep(self) -> None:
        """Remove what crashed puts left behind; no put that still runs is that old."""
        oldest = time.time() - ABANDONED_AFTER
        for path in self._temporary.iterdir():
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < oldest:
                    path.unlink()


def _copy(source: bytes | Path, target: BinaryIO) -> tuple[int, str]:
    """Write the source to the target, and say its size and hex SHA-256."""
    if isinstance(source, bytes):
        target.write(source)
        digest = hashlib.sha256(source)
    else:
        digest = hashlib.sha256()
        with source.open("rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
                target.write(chunk)
    target.flush()
    return target.tell(), digest.hexdigest()


def _link(temporary: Path, path: Path) -> bool:
    """Give the file its name in one step; False when the name is taken."""
    for _ in range(LINK_TRIES):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.link(temporary, path)
        except FileNotFoundError:
            continue
        except FileExistsError:
            if path.is_file():
                return False
            continue
        return True
    raise StorageUnavailable("The place in the store is being deleted at this moment.")


def _fsync(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return  # deleted since: then there is nothing to make durable
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _object(key: str, file: Path | os.DirEntry[str]) -> StoredObject:
    if file.is_dir():
        raise IsADirectoryError
    found = file.stat()
    return StoredObject(key=key, size=found.st_size, modified=datetime.fromtimestamp(found.st_mtime, UTC))


def _walk(folder: Path, base: str, prefix: str) -> Iterator[StoredObject]:
    """The objects below a folder, whose keys begin with `base`, in order of their keys: a folder sorts with its slash."""
    try:
        with os.scandir(folder) as entries:
            names = sorted((entry.name + "/" * entry.is_dir(), entry) for entry in entries if not entry.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return
    for name, entry in names:
        key = base + name
        if not key.startswith(prefix):
            continue
        if name.endswith("/"):
            yield from _walk(folder / entry.name, key, prefix)
        else:
            with suppress(FileNotFoundError):
                yield _object(key, entry)


def _next_page(walk: Iterator[StoredObject]) -> tuple[StoredObject, ...]:
    with _writing():
        return tuple(islice(walk, LIST_PAGE))


@contextmanager
def _reading(key: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        missing = NotStored("Nothing is stored in this place.")
        missing.add_note(f"key: {key}")
        raise missing from error
    except OSError as error:
        raise StorageUnavailable("The disk of the object store cannot be read.") from error


@contextmanager
def _writing() -> Iterator[None]:
    """A full disk, one that turned read-only, a quota: each of them passes, or waits for the operator."""
    try:
        yield
    except OSError as error:
        raise StorageUnavailable("The disk of the object store cannot be used.") from error
