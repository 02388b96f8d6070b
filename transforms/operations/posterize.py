"""posterize: few levels of each channel."""

from dataclasses import dataclass

from transforms.geometry import Size
from transforms.operation import Image, Operation, Stage, param, register
from transforms.operations._bands import WHITEST, by_curve
from transforms.params import Integer


@register
@dataclass(frozen=True, kw_only=True)
class Posterize(Operation):
    """Each channel in n levels from 0 to 255, each for an equal share of values: feFuncR of type discrete in SVG."""

    posterize: int | None = param(Integer(2, 64), default=None, summary="so many levels of red, green and blue", example="posterize4")

    def apply_to_frame(self, frame: Image, size: Size, stage: Stage) -> Image:
        levels = self.posterize
        return frame if levels is None else by_curve(frame, lambda level: WHITEST * (level * levels // (WHITEST + 1)) / (levels - 1))
