"""crop: cut a box out of the oriented picture."""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple, Self

from transforms.errors import ImpossibleOutput
from transforms.geometry import Box, Size, round_side
from transforms.operation import Image, Operation, Stage, param, register
from transforms.params import decimal_text

MAX_PIXELS = 65535


class Length(NamedTuple):
    """So many pixels, or percent of the picture's side."""

    value: Decimal
    percent: bool = False

    def pixels(self, side: int) -> int:
        """Half up: a place may be 0."""
        return int(Fraction(self.value * side / 100 if self.percent else self.value) + Fraction(1, 2))

    def __str__(self) -> str:
        return decimal_text(self.value) + "p" * self.percent


class CropBox(NamedTuple):
    x: Length
    y: Length
    width: Length
    height: Length


def exactly(box: Box) -> CropBox:
    """The box in pixels."""
    return CropBox(*(Length(Decimal(side)) for side in box))


@dataclass(frozen=True)
class CropText:
    expected: str = f"_x_y_width_height, each in pixels (to {MAX_PIXELS}) or percent (10p), the width and height above 0"

    def parse(self, number: str | None, values: tuple[str, ...]) -> CropBox:
        if number is not None or len(values) != 4:
            raise ValueError(self.expected)
        box = CropBox(*(self._length(value) for value in values))
        if not box.width.value or not box.height.value:
            raise ValueError(self.expected)
        return box

    def _length(self, text: str) -> Length:
        digits = text.removesuffix("p")
        percent = digits != text
        whole, point, places = digits.partition(".")
        well_formed = digits.isascii() and whole.isdigit() and (places.isdigit() if percent and point else not point)
        if not well_formed or len(whole) > 5 or len(places) > 2:
            raise ValueError(self.expected)
        length = Length(Decimal(digits), percent)
        if length.value > (100 if percent else MAX_PIXELS):
            raise ValueError(self.expected)
        return length

    def format(self, value: CropBox) -> str:
        return "".join(f"_{length}" for length in value)


@register
@dataclass(frozen=True, kw_only=True)
class Crop(Operation):
    crop: CropBox | None = param(
        CropText(),
        default=None,
        summary="cut out the box at x, y; what lies outside the picture is left off",
        example="crop_10p_10p_80p_80p",
    )

    def box(self, size: Size) -> Box:
        if self.crop is None:
            return Box(0, 0, *size)
        x, y, width, height = self.crop
        wanted = Box(x.pixels(size.width), y.pixels(size.height), max(1, width.pixels(size.width)), max(1, height.pixels(size.height)))
        return wanted.clipped(size)

    def resolved(self, size: Size, stage: Stage) -> Self | None:
        box = self.box(size)
        if not box.width or not box.height:
            raise ImpossibleOutput(f"Nothing is left of a picture of {size.width} x {size.height} pixels after {self.tokens()['crop']}.")
        return None if box.size == size else type(self)(crop=exactly(box))

    def output_size(self, size: Size, stage: Stage) -> Size:
        return self.box(size).size

    def shrunk(self, size: Size, to: Size, stage: Stage) -> Operation | None:
        return region(self.box(size), size, to)

    def apply_to_frame(self, frame: Image, size: Size, stage: Stage) -> Image:
        return frame.crop(*self.box(size))


def region(box: Box, size: Size, to: Size) -> "Region":
    """The box in a picture of `size`, cut out of it when it was shrunk to `to`."""
    across, along = Fraction(to.width, size.width), Fraction(to.height, size.height)
    return Region(left=box.left * across, top=box.top * along, width=box.width * across, height=box.height * along)


@dataclass(frozen=True, kw_only=True)
class Region(Operation):
    """A crop as it runs on a shrunken picture, where its edges lie between pixels. No text means it."""

    left: Fraction
    top: Fraction
    width: Fraction
    height: Fraction

    def output_size(self, size: Size, stage: Stage) -> Size:
        return Size(round_side(self.width), round_side(self.height))

    def apply_to_frame(self, frame: Image, size: Size, stage: Stage) -> Image:
        width, height = self.output_size(size, stage)
        across, along = width / self.width, height / self.height
        return frame.affine(
            [float(across), 0, 0, float(along)],
            interpolate=stage.interpolate,
            # libvips maps the middles of pixels.
            odx=float((across - 1) / 2 - self.left * across),
            ody=float((along - 1) / 2 - self.top * along),
            oarea=[0, 0, width, height],
            extend="copy",
        )
