"""sharpen: unsharp masking."""

from dataclasses import dataclass
from decimal import Decimal

from transforms.geometry import Size
from transforms.operation import Image, Operation, Stage, param, register
from transforms.operations._bands import colour_only
from transforms.params import Number


@register
@dataclass(frozen=True, kw_only=True)
class Sharpen(Operation):
    """libvips' unsharp masking with its own strengths: of lightness (CIELAB) alone, so hues stay, and of flat areas not at all."""

    sharpen: Decimal | None = param(
        Number(Decimal("0.3"), Decimal(10)),
        default=None,
        summary="make edges crisper; the sigma, 0.3 to 10 pixels, is how wide they are",
        example="w200,sharpen0.8",
    )

    def apply_to_frame(self, frame: Image, size: Size, stage: Stage) -> Image:
        if self.sharpen is None:
            return frame
        sigma = float(self.sharpen)
        return colour_only(frame, lambda colour: colour.sharpen(sigma=sigma))
