"""invert: the negative."""

from dataclasses import dataclass

from transforms.geometry import Size
from transforms.operation import Image, Operation, Stage, param, register
from transforms.operations._bands import WHITEST, by_curve
from transforms.params import Flag


@register
@dataclass(frozen=True, kw_only=True)
class Invert(Operation):
    """Every channel becomes 255 minus itself, as with invert(1) of the CSS filter effects."""

    invert: bool = param(Flag(), default=False, summary="the negative", example="invert")

    def apply_to_frame(self, frame: Image, size: Size, stage: Stage) -> Image:
        return by_curve(frame, lambda level: WHITEST - level)
