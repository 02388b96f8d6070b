"""blur: a Gaussian blur."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from math import sqrt

from transforms.geometry import Size
from transforms.operation import Image, Operation, Stage, param, register
from transforms.operations._bands import alpha_of, colour_only
from transforms.params import Number


@register
@dataclass(frozen=True, kw_only=True)
class Blur(Operation):
    """Sigma is the standard deviation of the Gaussian, as in `blur()` of the CSS filter effects; but alpha stays as it is."""

    blur: Decimal | None = param(
        Number(Decimal("0.3"), Decimal(100)), default=None, summary="blur with a sigma of 0.3 to 100 pixels", example="w200,blur2.5"
    )

    def apply_to_frame(self, frame: Image, size: Size, stage: Stage) -> Image:
        if self.blur is None:
            return frame
        sigma = float(self.blur)
        return mixed(frame, lambda image: _blurred(image, sigma))


def mixed(frame: Image, mix: Callable[[Image], Image]) -> Image:
    """The frame after a mixing of neighbours in which each weighs as much as it is opaque; alpha is as before.

    Otherwise edges would take on the colour that a transparent pixel has and nobody sees.
    """
    if not frame.hasalpha():
        return colour_only(frame, mix)
    seen = mix(frame.premultiply()).unpremultiply()
    return seen.extract_band(0, n=seen.bands - 1).rint().cast("uchar").bandjoin(alpha_of(frame))


def _blurred(image: Image, sigma: float) -> Image:
    factor = int(sigma / 2)
    if factor < 2:
        return image.gaussblur(sigma)
    # Blurred small, where no detail is left anyway: a sigma of 100 on 12 MP with alpha took 85 s at full size.
    wide, high = (-(-side // factor) * factor for side in (image.width, image.height))
    small = image.embed(0, 0, wide, high, extend="copy").shrink(factor, factor)
    # Variances add up: that of a mean of `factor` pixels, and that of going back by straight lines.
    rest = sqrt(sigma**2 - (factor**2 - 1) / 12 - factor**2 / 6) / factor
    return small.gaussblur(rest).copy_memory().resize(factor, kernel="linear").crop(0, 0, image.width, image.height)
