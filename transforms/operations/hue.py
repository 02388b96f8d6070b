"""hue: turn the colour wheel."""

from dataclasses import dataclass
from math import cos, radians, sin

from transforms.geometry import Size
from transforms.operation import Image, Operation, Stage, param, register
from transforms.operations._bands import CSS_LUMA, by_matrix
from transforms.params import Integer

# What the sine of the angle is multiplied by, in hue-rotate() of the CSS filter effects.
ACROSS = ((-0.213, -0.715, 0.928), (0.143, 0.140, -0.283), (-0.787, 0.715, 0.072))


@register
@dataclass(frozen=True, kw_only=True)
class Hue(Operation):
    """Colours turn around the grey axis by degrees, as with hue-rotate() of the CSS filter effects."""

    hue: int = param(Integer(0, 359), default=0, summary="turn the colour wheel by degrees: 120 makes red green", example="hue120")

    def apply_to_frame(self, frame: Image, size: Size, stage: Stage) -> Image:
        along, across = cos(radians(self.hue)), sin(radians(self.hue))
        rows = [
            [weight + along * ((row == column) - weight) + across * ACROSS[row][column] for column, weight in enumerate(CSS_LUMA)]
            for row in range(3)
        ]
        return by_matrix(frame, rows)
