"""Hostile files, made here: each function returns the bytes of one. What they claim is large; what they are is small."""

import struct
import zlib
from functools import cache
from typing import Any

import pyvips

from tests.pictures import encoded, image

PNG = b"\x89PNG\r\n\x1a\n"
MARKER = b"<script>alert('ProgImage')</script>"


def chunk(kind: bytes, data: bytes) -> bytes:
    """Of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *, depth: int = 8, colour: int = 0, interlaced: bool = False, row: int = 0, extra: bytes = b"") -> bytes:
    """Black, whole when `row`, the bytes of a row, is given; `extra` chunks come before the pixels."""
    packer = zlib.compressobj(1)
    pixels = b"".join(packer.compress(bytes(row + 1)) for _ in range(height if row else 0)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    return PNG + chunk(b"IHDR", header) + extra + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@cache
def deflated_zeros(count: int) -> bytes:
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(count >> 20)) + packer.flush()


def wrong_crc(kind: bytes) -> bytes:
    """A whole PNG in which the sum of this chunk is wrong."""
    data = png(16, 16, row=16, extra=chunk(b"tEXt", b"Comment\0hello"))
    at = data.index(kind) + 4 + int.from_bytes(data[data.index(kind) - 4 : data.index(kind)], "big")
    return data[:at] + bytes(4) + data[at + 4 :]


def apng(frames: int) -> bytes:
    control = b"".join(chunk(b"fcTL", struct.pack(">IIIIIHHBB", n, 1, 1, 0, 0, 1, 100, 0, 0)) for n in range(frames))
    return png(16, 16, row=16, extra=chunk(b"acTL", struct.pack(">II", frames, 0)) + control)


@cache
def jpeg(width: int = 64, height: int = 48, **options: Any) -> bytes:
    return encoded(image(width, height), ".jpg", **options)


def claiming(data: bytes, width: int, height: int) -> bytes:
    """A JPEG whose frame header claims another size."""
    at = next(data.index(b"\xff" + bytes([kind])) for kind in (0xC0, 0xC2) if b"\xff" + bytes([kind]) in data)
    return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]


def jpeg_frame(kind: int, precision: int = 8) -> bytes:
    """A JPEG whose frame is said to be of another kind: 0xC3 lossless, 0xC9 arithmetic."""
    data = jpeg()
    at = data.index(b"\xff\xc0")
    return data[: at + 1] + bytes([kind]) + data[at + 2 : at + 4] + bytes([precision]) + data[at + 5 :]


def many_scans(count: int) -> bytes:
    """A progressive JPEG whose last pass comes over and over again."""
    data = jpeg(interlace=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * count + b"\xff\xd9"


def restarts(count: int) -> bytes:
    """A JPEG whose pixels are restart markers and nothing else."""
    data = claiming(jpeg(), 4096, 4096)
    scan = data.index(b"\xff\xda")
    markers = b"".join(bytes([0xFF, 0xD0 + n % 8]) for n in range(count))
    return data[:scan] + b"\xff\xdd\0\4\0\1" + data[scan : scan + 14] + markers + b"\xff\xd9"


def segments(kind: int, *bodies: bytes) -> bytes:
    """A whole JPEG with segments of this kind after its first two bytes."""
    data = jpeg()
    return data[:2] + b"".join(bytes([0xFF, kind]) + struct.pack(">H", len(body) + 2) + body for body in bodies) + data[2:]


def exif(*entries: tuple[int, int, int, int], following: int = 0) -> bytes:
    """A TIFF directory, little-endian: (tag, type, count, value or offset) each, and where the next directory is."""
    packed = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + packed + struct.pack("<I", following)


def with_exif(tiff: bytes) -> bytes:
    return segments(0xE1, b"Exif\0\0" + tiff)


def turned(orientation: int) -> bytes:
    return with_exif(exif((274, 3, 1, orientation)))


def gif(width: int, height: int, *frames: bytes) -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6) + b"".join(frames) + b";"


def gif_frame(left: int, top: int, width: int, height: int) -> bytes:
    return b"," + struct.pack("<HHHHB", left, top, width, height, 0) + b"\x02\x02\x44\x01\0"


def lossless_webp(width: int, height: int) -> bytes:
    """One colour in 31 bytes (RFC 9649): five prefix codes of one symbol each leave no bits for pixels."""
    bits = (width - 1) | (height - 1) << 14
    # No transform, no colour cache, no meta codes; then a simple code with the one symbol 0, five times.
    return b"\x2f" + struct.pack("<I", bits) + 0x88888.to_bytes(3, "little")


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"WEBP" + b"".join(name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for name, data in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def webp(width: int, height: int) -> bytes:
    return riff((b"VP8L", lossless_webp(width, height)))


def animated_webp(width: int, height: int, frames: int) -> bytes:
    """Frames without a delay."""
    size = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    still = lossless_webp(width, height)
    frame = bytes(6) + size + bytes(4) + b"VP8L" + struct.pack("<I", len(still)) + still
    return riff((b"VP8X", b"\x02\0\0\0" + size), (b"ANIM", bytes(6)), *([(b"ANMF", frame)] * frames))


@cache
def avif(width: int = 64, height: int = 48, **options: Any) -> bytes:
    return encoded(image(width, height), ".avif", effort=0, **options)


def avif_claiming(width: int, height: int) -> bytes:
    data = avif()
    at = data.index(b"ispe") + 8
    return data[:at] + struct.pack(">II", width, height) + data[at + 8 :]


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", len(body) + 8) + kind + body


FTYP = box(b"ftyp", b"avif\0\0\0\0avifmif1")


def avif_nested(depth: int) -> bytes:
    body = b""
    for _ in range(depth):
        body = box(b"meta", bytes(4), body)
    return FTYP + body


def avif_items(count: int) -> bytes:
    """As many items as there can be, and no picture."""
    entries = b"".join(box(b"infe", b"\2\0\0\0", struct.pack(">HH", n + 1, 0), b"av01\0") for n in range(count))
    handler = box(b"hdlr", bytes(8), b"pict", bytes(13))
    primary = box(b"pitm", bytes(4), b"\0\1")
    return FTYP + box(b"meta", bytes(4), handler, primary, box(b"iinf", bytes(4), struct.pack(">H", count), entries))


def jpeg_profile(profile: bytes) -> bytes:
    """A whole JPEG with these bytes as its colour profile, in as many segments as they need."""
    pieces = [profile[at : at + 65_000] for at in range(0, max(1, len(profile)), 65_000)]
    return segments(0xE2, *(b"ICC_PROFILE\0" + bytes([n + 1, len(pieces)]) + piece for n, piece in enumerate(pieces)))


def png_profile(profile: bytes) -> bytes:
    return png(16, 16, row=16, extra=chunk(b"iCCP", b"profile\0\0" + zlib.compress(profile)))


@cache
def small(name: str) -> bytes:
    """A whole picture of this format, with some detail, so that each of its bytes counts."""
    picture = (image(96, 64) + pyvips.Image.gaussnoise(96, 64, sigma=20, seed=7)).cast("uchar").copy(interpretation="srgb")
    return encoded(picture, f".{name}", **({"effort": 0} if name == "avif" else {}))


def small_cut(name: str, percent: int) -> bytes:
    data = small(name)
    return data[: len(data) * percent // 100]


def header_of(name: str) -> bytes:
    """The magic bytes of a format and nothing after them."""
    return small(name)[: {"gif": 6, "png": 8, "jpg": 3}.get(name, 16)]


def profile_of_a_wrong_class() -> bytes:
    """libvips' own sRGB profile, said to be an abstract one for Lab."""
    profile: bytes = pyvips.Image.black(8, 8, bands=3).copy(interpretation="srgb").icc_export(output_profile="srgb").get("icc-profile-data")
    return profile[:12] + b"abstLab " + profile[20:]
