"""The parts that a file is made of (segments of a JPEG, chunks of a WebP, boxes of an AVIF), told before a decoder sees any of them.

A decoder may need memory for each part, or time for each pair of them: a WebP of 100,000 tiny frames took libvips' loader 10 s to open,
and 842 MB were the price of a JPEG of 2.6 million empty APP1 segments.
"""

import re
from collections.abc import Callable, Iterator, Mapping

# The last of any fill bytes before it: a pattern for all of them would read a row of n of them n times.
_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
_END_OF_IMAGE = b"\xd9"
START_OF_SCAN = b"\xda"


def parts(data: bytes, format: str) -> Iterator[bytes]:
    """The kinds of its parts, in order, for as long as somebody asks; none for a format that needs no counting. Linear in the data."""
    return WALKS[format](data) if format in WALKS else iter(())


def _segments(data: bytes) -> Iterator[bytes]:
    """Of a JPEG, to the end of its first picture: what follows (a video, a second picture) does not count."""
    at = 2
    while (marker := _MARKER.search(data, at)) and marker[1] != _END_OF_IMAGE:
        yield marker[1]
        at = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2], "big")


def _chunks(data: bytes) -> Iterator[bytes]:
    """Of a WebP."""
    at = 12
    while at + 8 <= len(data):
        yield data[at : at + 4]
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + size + size % 2


def _boxes(data: bytes) -> Iterator[bytes]:
    """Of an AVIF, the outermost."""
    at = 0
    while at + 8 <= len(data):
        yield data[at + 4 : at + 8]
        size = int.from_bytes(data[at : at + 4], "big")
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        if size < 8:
            # The last one goes on to the end.
            return
        at += size


WALKS: Mapping[str, Callable[[bytes], Iterator[bytes]]] = {"jpg": _segments, "webp": _chunks, "avif": _boxes}
