"""Uploads on their way in, in Redis (7 or newer, or Valkey): for a limited time and within a budget of bytes."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import Any

from storage import staging_scripts as scripts
from storage.base import NotStored, OffsetMismatch, PurgeReport, StagedImage, StagingFull, StorageUnavailable
from storage.redis_client import ANSWER_SECONDS, ENDED, PATIENCE_WITH_BYTES, ImpatientRedis

UNFINISHED = timedelta(hours=1)
REMEMBERED = timedelta(hours=24)
PURGE_BATCH = 200
# What is read at a time: whoever waits for a large picture must not be taken for one who waits for a dead server.
PIECE = 1024 * 1024


class RedisStaging:
    """Staging in Redis. All of `ttl` (for whole images), `budget` (bytes) and `unfinished` (after the last append) are promises to clients.

    Redis may lose what it holds at any moment: then an upload or an image is NotStored, and its bytes come back to the budget.
    """

    def __init__(
        self, client: ImpatientRedis, *, ttl: timedelta, budget: int, prefix: str = "staging:", unfinished: timedelta = UNFINISHED
    ) -> None:
        self._client = client
        self._prefix = prefix
        self._ttl = _milliseconds(ttl)
        self._unfinished = _milliseconds(unfinished)
        self._budget = budget
        self._scripts = {text: client.register_script(text) for text in scripts.ALL}

    @property
    def away(self) -> bool:
        return self._client.away

    async def create(self) -> str:
        token = token_hex(16)
        async with self._client.asking():
            await self._run(scripts.CREATE, token, self._unfinished)
        return token

    async def append(self, upload: str, offset: int, chunk: bytes) -> int:
        async with self._client.asking(PATIENCE_WITH_BYTES):
            what, end = await self._run(scripts.APPEND, upload, offset, chunk, self._budget, self._unfinished)
        if what == b"missing":
            raise _no_upload()
        if what == b"offset":
            raise OffsetMismatch(f"The upload goes on at byte {end}, not {offset}.", offset=end)
        if what == b"full":
            raise StagingFull("There is no room for more uploads at this moment.")
        if what != b"done":
            raise StorageUnavailable("Redis gave an answer that is none.")
        return int(end)

    async def finish(self, upload: str, image_id: str, *, sha256: str, facts: Mapping[str, Any]) -> StagedImage:
        text = json.dumps(dict(facts))
        async with self._client.asking():
            size, expires = await self._run(scripts.FINISH, upload, image_id, sha256, text, self._ttl, _milliseconds(REMEMBERED))
            expires_at = _time(int(expires))
        if size < 0:
            raise _no_upload()
        return StagedImage(image_id=image_id, bytes=int(size), sha256=sha256, expires_at=expires_at, facts=json.loads(text))

    # The pairs of questions below are no transactions: Redis refuses those when its memory is used up, even to read.
    # They need none, since an id names its bytes.
    async def head(self, image_id: str) -> StagedImage | None:
        async with self._client.asking():
            fields, there = await self._answers(("HGETALL", self._key("facts", image_id)), ("EXISTS", self._key("image", image_id)))
            return _staged(image_id, fields) if fields and there else None

    async def read(self, image_id: str) -> bytes:
        staged = await self.head(image_id)
        if staged is None:
            raise _no_image()
        data = b"".join([await self._piece(image_id, start) for start in range(0, staged.bytes, PIECE)])
        if len(data) != staged.bytes or hashlib.sha256(data).hexdigest() != staged.sha256:
            if await self.head(image_id) is None:
                raise _no_image()
            raise StorageUnavailable("The staged bytes are damaged: upload the image again.")
        return data

    async def _piece(self, image_id: str, start: int) -> bytes:
        async with self._client.asking(PATIENCE_WITH_BYTES):
            (data,) = await self._answers(("GETRANGE", self._key("image", image_id), start, start + PIECE - 1))
            return bytes(data)

    async def expired(self, image_id: str) -> bool:
        async with self._client.asking():
            remembered, there = await self._answers(("EXISTS", self._key("gone", image_id)), ("EXISTS", self._key("image", image_id)))
        return bool(remembered and not there)

    async def drop(self, name: str) -> bool:
        async with self._client.asking():
            return bool(await self._run(scripts.DROP, name))

    async def mark_transferred(self, image_id: str) -> None:
        async with self._client.asking():
            await self._run(scripts.MARK, image_id)

    async def purge(self) -> PurgeReport:
        expired, freed = await self._release()
        transferred = 0
        async with self._client.asking(ANSWER_SECONDS):
            names = [name async for name, _ in self._client.hscan_iter(self._prefix + "sizes") if name != b"total"]
        for batch in _batches(names):
            async with self._client.asking(ANSWER_SECONDS):
                moved, lost, size = await self._run(scripts.PURGE, *batch)
            transferred, expired, freed = transferred + moved, expired + lost, freed + size
        return PurgeReport(transferred=transferred, expired=expired, bytes=freed)

    async def check(self) -> None:
        async with self._client.asking(ANSWER_SECONDS):
            memory = await self._client.info("memory")
        if (policy := memory.get("maxmemory_policy")) != "noeviction":
            raise StorageUnavailable(f"Redis may evict staged uploads: set its maxmemory-policy to noeviction (it is {policy}).")

    async def close(self) -> None:
        await self._client.aclose()

    async def _release(self) -> tuple[int, int]:
        number = size = 0
        while True:
            async with self._client.asking(ANSWER_SECONDS):
                more, freed = await self._run(scripts.RELEASE)
            if not more:
                return number, size
            number, size = number + more, size + freed

    async def _run(self, script: str, *arguments: str | bytes | int) -> Any:
        return await self._scripts[script](keys=[self._prefix], args=arguments)

    async def _answers(self, *questions: tuple[str | int, ...]) -> list[Any]:
        """The answers to questions that may be asked twice, when the connection ended before they came."""
        try:
            return await self._ask(*questions)
        except ENDED:
            return await self._ask(*questions)

    async def _ask(self, *questions: tuple[str | int, ...]) -> list[Any]:
        async with self._client.pipeline(transaction=False) as together:
            for question in questions:
                together.execute_command(*question)
            return await together.execute()

    def _key(self, kind: str, name: str) -> str:
        return f"{self._prefix}{kind}:{name}"


def _no_image() -> NotStored:
    return NotStored("No such image is staged.")


def _no_upload() -> NotStored:
    return NotStored("No such upload is under way.")


def _staged(image_id: str, fields: Mapping[bytes, bytes]) -> StagedImage:
    return StagedImage(
        image_id=image_id,
        bytes=int(fields[b"bytes"]),
        sha256=fields[b"sha256"].decode(),
        expires_at=_time(int(fields[b"expires"])),
        facts=json.loads(fields[b"facts"]),
        transferred=fields[b"transferred"] == b"1",
    )


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _milliseconds(duration: timedelta) -> int:
    return duration // timedelta(milliseconds=1)


def _batches(names: list[bytes]) -> Iterator[list[bytes]]:
    return (names[start : start + PURGE_BATCH] for start in range(0, len(names), PURGE_BATCH))
