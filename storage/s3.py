"""An object store on S3, or on a server that speaks like it."""

import base64
import hashlib
import os
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from anyio import to_thread
from botocore.exceptions import BotoCoreError, ClientError, IncompleteReadError, ResponseStreamingError

from storage.base import DigestConflict, NotStored, StorageUnavailable, StoredObject, check_folder, check_key, check_prefix
from storage.digests import conflict, prove, sha256_of
from storage.s3_calls import Calls
from storage.s3_client import ensure_bucket, make_client, status, translated
from transforms.formats import by_extension

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3.type_defs import (
        HeadObjectOutputTypeDef,
        ListObjectsV2OutputTypeDef,
        ListObjectsV2RequestTypeDef,
        PutObjectRequestTypeDef,
    )

# Small, so that a trickle is noticed.
CHUNK = 16 * 1024
# How many bytes a second a body must bring, once it had the time that any answer has.
SLOWEST = 32 * 1024
# A put under way elsewhere (409) or another server's dialect is met by looking again, this often and this many seconds apart.
PUT_TRIES = 5
PUT_PAUSE = 0.1
# What S3 lists, and deletes, at once.
PAGE = 1000
# What the key's extension stands for, beside the picture formats.
MEDIA_TYPES = {"json": "application/json", "txt": "text/plain; charset=utf-8"}


