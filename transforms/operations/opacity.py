"""opacity: let the background through."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from transforms.geometry import Size
from transforms.operation import Image, Operation, Stage, param, register
from transforms.operations.background import Background, behind
from transforms.params import Number


@register
@dataclass(frozen=True, kw_only=True)
class Opacity(Operation):
    """Alpha is multiplied by the factor, as with opacity() of the CSS filter effects; white shows through where the format has no alpha."""

    opacity: Decimal = param(
        Number(Decimal(0), Decimal(1)), default=Decimal(1), summary="let the background through, wholly at 0", example="opacity0.5"
    )

    def lets_through(self, transparent: bool, stage: Stage) -> bool:
        return transparent or (self.opacity < 1 and not stage.get(Background).opaque)

    def apply(self, frames: Sequence[Image], size: Size, stage: Stage) -> list[Image]:
        return stage.get(Background).filled(frames, lambda frame, colour: behind(self._faded(frame), colour))

    def _faded(self, frame: Image) -> Image:
        covered = frame if frame.hasalpha() else frame.addalpha()
        factors = [1.0] * (covered.bands - 1) + [float(self.opacity)]
        return covered.linear(factors, [0]).rint().cast("uchar")
