"""tint: everything in one colour."""

from dataclasses import dataclass

from transforms.geometry import Size
from transforms.operation import Image, Operation, Stage, param, register
from transforms.operations._bands import WHITEST, Ink, InkText, by_luma

# Of Lum() in W3C's "Compositing and Blending".
WEIGHTS = (0.3, 0.59, 0.11)


@register
@dataclass(frozen=True, kw_only=True)
class Tint(Operation):
    """Hue and saturation of the colour, luma of the picture: the blend mode `color` of W3C's "Compositing and Blending"."""

    tint: Ink | None = param(InkText(), default=None, summary="shades of one colour, from black to white", example="tint_2864c8")

    def apply_to_frame(self, frame: Image, size: Size, stage: Stage) -> Image:
        ink = self.tint
        return frame if ink is None else by_luma(frame, lambda level: with_luma(ink, level), WEIGHTS)


def with_luma(ink: Ink, level: float) -> tuple[float, ...]:
    """The colour moved to this luma; where it leaves the gamut its saturation is cut, not its luma (SetLum and ClipColor there)."""
    luma = sum(weight * channel for weight, channel in zip(WEIGHTS, ink, strict=True))
    apart = [channel - luma for channel in ink]
    room = [(WHITEST - level) / distance if distance > 0 else -level / distance for distance in apart if abs(distance) > 1e-9]
    return tuple(level + min([1, *room]) * distance for distance in apart)