class S3Store:
    """ObjectStore in a bucket, below `prefix`. Credentials need ListBucket, else S3 answers 403 for a missing object.

    At most `connections` calls run at a time. Metadata is ASCII text; the name `sha256` is ours.
    """

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        *,
        endpoint_url: str | None = None,
        connections: int = 32,
        read_timeout: float = 5,
        temporary: Path | None = None,
    ) -> None:
        self._bucket = bucket
        self._prefix = f"{check_key(prefix.strip('/'))}/" if prefix.strip("/") else ""
        self._temporary = temporary
        self._client = make_client(endpoint_url, connections=connections, read_timeout=read_timeout)
        self._read_timeout = read_timeout
        self._calls = Calls(connections)
        self._conditional = True

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
        return await self._calls.run(self._put, check_key(key), source, sha256, {**(metadata or {}), "sha256": sha256}, replace)

    async def get(self, key: str) -> bytes:
        data = BytesIO()
        await self._calls.run(self._fetch, check_key(key), data, None)
        return data.getvalue()

    async def head(self, key: str) -> StoredObject:
        found = await self._calls.run(self._head, check_key(key))
        return StoredObject(key=key, size=found["ContentLength"], modified=found["LastModified"])

    @asynccontextmanager
    async def local(self, key: str, *, sha256: str | None = None) -> AsyncIterator[Path]:
        path = await to_thread.run_sync(_temporary_file, self._temporary, PurePosixPath(check_key(key)).suffix)
        try:
            await self._calls.run(self._fetch_to, key, path, sha256)
            yield path
        finally:
            path.unlink(missing_ok=True)

    async def verify(self, key: str, *, size: int, sha256: str) -> None:
        await self._calls.run(self._verify, check_key(key), size, sha256)

    async def delete(self, key: str) -> None:
        await self._calls.run(self._delete, check_key(key))

    async def delete_prefix(self, prefix: str) -> int:
        check_folder(prefix)
        number = 0
        # Always the first page: what it held is gone when the next is asked for.
        while keys := [found["Key"] for found in (await self._calls.run(self._page, prefix, None)).get("Contents", [])]:
            await self._calls.run(self._delete_batch, keys)
            number += len(keys)
        return number

    async def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        check_prefix(prefix)
        after: str | None = None
        while True:
            page = await self._calls.run(self._page, prefix, after)
            for found in page.get("Contents", []):
                yield StoredObject(key=found["Key"].removeprefix(self._prefix), size=found["Size"], modified=found["LastModified"])
            if not page["IsTruncated"]:
                return
            after = page["NextContinuationToken"]

    async def check(self) -> None:
        await prove(self)

    async def prepare(self) -> None:
        await self._calls.run(ensure_bucket, self._client, self._bucket)

    async def close(self) -> None:
        self._calls.close()
        self._client.close()

    def _put(self, key: str, source: bytes | Path, sha256: str, metadata: Mapping[str, str], replace: bool) -> StoredObject:
        if sha256_of(source) != sha256:
            raise conflict(key, "The bytes are not those of the digest that came with them.")
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        for _ in range(PUT_TRIES):
            # The HEAD comes first because there are servers that overlook If-None-Match without a word.
            if not replace and self._taken(key, size, sha256):
                return StoredObject(key=key, size=size)
            if self._create(key, source, sha256, metadata, conditional=self._conditional and not replace):
                return StoredObject(key=key, size=size, created=True)
            time.sleep(PUT_PAUSE)
        raise StorageUnavailable("Others write to this place in the store at this moment.")

    def _taken(self, key: str, size: int, sha256: str) -> bool:
        try:
            found = self._head(key)
        except NotStored:
            return False
        digest = _server_digest(found) or found["Metadata"].get("sha256") or self._digest(key)
        if (found["ContentLength"], digest) != (size, sha256):
            raise conflict(key, "Other bytes are stored in this place already.")
        return True

    def _create(self, key: str, source: bytes | Path, sha256: str, metadata: Mapping[str, str], *, conditional: bool) -> bool:
        """Put if absent; False when somebody was faster, or when the server has to be asked in another way."""
        request: PutObjectRequestTypeDef = {
            "Bucket": self._bucket,
            "Key": self._prefix + key,
            "Metadata": metadata,
            "ContentType": _media_type(key),
            "ChecksumSHA256": base64.b64encode(bytes.fromhex(sha256)).decode(),
        }
        if conditional:
            request["IfNoneMatch"] = "*"
        with translated(key):
            try:
                self._send(request, source)
            except ClientError as error:
                if status(error) == 501 and conditional:
                    self._conditional = False
                elif status(error) not in {409, 412}:
                    raise
                return False
        return True

    def _send(self, request: "PutObjectRequestTypeDef", source: bytes | Path) -> None:
        if isinstance(source, bytes):
            request["Body"] = source
            self._client.put_object(**request)
            return
        with source.open("rb") as file:
            request["Body"] = file
            self._client.put_object(**request)

    def _head(self, key: str) -> "HeadObjectOutputTypeDef":
        with translated(key):
            return self._client.head_object(Bucket=self._bucket, Key=self._prefix + key, ChecksumMode="ENABLED")

    def _fetch_to(self, key: str, path: Path, sha256: str | None) -> None:
        # "r+b" does not make the file again when the caller gave up and has removed it.
        with path.open("r+b") as file:
            self._fetch(key, file, sha256)

    def _fetch(self, key: str, target: IO[bytes], sha256: str | None) -> None:
        """Write the object to the target; what arrives cut or damaged is fetched once more."""
        with translated(key):
            try:
                self._receive(key, target, sha256)
            except (IncompleteReadError, ResponseStreamingError, DigestConflict):
                self._receive(key, target, sha256)

    def _receive(self, key: str, target: IO[bytes], sha256: str | None) -> None:
        """Write the object to the target; DigestConflict when it has not this digest, or not the one that its metadata promises."""
        answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)
        digest = hashlib.sha256()
        target.seek(0)
        try:
            target.truncate()
            with closing(answer["Body"]) as body:
                for chunk in self._chunks(body):
                    digest.update(chunk)
                    target.write(chunk)
            target.flush()
        except BotoCoreError:
            raise  # some of them are OSErrors too
        except OSError as error:
            raise StorageUnavailable("The disk for temporary files cannot be used.") from error
        if (sha256 or answer["Metadata"].get("sha256", digest.hexdigest())) != digest.hexdigest():
            raise conflict(key, "The object store sends other bytes than were stored.")

    def _digest(self, key: str) -> str:
        digest = hashlib.sha256()
        with translated(key), closing(self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)["Body"]) as body:
            for chunk in self._chunks(body):
                digest.update(chunk)
        return digest.hexdigest()

    def _chunks(self, body: "StreamingBody") -> Iterator[bytes]:
        """The body as it arrives; StorageUnavailable when it trickles."""
        began, size = time.monotonic(), 0
        for chunk in body.iter_chunks(CHUNK):
            yield chunk
            size += len(chunk)
            if time.monotonic() - began > self._read_timeout + size / SLOWEST:
                raise StorageUnavailable("The object store is too slow.")

    def _verify(self, key: str, size: int, sha256: str) -> None:
        found = self._head(key)
        # The metadata proves nothing here: it says what was meant to be stored.
        if found["ContentLength"] != size or (_server_digest(found) or self._digest(key)) != sha256:
            raise conflict(key, "The stored bytes are not those that were written.")

    def _delete(self, key: str) -> None:
        with translated(key):
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + key)

    def _delete_batch(self, keys: Sequence[str]) -> None:
        with translated(keys[0]):
            answer = self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True})
        if errors := answer.get("Errors"):
            failure = StorageUnavailable("The object store did not delete all that it was asked to.")
            failure.add_note(f"{len(errors)} of {len(keys)}, first: {errors[0]}")
            raise failure

    def _page(self, prefix: str, after: str | None) -> "ListObjectsV2OutputTypeDef":
        request: ListObjectsV2RequestTypeDef = {"Bucket": self._bucket, "Prefix": self._prefix + prefix, "MaxKeys": PAGE}
        if after is not None:
            request["ContinuationToken"] = after
        with translated(prefix):
            return self._client.list_objects_v2(**request)


def _server_digest(found: "HeadObjectOutputTypeDef") -> str | None:
    """The hex SHA-256 that the server itself vouches for; a composite one (`…-3`) is not the digest of the bytes."""
    checksum = found.get("ChecksumSHA256", "")
    return base64.b64decode(checksum).hex() if checksum and "-" not in checksum else None


def _media_type(key: str) -> str:
    extension = PurePosixPath(key).suffix.removeprefix(".")
    known = by_extension(extension)
    return known.media_type if known else MEDIA_TYPES.get(extension, "application/octet-stream")


def _temporary_file(folder: Path | None, suffix: str) -> Path:
    try:
        descriptor, name = tempfile.mkstemp(prefix="progimage-", suffix=suffix, dir=folder)
    except OSError as error:
        raise StorageUnavailable("The disk for temporary files cannot be used.") from error
    os.close(descriptor)
    return Path(name)
