"""Finding a quality: the least that looks good enough, or the highest that fits into so many bytes.

Both begin on a sample of a large picture, which costs the same however large it is, and need few encodes of the whole. The same picture
and plan always give the same bytes: no clock decides anything here.
"""

from bisect import bisect_left
from collections.abc import Callable
from functools import cache, partial
from typing import TypeAlias

import pyvips

from transforms.engine.likeness import likeness, planes
from transforms.formats import FORMATS
from transforms.operation import Image

Encode: TypeAlias = Callable[[Image, int], bytes]

# What q_auto aims at, in the score of `likeness`: about what our default qualities have on photos.
TARGET = 72.0
# The qualities among which q_auto chooses, so few that a search by halves takes at most 5, 5 and 4 encodes of the sample.
CHOICES = {"jpg": range(34, 96, 2), "webp": range(34, 96, 2), "avif": range(30, 90, 4)}
# Pixels of a picture that is its own sample, and of the tiles that make the sample of a larger one: whole blocks of all our formats.
SAMPLE_PIXELS = 768 * 768
TILE, TILES = 192, 4
# Encodes of a whole picture that is larger than its sample, until the best that fitted is taken.
MOST_ENCODES = 4


def sampled(image: Image) -> Image:
    """The picture itself, or for a large one tiles from all over it."""
    if image.width * image.height <= SAMPLE_PIXELS:
        return image
    lefts, tops = _places(image.width), _places(image.height)
    width, height = min(TILE, image.width), min(TILE, image.height)
    tiles = [image.crop(left, top, width, height) for top in tops for left in lefts]
    sample = pyvips.Image.arrayjoin(tiles, across=len(lefts)).copy_memory()
    if "page-height" in sample.get_fields():
        # It is one picture, even where it was cut from the frames of an animation.
        sample.remove("page-height")
    return sample


def _places(side: int) -> list[int]:
    """Where tiles begin, evenly spread; one tile where there is no room for them all side by side."""
    count = min(TILES, max(1, side // TILE))
    room = max(0, side - TILE)
    return [room * n // max(1, count - 1) for n in range(count)]


def good_enough(encode: Encode, sample: Image, format: str) -> int:
    """The least of the format's choices at which the sample looks good enough, or the highest of them."""
    original = planes(sample)

    def reaches(quality: int) -> bool:
        # Of an animation all frames.
        seen = pyvips.Image.new_from_buffer(encode(sample, quality), "", **({"n": -1} if FORMATS[format].animation else {}))
        return likeness(original, seen) >= TARGET

    choices = CHOICES[format]
    return choices[min(bisect_left(choices, True, key=reaches), len(choices) - 1)]


def fitting(encode: Encode, image: Image, sample: Image, highest: int, limit: int) -> tuple[bytes, bool]:
    """The bytes of the highest quality, at most `highest`, that fit into the limit, and True; or the fewest bytes reached, and False.

    What the sample takes foretells what the whole takes. Where the sample is the whole, that is exact, and takes at most 7 encodes.
    """
    tried = cache(lambda quality: encode(sample, quality))
    whole, scale = tried if sample is image else partial(encode, image), image.width * image.height / (sample.width * sample.height)
    best, low, high = b"", 0, highest + 1
    for turn in range(MOST_ENCODES):
        fits = low + bisect_left(range(low + 1, high), True, key=lambda quality: len(tried(quality)) * scale > limit)
        if best and fits == low:
            break
        # The last turn is for the least, when nothing fitted before.
        quality = 1 if turn == MOST_ENCODES - 1 and not best else max(1, fits)
        data = whole(quality)
        scale = len(data) / len(tried(quality))
        if len(data) <= limit:
            low, best = quality, data
        elif quality == 1:
            return data, False
        else:
            high = quality
        if sample is image:
            break
    return best, True
