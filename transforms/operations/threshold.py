"""threshold: black and white, nothing between."""

from dataclasses import dataclass

from transforms.geometry import Size
from transforms.operation import Image, Operation, Stage, param, register
from transforms.operations._bands import WHITEST, by_luma
from transforms.params import Integer


@register
@dataclass(frozen=True, kw_only=True)
class Threshold(Operation):
    """White where the Rec. 709 luma, rounded, is at least the threshold, else black."""

    threshold: int | None = param(
        Integer(1, 255), default=None, summary="white from this lightness on, black below it", example="threshold128"
    )

    def apply_to_frame(self, frame: Image, size: Size, stage: Stage) -> Image:
        lowest = self.threshold
        return frame if lowest is None else by_luma(frame, lambda level: (WHITEST * (level >= lowest),) * 3)
