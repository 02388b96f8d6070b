"""wm: another stored image laid over the picture."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple, Self

from transforms.geometry import Size, round_side, scaled_to
from transforms.operation import Image, Operation, Stage, param, register
from transforms.operations._bands import alpha_of, coloured
from transforms.operations._overlay import IMAGE_ID, PLACES, laid_on, placed, shortest
from transforms.operations.dpr import DevicePixelRatio
from transforms.params import decimal_text

TILE = "tile"
MEASURE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,2})?)([px])", re.ASCII)
HUNDREDTH, MOST_TIMES = Decimal("0.01"), Decimal(16)


class Measure(NamedTuple):
    """So many percent (p) of something else, or times (x) its own."""

    value: Decimal
    unit: str

    def __str__(self) -> str:
        return decimal_text(self.value) + self.unit


class Watermarking(NamedTuple):
    """`place` is a side, a corner, the middle or `tile`; `width` is in percent of the picture's or times the image's own."""

    image: str
    place: str = "southeast"
    opacity: Measure = Measure(Decimal(100), "p")
    width: Measure = Measure(Decimal(1), "x")


@dataclass(frozen=True)
class WatermarkText:
    expected: str = (
        "_ and the id of an image; if you like then _ and its place (southeast, …, tile), then its opacity (_1p to _100p), "
        f"then its width (_1p to _100p of the picture's, or _{HUNDREDTH}x to _{MOST_TIMES}x of its own)"
    )

    def parse(self, number: str | None, values: tuple[str, ...]) -> Watermarking:
        if number is not None or not 1 <= len(values) <= len(Watermarking._fields) or not IMAGE_ID.fullmatch(values[0]):
            raise ValueError(self.expected)
        default = Watermarking(values[0])
        place = values[1] if len(values) > 1 else default.place
        if place not in (*PLACES, TILE):
            raise ValueError(self.expected)
        opacity = self._measure(values[2], "p") if len(values) > 2 else default.opacity
        return Watermarking(values[0], place, opacity, self._measure(values[3], "px") if len(values) > 3 else default.width)

    def _measure(self, text: str, units: str) -> Measure:
        match = MEASURE.fullmatch(text)
        if match is None or match[2] not in units:
            raise ValueError(self.expected)
        measure = Measure(Decimal(match[1]), match[2])
        lowest, highest = (1, 100) if measure.unit == "p" else (HUNDREDTH, MOST_TIMES)
        if not lowest <= measure.value <= highest:
            raise ValueError(self.expected)
        return measure

    def format(self, value: Watermarking) -> str:
        return shortest([str(part) for part in value], value, Watermarking(value.image))


@register
@dataclass(frozen=True, kw_only=True)
class Watermark(Operation):
    """In its own size, or as wide as is asked for, but never larger than the picture; what is tiled begins in the left upper corner."""

    wm: Watermarking | None = param(
        WatermarkText(),
        default=None,
        summary="lay another stored image over the picture: its id, place, opacity and width",
        example=f"w200,wm_{'a' * 26}_southeast_80p_30p",
    )

    def uses(self) -> frozenset[str]:
        return frozenset({"dpr"} if self.wm and self.wm.width.unit == "x" else ())

    def images(self) -> frozenset[str]:
        return frozenset({self.wm.image} if self.wm else ())

    def resolved(self, size: Size, stage: Stage) -> Self | None:
        if self.wm is None or self.wm.width.unit == "p":
            return self if self.wm else None
        times = (self.wm.width.value * stage.get(DevicePixelRatio).dpr).quantize(HUNDREDTH)
        return replace(self, wm=self.wm._replace(width=Measure(min(times, MOST_TIMES), "x")))

    def apply(self, frames: Sequence[Image], size: Size, stage: Stage) -> list[Image]:
        if self.wm is None:
            return list(frames)
        picture = stage.images[self.wm.image]
        made = _fitting(picture.size, self.wm.width, size)
        overlay = _faded(picture.load(made), float(self.wm.opacity.value) / 100)
        if self.wm.place == TILE:
            return laid_on(frames, overlay.replicate(-(-size.width // made.width), -(-size.height // made.height)), 0, 0)
        return laid_on(frames, overlay, *placed(size, made, self.wm.place))


def _fitting(own: Size, width: Measure, size: Size) -> Size:
    """The size in which an image lies on a picture of `size`."""
    if width.unit == "p":
        return scaled_to(own, round_side(size.width * width.value / 100), size.height)
    wanted = own.times(Fraction(width.value))
    return wanted if wanted.within(size) else scaled_to(own, *size)


def _faded(image: Image, opacity: float) -> Image:
    """With alpha, and all of it by so much less; in memory, for every frame gets it."""
    colour = coloured(image).extract_band(0, n=3)
    return colour.bandjoin((alpha_of(image) * opacity).rint().cast("uchar")).copy_memory()
