"""brightness: lighter or darker."""

from dataclasses import dataclass
from decimal import Decimal

from transforms.geometry import Size
from transforms.operation import Image, Operation, Stage, param, register
from transforms.operations._bands import by_curve
from transforms.params import Number


@register
@dataclass(frozen=True, kw_only=True)
class Brightness(Operation):
    """Every channel is multiplied by the factor, as with brightness() of the CSS filter effects."""

    brightness: Decimal = param(
        Number(Decimal(0), Decimal(10)), default=Decimal(1), summary="lighter above 1, darker below, black at 0", example="brightness1.3"
    )

    def apply_to_frame(self, frame: Image, size: Size, stage: Stage) -> Image:
        factor = float(self.brightness)
        return by_curve(frame, lambda level: factor * level)
