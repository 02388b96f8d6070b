"""sepia: the brown of old photographs."""

from dataclasses import dataclass

from transforms.geometry import Size
from transforms.operation import Image, Operation, Stage, param, register
from transforms.operations._bands import by_matrix
from transforms.params import Flag

# sepia(1) of the CSS filter effects.
BROWN = ((0.393, 0.769, 0.189), (0.349, 0.686, 0.168), (0.272, 0.534, 0.131))


@register
@dataclass(frozen=True, kw_only=True)
class Sepia(Operation):
    """Shades of brown, as with sepia(1) of the CSS filter effects."""

    sepia: bool = param(Flag(), default=False, summary="shades of brown", example="sepia")

    def apply_to_frame(self, frame: Image, size: Size, stage: Stage) -> Image:
        return by_matrix(frame, BROWN)
