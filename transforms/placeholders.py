"""What a page shows before the picture is there: a ThumbHash, the dominant colour and a picture of a few pixels."""

import base64
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import product
from math import cos, pi
from operator import mul
from typing import NamedTuple

from transforms.geometry import Size
from transforms.operation import Image
from transforms.params import WHITE, Colour
from transforms.values import Placeholders

# A ThumbHash is made of at most so many pixels a side, as its reference implementation does; the dominant colour is found among them too.
SIDE = 100
# A block of WebP. On 116 pictures of all kinds the median was 106 bytes and the largest 322; with all levels of alpha it was 398.
TINY_SIDE = 16
TINY_OPTIONS = {"Q": 40, "alpha_q": 50}
# Levels of a channel in a cell of the histogram. Two cells a side are a bin.
CELL = 16


def placeholders(frame: Image) -> Placeholders:
    """All of them, of an upright 8-bit sRGB frame with or without alpha."""
    small = _small(frame)
    rgba, size = bytes(small.write_to_memory()), Size(small.width, small.height)
    return Placeholders(
        thumbhash=base64.b64encode(thumbhash(rgba, size)).decode(),
        colour=f"#{_dominant(rgba).hex}",
        data_uri=f"data:image/webp;base64,{base64.b64encode(_tiny(small)).decode()}",
    )


def dominant(frame: Image) -> Colour:
    """The opaque colour that most of the picture nearly has; white when all of it is transparent."""
    return _dominant(bytes(_small(frame).write_to_memory()))


def _small(frame: Image) -> Image:
    """At most SIDE pixels a side, of four bands."""
    coloured = frame if frame.bands > 2 else frame.colourspace("srgb")
    small = coloured.thumbnail_image(SIDE, height=SIDE, size="down")
    return (small if small.hasalpha() else small.addalpha()).cast("uchar").copy_memory()


def _tiny(small: Image) -> bytes:
    tiny = small.thumbnail_image(TINY_SIDE, height=TINY_SIDE, size="down")
    return bytes(tiny.webpsave_buffer(keep="none", **TINY_OPTIONS))


def _dominant(rgba: bytes) -> Colour:
    """The mean of the fullest bin of a histogram: unlike the mean of all pixels, it is a colour that the picture has.

    Bins are cubes of 2 x 2 x 2 cells that overlap by a cell, so that no border divides colours that lie close together. A pixel counts as
    much as it is opaque.
    """
    cells: defaultdict[tuple[int, int, int], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for red, green, blue, alpha in zip(*(rgba[band::4] for band in range(4)), strict=True):
        cell = cells[red // CELL, green // CELL, blue // CELL]
        cell[0] += alpha
        cell[1] += alpha * red
        cell[2] += alpha * green
        cell[3] += alpha * blue
    bins: defaultdict[tuple[int, ...], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for (red, green, blue), found in cells.items():
        for corner in product((red - 1, red), (green - 1, green), (blue - 1, blue)):
            bins[corner] = [have + more for have, more in zip(bins[corner], found, strict=True)]
    weight, *sums = max(bins.values())
    return Colour(*(round(total / weight) for total in sums)) if weight else WHITE


class _Waves(NamedTuple):
    """A channel as cosines: the mean, the amplitudes divided by the largest, and the largest."""

    mean: float
    amplitudes: Sequence[float]
    scale: float


def thumbhash(rgba: bytes, size: Size) -> bytes:
    """The ThumbHash (format and reference implementation: https://github.com/evanw/thumbhash) of a picture of at most 100 pixels a side.

    `rgba` has four bytes a pixel, not premultiplied. Halves are rounded up, as there.
    """
    light, yellow, red, alpha = _channels(rgba)
    see_through = sum(alpha) < size.area
    longest = 5 if see_through else 7
    terms = Size(*(max(1, _half_up(longest * side / max(size))) for side in size))
    lights = _waves(light, size, max(3, terms.width), max(3, terms.height))
    colours = [_waves(channel, size, 3, 3) for channel in (yellow, red)]
    alphas = [_waves(alpha, size, 5, 5)] if see_through else []
    lies = size.width > size.height
    fields = [
        (6, 63 * lights.mean),
        *((6, 31.5 + 31.5 * waves.mean) for waves in colours),
        (5, 31 * lights.scale),
        (1, see_through),
        (3, terms.height if lies else terms.width),
        *((6, 63 * waves.scale) for waves in colours),
        (1, lies),
        *((4, 15 * part) for waves in alphas for part in (waves.mean, waves.scale)),
        *((4, 15 * amplitude) for waves in (lights, *colours, *alphas) for amplitude in waves.amplitudes),
    ]
    return _packed(fields)


def _channels(rgba: bytes) -> tuple[Sequence[float], ...]:
    """Lightness, yellow against blue, red against green and alpha, for each pixel; what shines through is the mean colour."""
    alpha = [level / 255 for level in rgba[3::4]]
    bands = []
    for band in range(3):
        shown = [level / 255 * share for level, share in zip(rgba[band::4], alpha, strict=True)]
        mean = sum(shown) / (sum(alpha) or 1)
        bands.append([mean * (1 - share) + level for level, share in zip(shown, alpha, strict=True)])
    red, green, blue = bands
    light = [sum(pixel) / 3 for pixel in zip(red, green, blue, strict=True)]
    yellow = [(r + g) / 2 - b for r, g, b in zip(red, green, blue, strict=True)]
    return light, yellow, [r - g for r, g in zip(red, green, strict=True)], alpha


def _waves(channel: Sequence[float], size: Size, across: int, down: int) -> _Waves:
    """The lowest frequencies of the cosine transform: the triangle of `across` by `down` of them, row by row."""
    rows = [channel[start : start + size.width] for start in range(0, size.area, size.width)]
    columns = [[sum(map(mul, row, wave)) for row in rows] for wave in _cosines(size.width, across)]
    mean, *found = [
        sum(map(mul, column, wave)) / size.area
        for y, wave in enumerate(_cosines(size.height, down))
        for x, column in enumerate(columns)
        if x * down < across * (down - y)
    ]
    scale = max(map(abs, found))
    return _Waves(mean, [0.5 + 0.5 / scale * amplitude if scale else 0.0 for amplitude in found], scale)


def _cosines(side: int, count: int) -> Iterator[Sequence[float]]:
    for frequency in range(count):
        yield [cos(pi / side * frequency * (at + 0.5)) for at in range(side)]


def _packed(fields: Sequence[tuple[int, float]]) -> bytes:
    """Whole numbers of so many bits each, the lowest first, filled up to a byte."""
    packed = length = 0
    for bits, value in fields:
        packed |= _half_up(value) << length
        length += bits
    return packed.to_bytes((length + 7) // 8, "little")


def _half_up(value: float) -> int:
    return int(value + 0.5)
