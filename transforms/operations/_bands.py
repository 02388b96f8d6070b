"""What colour operations share: they see three bands of 8-bit sRGB, whatever the frame has, and alpha stays as it is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from transforms.operation import Image

WHITEST = 255
LEVELS = range(WHITEST + 1)
# Luma of Rec. 709, as grayscale() of the CSS filter effects has it; saturate() and hue-rotate() there round it to three places.
REC_709 = (0.2126, 0.7152, 0.0722)
CSS_LUMA = (0.213, 0.715, 0.072)


class Ink(NamedTuple):
    """An opaque colour: red, green and blue, each 0 to 255."""

    red: int
    green: int
    blue: int


@dataclass(frozen=True)
class InkText:
    """A colour without alpha."""

    expected: str = "a colour of 3 or 6 hexadecimal digits after an underscore"

    def parse(self, number: str | None, values: tuple[str, ...]) -> Ink:
        if number is not None or len(values) != 1 or len(values[0]) not in (3, 6) or not values[0].isalnum():
            raise ValueError(self.expected)
        return Ink(*bytes.fromhex("".join(2 * digit for digit in values[0]) if len(values[0]) == 3 else values[0]))

    def format(self, value: Ink) -> str:
        return f"_{bytes(value).hex()}"


def colour_only(frame: Image, change: Callable[[Image], Image]) -> Image:
    """The frame with its three bands of colour changed, rounded and clipped to 8 bits; alpha is as before."""
    ready = coloured(frame)
    changed = change(ready.extract_band(0, n=3)).rint().cast("uchar").copy(interpretation="srgb")
    return changed.bandjoin(ready.extract_band(3)) if ready.hasalpha() else changed


def coloured(frame: Image) -> Image:
    """The frame with three bands of colour, and alpha where it has one."""
    return frame if frame.bands > 2 else frame.colourspace("srgb")


def by_curve(frame: Image, curve: Callable[[int], float]) -> Image:
    """Every level of every channel replaced by what the curve says of it."""
    return colour_only(frame, lambda colour: colour.maplut(_table(colour, [curve(level) for level in LEVELS])))


def by_matrix(frame: Image, rows: Sequence[Sequence[float]], offset: float = 0) -> Image:
    """Red, green and blue as mixtures of themselves, and `offset` levels added."""
    return colour_only(frame, lambda colour: colour.recomb(_rows(colour, rows)) + offset)


def by_luma(frame: Image, ramp: Callable[[int], Sequence[float]], weights: Sequence[float] = REC_709) -> Image:
    """Every pixel replaced by the red, green and blue that the ramp says for its luma, rounded to a level."""

    def change(colour: Image) -> Image:
        red, green, blue = (_table(colour, channel) for channel in zip(*map(ramp, LEVELS), strict=True))
        return luma(colour, weights).maplut(red.bandjoin([green, blue]))

    return colour_only(frame, change)


def luma(frame: Image, weights: Sequence[float] = REC_709) -> Image:
    """One band: the lightness of the frame's colours, rounded to a level."""
    colour = coloured(frame).extract_band(0, n=3)
    return colour.recomb(_rows(colour, [weights])).rint().cast("uchar").copy(interpretation="b-w")


def alpha_of(frame: Image) -> Image:
    """One band: the opacity of the frame, 255 everywhere when it has no alpha."""
    opaque = frame if frame.hasalpha() else frame.addalpha()
    return opaque.extract_band(opaque.bands - 1)


def _rows(image: Image, rows: Sequence[Sequence[float]]) -> Image:
    return type(image).new_from_array([list(row) for row in rows])


def _table(image: Image, levels: Sequence[float]) -> Image:
    return type(image).new_from_array([list(levels)]).rint().cast("uchar")
