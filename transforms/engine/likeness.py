"""How like an encoded picture is to what was encoded, as SSIMULACRA2 would score it, in a small part of the time.

SSIMULACRA2 adds up differences of structure over six scales and three channels. Its score of photos follows closely from three of these
means, all of a quarter of the size or less (docs/decisions/0008-encoder-defaults.md has the figures, `python -m bench.quality` makes
them anew). Shrunk so far, a comparison costs less than any encode.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from transforms.operation import Image

# How far the picture is shrunk before structure is compared, each plane's share in the sum, and the power of its mean: what is
# worst shows most in the colours. The weights are a least-squares fit with weights >= 0 to 336 encoded photos.
LIGHTNESS_WEIGHT, COARSE_WEIGHT, COLOUR_WEIGHT = 508.0, 374.0, 24.0
WORST = 4
# The window of SSIM, and its constant against noise where there is no structure (Z. Wang et al., 2004, for values up to 1).
SIGMA = 1.5
STABLE = 0.03**2
# The last step of SSIMULACRA2: from a sum to a score of which 100 is "no difference".
SCORE_POWER = 0.63
# What is transparent is seen on a middle grey, as SSIMULACRA2 does.
GREY = 128


class Plane(NamedTuple):
    """Values of 0 to 1, their local means, and the local means of their squares."""

    values: Image
    mean: Image
    square: Image


def planes(image: Image) -> Sequence[Plane]:
    """What `likeness` compares of an 8-bit sRGB or grey picture: lightness, lightness once more at half the size, and blue to yellow."""
    opaque = image.flatten(background=GREY) if image.hasalpha() else image
    quarter = opaque.colourspace("srgb").colourspace("scrgb").shrink(4, 4, ceil=True).copy_memory()
    fine, coarse = (linear.colourspace("lab").linear(0.01, 0) for linear in (quarter, quarter.shrink(2, 2, ceil=True)))
    return [_plane(fine[0]), _plane(coarse[0]), _plane(fine[2])]


def likeness(original: Sequence[Plane], image: Image) -> float:
    """About what SSIMULACRA2 says: 90 is hard to tell apart, 70 good, 50 middling, 100 the same. `original` are its `planes`."""
    lightness, coarse, colour = (_difference(one, other) for one, other in zip(original, planes(image), strict=True))
    worst = (colour**WORST).avg() ** (1 / WORST)
    total: float = LIGHTNESS_WEIGHT * lightness.avg() + COARSE_WEIGHT * coarse.avg() + COLOUR_WEIGHT * worst
    return 100 - 10 * math.pow(total, SCORE_POWER)


def _plane(values: Image) -> Plane:
    drawn = values.copy_memory()
    return Plane(drawn, _blurred(drawn), _blurred(drawn * drawn))


def _blurred(values: Image) -> Image:
    return values.gaussblur(SIGMA, precision="float").copy_memory()


def _difference(one: Plane, other: Plane) -> Image:
    """1 - SSIM around each pixel; a difference of means weighs the same in the dark and in the light, as in SSIMULACRA2."""
    means = one.mean * other.mean
    together = (_blurred(one.values * other.values) - means) * 2 + STABLE
    apart = (one.square - one.mean * one.mean) + (other.square - other.mean * other.mean) + STABLE
    alike = ((one.mean - other.mean) ** 2).linear(-1, 1) * together / apart
    lost = alike.linear(-1, 1)
    return (lost > 0).ifthenelse(lost, 0).copy_memory()
