"""effort: how long an encoder may search for a smaller file."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Self

from transforms.formats import Format
from transforms.geometry import Size
from transforms.limits import MEGAPIXEL
from transforms.operation import OutputOption, Stage, param, register
from transforms.operations.maxbytes import MaxBytes
from transforms.operations.palette import Palette
from transforms.operations.quality import AUTO, Quality
from transforms.params import Integer

HIGHEST = 9
# Lowest and highest effort of the savers of libvips 8.18. That of PNG is the search for a palette: nothing without one.
RANGES = {"webp": (0, 6), "avif": (0, 9), "png": (1, 10), "gif": (1, 10)}
# Beyond it the search for good AV1 blocks would take many seconds; measured on a 13 MP photo: 2 s at 6 MP with effort 2, 1.2 s with 0.
AVIF_SEARCH_PIXELS = 2 * MEGAPIXEL
# Pixels times two to the power of the effort. A photo of 1 MP at the effort that this leaves, 4, took 2 s, lossless 4, and noise 3.5;
# effort 6 at 2 MP would take 10, lossless 20.
AVIF_EFFORT_PIXELS = 16 * MEGAPIXEL
# More than so many pixels are encoded without any search when up to four whole encodes look for what fits. At 1,024 x 768 and quality 50
# effort 2 took 0.20 s, effort 1 took 0.12 and effort 0 took 0.04, for 9 % more bytes.
AVIF_FITTED_PIXELS = 600_000


@register
@dataclass(frozen=True, kw_only=True)
class Effort(OutputOption):
    formats: ClassVar[frozenset[str]] = frozenset(RANGES)

    effort: int | None = param(
        Integer(0, HIGHEST),
        default=None,
        summary="how hard to look for a smaller file, 0 (fast) to 9; a large avif gets less (png: for palette only)",
        example="w400,effort6",
    )

    def simplified(self, stage: Stage, format: Format | None) -> Self | None:
        """Nothing for a png without a palette; else the least number of those that mean the same to the encoder."""
        if self.effort is None or (format and format.name == "png" and not stage.get(Palette).palette):
            return None
        same = (type(self)(effort=effort) for effort in range(self.effort + 1))
        return next(s for s in same if s.save_options(format) == self.save_options(format)) if format else self

    def resolved_for(self, size: Size, format: Format, options: Stage) -> Self | None:
        if format.name != "avif" or self.effort is None:
            return self
        effort = avif_effort(size, options)
        others = Stage(tuple(option for option in options.operations if option is not self))
        return None if effort == avif_effort(size, others) else type(self)(effort=effort)

    def save_options(self, format: Format) -> Mapping[str, object]:
        lowest, highest = RANGES[format.name]
        return {"effort": lowest + int(Fraction((self.effort or 0) * (highest - lowest), HIGHEST) + Fraction(1, 2))}


def avif_effort(size: Size, options: Stage) -> int:
    """What an AVIF of this size gets of the effort that was asked for: each step takes about twice as long as the one below it."""
    usual = 2 if size.area <= AVIF_SEARCH_PIXELS else 0
    most = max(0, (AVIF_EFFORT_PIXELS // size.area).bit_length() - 1)
    if options.get(MaxBytes).maxbytes is not None:
        most = usual = min(most, 2 if size.area <= AVIF_FITTED_PIXELS else 0)
    elif options.get(Quality).q == AUTO:
        most = min(most, usual)
    wanted = options.get(Effort).effort
    return min(usual if wanted is None else wanted, most)
