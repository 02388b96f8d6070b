"""Pictures that tests make for themselves, and the corpus of real ones where it is there.

Generated pictures have four coloured quarters, so that turning, mirroring and cropping show in the colours of the corners.
"""

import csv
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import pyvips
from _pytest.mark import ParameterSet

from transforms.geometry import Size

CORPUS = Path(__file__).parents[2] / "shared" / "corpus"

RED, GREEN, BLUE, YELLOW = (230, 20, 20), (20, 200, 20), (20, 20, 230), (230, 230, 20)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A row of the corpus' manifest. `expected` is `accept`, `reject` or `either`; the size is None where nobody knows.

    Samples of one kind are stored alike; what is broken or hostile is so in a way of its own.
    """

    path: Path
    name: str
    format: str
    size: Size | None
    expected: str
    kind: tuple[str, ...]


KIND = ("format", "bands", "sample", "colour", "orientation", "icc")
# Pixels of one picture that every run can afford, and a file that takes as long though it has fewer.
LARGE, SLOW = 6_000_000, "bombs/gen-svg-use-exponential.svg"


def corpus() -> list[Sample]:
    """All samples; none when the corpus is not there."""
    manifest = CORPUS / "MANIFEST.csv"
    if not manifest.exists():
        return []
    with manifest.open(newline="") as file:
        return [_sample(row) for row in csv.DictReader(file)]


def _sample(row: dict[str, str]) -> Sample:
    width, height, fault = row["display_width"], row["display_height"], row["note"] if row["expected"] != "accept" else ""
    return Sample(
        path=CORPUS / row["path"],
        name=row["path"],
        format={"jpeg": "jpg"}.get(row["format"], row["format"]),
        size=Size(int(width), int(height)) if width else None,
        expected=row["expected"],
        kind=(row["path"].split("/")[0], *(row[name] for name in KIND), str(row["frames"] > "1"), fault),
    )


def samples(wanted: Callable[[Sample], bool] = lambda _: True) -> list[ParameterSet]:
    """Those that are wanted, for tests of each: the smallest file of every kind always, other and large ones in the soak alone."""
    found = [sample for sample in corpus() if wanted(sample)]
    smallest = {sample.kind: sample for sample in sorted(found, key=lambda sample: -sample.path.stat().st_size)}
    return [pytest.param(sample, id=sample.name, marks=in_soak(smallest[sample.kind] != sample or _is_large(sample))) for sample in found]


def _is_large(sample: Sample) -> bool:
    # What is refused for its size is never decoded.
    return sample.name == SLOW or (sample.expected != "reject" and sample.size is not None and sample.size.area > LARGE)


def in_soak(alone: bool) -> Sequence[pytest.MarkDecorator]:
    """The marks of a parameter that stands for what another shows already, or takes too long."""
    return [pytest.mark.soak] if alone else []


def covering(*factors: Sequence[object]) -> list[ParameterSet]:
    """Each with each; in every run only so many that any two values of three or more factors meet, and of two each meets some."""
    modulus = min(sorted(map(len, factors))[-3:])
    found = []
    for numbered in product(*(enumerate(factor) for factor in factors)):
        places, values = zip(*numbered, strict=True)
        found.append(pytest.param(*values, marks=in_soak(sum(places) % modulus != 0)))
    return found


def image(width: int = 60, height: int = 40, *, quarters: tuple[tuple[int, int, int], ...] = (RED, GREEN, BLUE, YELLOW)) -> Any:
    """A libvips image: red, green, blue and yellow quarters, from the left upper one, row by row."""
    half, middle = (width + 1) // 2, (height + 1) // 2
    sizes = ((half, middle), (width - half, middle), (half, height - middle), (width - half, height - middle))
    parts = [pyvips.Image.black(*size).new_from_image(list(colour)) for size, colour in zip(sizes, quarters, strict=True)]
    return (
        pyvips.Image.arrayjoin(parts, across=2, hspacing=half, vspacing=middle)
        .crop(0, 0, width, height)
        .cast("uchar")
        .copy(interpretation="srgb")
    )


def transparent(width: int = 60, height: int = 40) -> Any:
    """The same, the right half of it transparent."""
    half = (width + 1) // 2
    opaque = pyvips.Image.black(half, height).new_from_image(255).embed(0, 0, width, height)
    return image(width, height).bandjoin(opaque.cast("uchar"))


def encoded(picture: Any, suffix: str = ".png", **options: object) -> bytes:
    data: bytes = picture.write_to_buffer(suffix, **options)
    return data


def jpeg(width: int = 60, height: int = 40) -> bytes:
    """Every quarter is many blocks of 8 x 8 away from its neighbours: quality 95 without chroma subsampling keeps the edges."""
    return encoded(image(width, height), ".jpg", Q=95, subsample_mode="off")


# How pixels must be stored so that the tag brings them upright again.
UNDO_ORIENTATION = {
    1: lambda picture: picture,
    2: lambda picture: picture.fliphor(),
    3: lambda picture: picture.rot180(),
    4: lambda picture: picture.flipver(),
    5: lambda picture: picture.rot90().fliphor(),
    6: lambda picture: picture.rot270(),
    7: lambda picture: picture.rot270().fliphor(),
    8: lambda picture: picture.rot90(),
}


def oriented(orientation: int, suffix: str = ".jpg", width: int = 60, height: int = 40) -> bytes:
    """The quarters, upright once the EXIF orientation is applied."""
    stored = UNDO_ORIENTATION[orientation](image(width, height)).copy()
    stored.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    return encoded(stored, suffix, **({"Q": 95, "subsample_mode": "off"} if suffix == ".jpg" else {}))


def animation(suffix: str = ".gif", *, frames: int = 3, loop: int = 0, delays: tuple[int, ...] = (50, 100, 150)) -> bytes:
    """Frames of 60 x 40 whose quarters change places from one to the next."""
    colours = (RED, GREEN, BLUE, YELLOW)
    strip = pyvips.Image.arrayjoin([image(quarters=colours[n % 4 :] + colours[: n % 4]) for n in range(frames)], across=1).copy()
    strip.set_type(pyvips.GValue.gint_type, "page-height", 40)
    strip.set_type(pyvips.GValue.array_int_type, "delay", list(delays))
    strip.set_type(pyvips.GValue.gint_type, "loop", loop)
    return encoded(strip, suffix, **({"lossless": True} if suffix == ".webp" else {}))


def png_header(width: int, height: int, *, interlaced: bool = False, depth: int = 8) -> bytes:
    """A PNG that claims any size and has no more than a few bytes of pixels."""
    header = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, interlaced)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(bytes(64))) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def gif_header(width: int, height: int, frames: int) -> bytes:
    """A GIF of black frames of 1 x 1 pixel after a first one of the whole size."""
    palette = bytes(6)
    screen = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + palette
    # LZW of one pixel of colour 0: clear, 0, end.
    pixel = b"\x02\x02\x44\x01\0"
    first = b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + pixel
    return screen + first + (b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + pixel) * (frames - 1) + b";"


def colours(data: bytes, page: int = 0) -> list[tuple[int, ...]]:
    """The colours in the middles of the four quarters of an encoded picture, from the left upper one, row by row."""
    decoded = pyvips.Image.new_from_buffer(data, "", page=page) if page else pyvips.Image.new_from_buffer(data, "")
    xs, ys = (decoded.width // 4, decoded.width * 3 // 4), (decoded.height // 4, decoded.height * 3 // 4)
    return [tuple(round(value) for value in decoded(x, y)) for y in ys for x in xs]


def near(left: tuple[int, ...], right: tuple[int, ...], tolerance: int = 12) -> bool:
    """Whether two colours are the same but for what lossy encoders do."""
    return len(left) == len(right) and all(abs(one - other) <= tolerance for one, other in zip(left, right, strict=True))
