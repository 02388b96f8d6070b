"""effort: how long an encoder may search for a smaller file."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Self

from transforms.formats import Format
from transforms.operation import OutputOption, Stage, param, register
from transforms.operations.palette import Palette
from transforms.params import Integer

HIGHEST = 9
# Lowest and highest effort of the savers of libvips 8.18. That of PNG is the search for a palette: nothing without one.
RANGES = {"webp": (0, 6), "avif": (0, 9), "png": (1, 10), "gif": (1, 10)}


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

    def save_options(self, format: Format) -> Mapping[str, object]:
        lowest, highest = RANGES[format.name]
        return {"effort": lowest + int(Fraction((self.effort or 0) * (highest - lowest), HIGHEST) + Fraction(1, 2))}
