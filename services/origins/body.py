"""The bytes of a picture as they come from its host: unpacked, counted, and never more than asked for."""

import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator

from services.origins.headers import Head
from services.origins.pace import Pace
from services.origins.trouble import translated, unavailable
from transforms.errors import LimitExceeded

PIECE = 64 * 1024
# Who sends each byte in a chunk of its own has us parse for hours.
FRAMING_BYTES = 64 * 1024
# zlib tells the two apart by their first bytes.
ZLIB_OR_GZIP = zlib.MAX_WBITS | 32
PACKED = ("gzip", "x-gzip", "deflate")


async def body_of(head: Head, raw: AsyncIterator[bytes], pace: Pace, *, host: str, maximum: int) -> AsyncGenerator[bytes, None]:
    """The picture's bytes. LimitExceeded for too many, SourceUnavailable when they end early or there are none, SourceTooSlow."""
    unpack = _unpacker(head, host)
    packed = total = 0
    check_bytes(head.length, maximum)
    with translated(host):
        async for piece in raw:
            packed += len(piece)
            check_bytes(packed, maximum)
            if pace.received - packed > FRAMING_BYTES + packed // 16:
                raise unavailable(host, "more framing than picture")
            for plain in unpack.pieces(piece):
                total += len(plain)
                check_bytes(total, maximum)
                yield plain
    unpack.check_whole()
    if not total:
        raise unavailable(host, "an empty body")


def check_bytes(count: int, maximum: int) -> None:
    if count > maximum:
        raise LimitExceeded(f"The picture has more than {maximum} bytes.", limit="bytes", value=count, maximum=maximum)


class Plain:
    """What came as it is."""

    def pieces(self, data: bytes) -> Iterator[bytes]:
        yield data

    def check_whole(self) -> None:
        """HTTP's own framing has seen to it."""


class Inflated(Plain):
    """What came in gzip or deflate, in pieces that are small however well it was packed."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._zlib = zlib.decompressobj(ZLIB_OR_GZIP)

    def pieces(self, data: bytes) -> Iterator[bytes]:
        while data:
            try:
                plain = self._zlib.decompress(data, PIECE)
            except zlib.error as error:
                raise unavailable(self._host, "a body that cannot be unpacked") from error
            if self._zlib.unused_data:
                raise unavailable(self._host, "something behind the packed body")
            data = self._zlib.unconsumed_tail
            yield plain

    def check_whole(self) -> None:
        if not self._zlib.eof:
            raise unavailable(self._host, "a packed body that ends early")


def _unpacker(head: Head, host: str) -> Plain:
    if not head.encoding:
        return Plain()
    if head.encoding in PACKED:
        return Inflated(host)
    raise unavailable(host, "an encoding that was not asked for")
