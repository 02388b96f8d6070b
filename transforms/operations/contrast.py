"""contrast: further from middle grey, or nearer to it."""

from dataclasses import dataclass
from decimal import Decimal

from transforms.geometry import Size
from transforms.operation import Image, Operation, Stage, param, register
from transforms.operations._bands import WHITEST, by_curve
from transforms.params import Number

MIDDLE = WHITEST / 2


@register
@dataclass(frozen=True, kw_only=True)
class Contrast(Operation):
    """The distance of every channel from the middle is multiplied by the factor, as with contrast() of the CSS filter effects."""

    contrast: Decimal = param(
        Number(Decimal(0), Decimal(10)),
        default=Decimal(1),
        summary="more contrast above 1, less below, all grey at 0",
        example="contrast1.5",
    )

    def apply_to_frame(self, frame: Image, size: Size, stage: Stage) -> Image:
        factor = float(self.contrast)
        return by_curve(frame, lambda level: factor * (level - MIDDLE) + MIDDLE)
