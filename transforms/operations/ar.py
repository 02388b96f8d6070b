"""ar: cut to an aspect ratio."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple, Self

from transforms.geometry import Size, crop_around
from transforms.operation import Image, Operation, Stage, param, register
from transforms.operations.crop import region
from transforms.operations.gravity import Gravity, Point

MAX_TERM = 65535


class Ratio(NamedTuple):
    """Width to height, in lowest terms."""

    width: int
    height: int


def ratio_of(width: int, height: int) -> Ratio:
    return Ratio(*Fraction(width, height).as_integer_ratio())


@dataclass(frozen=True)
class RatioText:
    expected: str = f"_width_height, each a whole number from 1 to {MAX_TERM}"

    def parse(self, number: str | None, values: tuple[str, ...]) -> Ratio:
        if number is not None or len(values) != 2:
            raise ValueError(self.expected)
        return ratio_of(*(self._term(value) for value in values))

    def _term(self, text: str) -> int:
        if not (text.isascii() and text.isdigit()) or len(text) > 5 or not 1 <= int(text) <= MAX_TERM:
            raise ValueError(self.expected)
        return int(text)

    def format(self, value: Ratio) -> str:
        return f"_{value.width}_{value.height}"


@register
@dataclass(frozen=True, kw_only=True)
class AspectRatio(Operation):
    ar: Ratio | None = param(
        RatioText(), default=None, summary="cut to a ratio of width to height; g says what stays", example="ar_16_9,w320,g_north"
    )

    def uses(self) -> frozenset[str]:
        return frozenset({"g"} if self.ar else ())

    def resolved(self, size: Size, stage: Stage) -> Self | None:
        """The ratio of the very pixels that come out: ratios that differ by less than a pixel have one key."""
        box = self.output_size(size, stage)
        return None if box == size else type(self)(ar=ratio_of(*box))

    def output_size(self, size: Size, stage: Stage) -> Size:
        """The largest of this ratio that the picture holds."""
        if self.ar is None:
            return size
        return Size(*self.ar).times(min(Fraction(size.width, self.ar.width), Fraction(size.height, self.ar.height)))

    def shrunk(self, size: Size, to: Size, stage: Stage) -> Operation | None:
        """The very box where the point says it. What draws the eye is looked for on the shrunken picture."""
        point = stage.get(Gravity).g
        if not isinstance(point, Point):
            return self
        return region(crop_around(size, self.output_size(size, stage), point.x, point.y), size, to)

    def apply(self, frames: Sequence[Image], size: Size, stage: Stage) -> list[Image]:
        # One place for all frames: an animation must not jump.
        box = stage.get(Gravity).place(self.output_size(size, stage), frames[0])
        return [frame.crop(*box) for frame in frames]
