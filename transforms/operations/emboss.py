"""emboss: a relief."""

from dataclasses import dataclass

from transforms.geometry import Size
from transforms.operation import Image, Operation, Stage, param, register
from transforms.operations._bands import colour_only
from transforms.params import Flag

# Light from the left upper corner: the change along the diagonal is added to the picture. The sum is 1, so flat areas stay.
RELIEF = [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]


@register
@dataclass(frozen=True, kw_only=True)
class Emboss(Operation):
    emboss: bool = param(Flag(), default=False, summary="make a relief, lit from the left upper corner", example="w200,emboss")

    def apply_to_frame(self, frame: Image, size: Size, stage: Stage) -> Image:
        return colour_only(frame, _relief) if self.emboss else frame


def _relief(colour: Image) -> Image:
    return colour.conv(type(colour).new_from_array(RELIEF), precision="float")
