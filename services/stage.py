"""Upload: bytes stream into staging while they are hashed and counted, then a child proves the picture whole."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import anyio

from services.container import Services
from services.errors import ExpiredImage, UnknownImage
from services.ids import image_id
from services.quarantine import quarantined
from services.receiving import received
from services.scratch import scratch_file
from storage.base import StagedImage, StorageError
from transforms.engine import verify
from transforms.errors import LimitExceeded, RenderTimeout, TooMuchWork
from transforms.lanes import Lane
from transforms.values import Facts


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A staged image and what its header says."""

    staged: StagedImage
    facts: Facts


async def stage(services: Services, chunks: AsyncIterator[bytes]) -> Upload:
    """Take one picture in. Whatever goes wrong, nothing of it stays; what is returned is staged whole.

    Errors: EmptyUpload, TooManyBytes, UnsupportedFormat, LimitExceeded, BrokenImage, DecoderCrashed, StagingFull and what the pool raises.
    """
    services.pool.check_room(Lane.UPLOAD)
    token = await services.staging.create()
    try:
        with scratch_file() as spool:
            digest = await _receive(services, token, chunks, spool)
            facts = await _prove(services, Path(spool.name), digest)
        staged = await services.staging.finish(token, image_id(digest), sha256=digest, facts=facts.to_json())
    except BaseException:
        # What is wrong is told, also when Redis is away: the pieces are forgotten by themselves then.
        with anyio.CancelScope(shield=True), suppress(StorageError):
            await services.staging.drop(token)
        raise
    services.memory.forget(staged.image_id)
    return Upload(staged=staged, facts=facts)


async def _prove(services: Services, path: Path, digest: str) -> Facts:
    """What the header says, after all of the picture has been decoded. One that takes too long for that is refused for good."""
    try:
        async with quarantined(services, digest):
            return await services.pool.run(verify, path, services.limits, lane=Lane.UPLOAD)
    except (RenderTimeout, TooMuchWork) as error:
        raise LimitExceeded("The picture takes too long to decode.", limit="decode_seconds") from error


async def _receive(services: Services, token: str, chunks: AsyncIterator[bytes], spool: IO[bytes]) -> str:
    """Pass the bytes on to staging and to a file for the decoder, and return their hex SHA-256."""
    digest, end = hashlib.sha256(), 0
    async for batch in received(services.limits, chunks, spool):
        digest.update(batch)
        end = await services.staging.append(token, end, batch)
    return digest.hexdigest()


async def staged_image(services: Services, image_id: str) -> Upload:
    """Where an upload stands: UnknownImage, or ExpiredImage within a day after its time."""
    staged = await services.staging.head(image_id)
    if staged is None:
        raise await missing(services, image_id)
    return Upload(staged=staged, facts=Facts.from_json(dict(staged.facts)))


async def missing(services: Services, image_id: str) -> UnknownImage | ExpiredImage:
    """The error that fits an image that is neither staged nor stored."""
    if await services.staging.expired(image_id):
        return ExpiredImage(f"The upload {image_id} has expired: upload the picture again.", image=image_id)
    return UnknownImage(f"There is no image {image_id}.", image=image_id)
