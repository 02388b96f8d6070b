"""The coded pixels of an original, without anything else that its file holds: the smallest that is still the same picture.

For originals that our encoders cannot make smaller. Nothing is decoded; only files that were decoded to their end come here. Of each
format the few blocks that make the picture are kept and all others left out, so what nobody has heard of cannot carry a position.
"""

import struct
from collections.abc import Callable, Iterator, Mapping

from transforms.formats import gif_palette_bytes

PNG_HEAD = b"\x89PNG\r\n\x1a\n"
PNG_KEPT = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
WEBP_KEPT = {b"VP8X", b"ANIM", b"ANMF", b"ALPH", b"VP8 ", b"VP8L"}
# The flags of an extended WebP that stay: that there is transparency, and that it moves.
WEBP_FLAGS = 0x10 | 0x02
# Colours that mean something else without what these say.
PNG_COLOURS, WEBP_COLOURS = {b"iCCP", b"cICP"}, {b"ICCP"}
GIF_IMAGE, GIF_EXTENSION = b",!"
# Extensions that stay: time and transparency of a frame, and how often all are shown.
GIF_KEPT = (b"!\xf9", b"!\xff\x0bNETSCAPE2.0", b"!\xff\x0bANIMEXTS1.0")


def repacked(data: bytes, format: str) -> bytes | None:
    """The same picture in the same coding; None for a format that is not taken apart, or when other blocks say how colours are meant."""
    repack = REPACKERS.get(format)
    return repack(data) if repack else None


def _png(data: bytes) -> bytes | None:
    parts = []
    for kind, start, end in _png_chunks(data):
        if kind in PNG_COLOURS:
            return None
        if kind in PNG_KEPT:
            parts.append(data[start:end])
    return PNG_HEAD + b"".join(parts)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, begin and end of each, up to and with the last."""
    at, kind = len(PNG_HEAD), b""
    while at + 12 <= len(data) and kind != b"IEND":
        start, kind = at, data[at + 4 : at + 8]
        at += 12 + int.from_bytes(data[at : at + 4], "big")
        yield kind, start, at


def _webp(data: bytes) -> bytes | None:
    parts, at = [], 12
    end = min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    while at + 8 <= end:
        kind, start = data[at : at + 4], at
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + length + length % 2
        if kind in WEBP_COLOURS:
            return None
        if kind in WEBP_KEPT:
            chunk = data[start:at].ljust(at - start, b"\0")
            parts.append(chunk[:8] + bytes(flags & WEBP_FLAGS for flags in chunk[8:9]) + chunk[9:] if kind == b"VP8X" else chunk)
    body = b"WEBP" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _gif(data: bytes) -> bytes | None:
    """Frames, what is said of their time and transparency, and the loop count."""
    at = 13 + gif_palette_bytes(data[10:11])
    parts = [data[:at]]
    while at < len(data) and data[at] in (GIF_IMAGE, GIF_EXTENSION):
        start, kind = at, data[at]
        if kind == GIF_IMAGE:
            # Place and size, a palette of its own, then one byte that says how long codes are.
            at = _blocks_end(data, at + 11 + gif_palette_bytes(data[at + 9 : at + 10]))
            parts.append(data[start:at])
            continue
        at = _blocks_end(data, at + 2)
        if data.startswith(GIF_KEPT, start):
            parts.append(data[start:at])
    return b"".join(parts) + b";"


def _blocks_end(data: bytes, at: int) -> int:
    """Where a chain of blocks that begins here ends: each says its length, the last is empty."""
    while at < len(data) and data[at]:
        at += 1 + data[at]
    return at + 1


REPACKERS: Mapping[str, Callable[[bytes], bytes | None]] = {"png": _png, "webp": _webp, "gif": _gif}
