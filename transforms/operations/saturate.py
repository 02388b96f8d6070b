"""saturate: stronger or weaker colours."""

from dataclasses import dataclass
from decimal import Decimal

from transforms.geometry import Size
from transforms.operation import Image, Operation, Stage, param, register
from transforms.operations._bands import CSS_LUMA, by_matrix
from transforms.params import Number


@register
@dataclass(frozen=True, kw_only=True)
class Saturate(Operation):
    """The distance of every channel from the luma is multiplied by the factor, as with saturate() of the CSS filter effects."""

    saturate: Decimal = param(
        Number(Decimal(0), Decimal(10)),
        default=Decimal(1),
        summary="stronger colours above 1, weaker below, none at 0",
        example="saturate1.6",
    )

    def apply_to_frame(self, frame: Image, size: Size, stage: Stage) -> Image:
        factor = float(self.saturate)
        rows = [[(1 - factor) * weight + factor * (row == column) for column, weight in enumerate(CSS_LUMA)] for row in range(3)]
        return by_matrix(frame, rows)
