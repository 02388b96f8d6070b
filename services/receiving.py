"""Bytes that come in: counted and looked at while they pass, and left in a file for the decoder."""

from collections.abc import AsyncIterator
from typing import IO

import anyio

from services.errors import EmptyUpload
from transforms.formats import HEAD_BYTES, sniff
from transforms.limits import Limits

BATCH = 1024 * 1024


async def received(limits: Limits, chunks: AsyncIterator[bytes], spool: IO[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in pieces of about a megabyte, each written to the file before; at the end all of them can be read there.

    Errors: EmptyUpload, TooManyBytes as soon as there are too many, UnsupportedFormat after the first piece.
    """
    count = 0
    async for batch in _batches(chunks):
        limits.check_bytes(count + len(batch))
        if count == 0:
            limits.check_type(sniff(batch[:HEAD_BYTES]))
        count += len(batch)
        await anyio.to_thread.run_sync(spool.write, batch)
        yield batch
    if count == 0:
        raise EmptyUpload("The upload is empty: send the bytes of a picture.", expected="an image in the body")
    spool.flush()


async def _batches(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Each piece costs a round trip to staging or a write."""
    batch = bytearray()
    async for chunk in chunks:
        batch += chunk
        if len(batch) >= BATCH:
            yield bytes(batch)
            batch.clear()
    if batch:
        yield bytes(batch)
