"""The coded pixels of an original, without anything else that its file holds: the smallest that is still the same picture.

For originals that our encoders cannot make smaller. Nothing is decoded; only files that were decoded to their end come here. Of each
format the few blocks that make the picture are kept and all others left out, so what nobody has heard of cannot carry a position.
"""

import struct
from collections.abc import Callable, Iterator, Mapping

from transforms.formats import gif_palette_bytes

PNG_HEAD = b"\x89PNG\r\n\x1a\n"
PNG_KEPT = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
WEBP_PIXELS = {b"ALPH", b"VP8 ", b"VP8L"}
WEBP_KEPT = WEBP_PIXELS | {b"VP8X", b"ANIM", b"ANMF"}
# What a frame says of its place and time, before chunks of its own.
WEBP_FRAME_HEAD = 16
# The flags of an extended WebP that stay: that there is transparency, and that it moves.
WEBP_FLAGS = 0x10 | 0x02
# Colours that mean something else without what these say.
PNG_COLOURS, WEBP_COLOURS = {b"iCCP", b"cICP"}, {b"ICCP"}
GIF_IMAGE, GIF_EXTENSION = b",!"
# Extensions that stay: time and transparency of a frame, and how often all are shown; and how many bytes say that.
GIF_KEPT = {b"!\xf9\x04": 7, b"!\xff\x0bNETSCAPE2.0\x03\x01": 18, b"!\xff\x0bANIMEXTS1.0\x03\x01": 18}


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
    chunks = list(_webp_chunks(data[12 : 8 + int.from_bytes(data[4:8], "little")]))
    if any(kind in WEBP_COLOURS for kind, _ in chunks):
        return None
    body = b"WEBP" + b"".join(_webp_chunk(kind, content) for kind, content in chunks if kind in WEBP_KEPT)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _webp_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of each."""
    at = 0
    while at + 8 <= len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        yield data[at : at + 4], data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2


def _webp_chunk(kind: bytes, content: bytes) -> bytes:
    if kind == b"VP8X":
        content = bytes(flags & WEBP_FLAGS for flags in content[:1]) + content[1:]
    if kind == b"ANMF":
        pixels = (_webp_chunk(*chunk) for chunk in _webp_chunks(content[WEBP_FRAME_HEAD:]) if chunk[0] in WEBP_PIXELS)
        content = content[:WEBP_FRAME_HEAD] + b"".join(pixels)
    return kind + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


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
        parts += [data[start : start + length] + b"\0" for beginning, length in GIF_KEPT.items() if data.startswith(beginning, start)]
    return b"".join(parts) + b";"


def _blocks_end(data: bytes, at: int) -> int:
    """Where a chain of blocks that begins here ends: each says its length, the last is empty."""
    while at < len(data) and data[at]:
        at += 1 + data[at]
    return at + 1


REPACKERS: Mapping[str, Callable[[bytes], bytes | None]] = {"png": _png, "webp": _webp, "gif": _gif}
