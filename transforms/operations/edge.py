"""edge: outlines on black."""

from dataclasses import dataclass

from transforms.geometry import Size
from transforms.operation import Image, Operation, Stage, param, register
from transforms.operations._bands import colour_only
from transforms.params import Flag

# Sobel's operator: the change from left to right, and turned by 90 degrees that from top to bottom.
SOBEL = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]


@register
@dataclass(frozen=True, kw_only=True)
class Edge(Operation):
    edge: bool = param(Flag(), default=False, summary="show where colours change, on black", example="w200,edge")

    def apply_to_frame(self, frame: Image, size: Size, stage: Stage) -> Image:
        return colour_only(frame, _steepness) if self.edge else frame


def _steepness(colour: Image) -> Image:
    """The length of the gradient in each band."""
    mask = type(colour).new_from_array(SOBEL)
    across, down = (colour.conv(turned, precision="float") for turned in (mask, mask.rot90()))
    return (across * across + down * down) ** 0.5
