"""flip: mirror."""

from dataclasses import dataclass

from transforms.geometry import Size
from transforms.operation import Image, Operation, Stage, param, register
from transforms.params import Choice


@register
@dataclass(frozen=True, kw_only=True)
class Flip(Operation):
    flip: str | None = param(
        Choice(("h", "v", "hv")), default=None, summary="mirror left to right (h), top to bottom (v) or both", example="flip_h"
    )

    def shrunk(self, size: Size, to: Size, stage: Stage) -> Operation | None:
        return self

    def apply_to_frame(self, frame: Image, size: Size, stage: Stage) -> Image:
        match self.flip:
            case "h":
                return frame.fliphor()
            case "v":
                return frame.flipver()
            case "hv":
                return frame.rot180()
        return frame
