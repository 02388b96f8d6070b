"""gamma: lighter or darker in the middle, while black and white stay."""

from dataclasses import dataclass
from decimal import Decimal

from transforms.geometry import Size
from transforms.operation import Image, Operation, Stage, param, register
from transforms.operations._bands import WHITEST, by_curve
from transforms.params import Number


@register
@dataclass(frozen=True, kw_only=True)
class Gamma(Operation):
    """Every channel, as a share of white, is raised to 1 / gamma: feFuncR of type gamma in SVG, and -gamma of ImageMagick."""

    gamma: Decimal = param(
        Number(Decimal("0.1"), Decimal(10)), default=Decimal(1), summary="lighter middle tones above 1, darker below", example="gamma2.2"
    )

    def apply_to_frame(self, frame: Image, size: Size, stage: Stage) -> Image:
        exponent = 1 / float(self.gamma)
        return by_curve(frame, lambda level: WHITEST * (level / WHITEST) ** exponent)
