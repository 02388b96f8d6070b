"""gray: take the colour out."""

from dataclasses import dataclass

from transforms.geometry import Size
from transforms.operation import Image, Operation, Stage, param, register
from transforms.operations._bands import by_luma
from transforms.params import Flag


@register
@dataclass(frozen=True, kw_only=True)
class Gray(Operation):
    """Every pixel becomes its Rec. 709 luma, as with grayscale(1) of the CSS filter effects."""

    gray: bool = param(Flag(), default=False, summary="shades of grey", example="gray")

    def apply_to_frame(self, frame: Image, size: Size, stage: Stage) -> Image:
        return by_luma(frame, lambda level: (level, level, level))
