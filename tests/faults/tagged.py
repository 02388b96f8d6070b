"""Pictures whose colours spell a number, so that a wrong, mixed-up or truncated answer is seen in every format.

The upper quarters hold the number in three channels each, of eight levels; the lower ones hold what is missing to seven, as a check.
In thumbnails of less than 64 pixels the colours of the quarters run into each other.
"""

from dataclasses import dataclass

import pyvips

from tests.photos import NOISE

CAPACITY = 8**6
LEVELS = tuple(range(28, 253, 32))
# Less than half of the way to the next level; encoders move the colours of thumbnails that far.
TOLERANCE = 15


class NotTagged(ValueError):
    """The bytes are no whole picture, or its colours spell no number."""


@dataclass(frozen=True, kw_only=True)
class Tag:
    """What a picture says of itself."""

    number: int
    width: int
    height: int


def tagged(number: int, width: int = 640, height: int = 480, *, format: str = "jpg", noise: float = NOISE) -> bytes:
    """An encoded picture of this number; `noise` makes it as hard to decode and to shrink as a photo. The same number: the same bytes."""
    digits = [number // 8**place % 8 for place in range(6)]
    if not 0 <= number < CAPACITY:
        raise ValueError(f"{number} is not between 0 and {CAPACITY - 1}")
    upper, lower = digits, [7 - digit for digit in digits]
    quarters = [_flat(row[at : at + 3], width // 2, height // 2) for row in (upper, lower) for at in (0, 3)]
    picture = pyvips.Image.arrayjoin(quarters, across=2)
    if noise:
        picture = picture + pyvips.Image.gaussnoise(picture.width, picture.height, mean=0, sigma=noise, seed=number)
    data: bytes = picture.cast("uchar").copy(interpretation="srgb").write_to_buffer(f".{format}")
    return data


def _flat(digits: list[int], width: int, height: int) -> pyvips.Image:
    return pyvips.Image.black(width, height).new_from_image([LEVELS[digit] for digit in digits])


def read_tag(data: bytes) -> Tag:
    """Decode the whole picture and read its number; NotTagged."""
    try:
        picture = pyvips.Image.new_from_buffer(data, "", fail_on="truncated").colourspace("srgb").extract_band(0, n=3)
        means = picture.shrink(picture.width / 2, picture.height / 2).write_to_memory()
    except pyvips.Error as error:
        raise NotTagged(f"no whole picture: {error}") from error
    digits = [_digit(value) for value in bytes(means)]
    if any(one + other != 7 for one, other in zip(digits[:6], digits[6:], strict=True)):
        raise NotTagged(f"the colours do not agree: {digits}")
    number = sum(digit * 8**place for place, digit in enumerate(digits[:6]))
    return Tag(number=number, width=picture.width, height=picture.height)


def _digit(value: int) -> int:
    level = min(LEVELS, key=lambda known: abs(known - value))
    if abs(level - value) > TOLERANCE:
        raise NotTagged(f"a colour between the levels: {value}")
    return LEVELS.index(level)
