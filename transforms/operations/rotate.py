"""rotate: turn clockwise."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import cos, radians, sin

from transforms.geometry import Size, round_side
from transforms.operation import Image, Operation, Stage, param, register
from transforms.operations.background import Background, turned
from transforms.params import Integer


@register
@dataclass(frozen=True, kw_only=True)
class Rotate(Operation):
    rotate: int = param(
        Integer(0, 359), default=0, summary="turn clockwise by degrees; what is laid bare shows the background", example="rotate90"
    )

    def uses(self) -> frozenset[str]:
        return frozenset({"bg"} if self.rotate % 90 else ())

    def output_size(self, size: Size, stage: Stage) -> Size:
        """The upright rectangle around the turned picture."""
        if self.rotate % 180 == 0:
            return size
        if self.rotate % 90 == 0:
            return Size(size.height, size.width)
        across, along = abs(sin(radians(self.rotate))), abs(cos(radians(self.rotate)))
        width, height = size.width * along + size.height * across, size.width * across + size.height * along
        return Size(round_side(Fraction(width)), round_side(Fraction(height)))

    def lets_through(self, transparent: bool, stage: Stage) -> bool:
        return transparent or (self.rotate % 90 > 0 and not stage.get(Background).opaque)

    def shrunk(self, size: Size, to: Size, stage: Stage) -> Operation | None:
        return None if self.rotate % 90 else self

    def apply(self, frames: Sequence[Image], size: Size, stage: Stage) -> list[Image]:
        if self.rotate % 90 == 0:
            return [frame.rot(f"d{self.rotate}") for frame in frames]
        canvas = self.output_size(size, stage)
        return stage.get(Background).filled(frames, lambda frame, colour: turned(frame, self.rotate, canvas, colour))
