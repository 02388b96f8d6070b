"""icc: the colour space of the result."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from transforms.formats import Format
from transforms.operation import OutputOption, param, register
from transforms.params import Choice

SRGB, P3, KEEP = "srgb", "p3", "keep"


@register
@dataclass(frozen=True, kw_only=True)
class Icc(OutputOption):
    """With `keep` the pixels stay in the original's RGB profile. All other originals (grey, CMYK, Lab, without a profile) become sRGB.

    Colours in the plan's text are written into the pixels as they are.
    """

    formats: ClassVar[frozenset[str]] = frozenset({"jpg", "png", "webp", "avif", "tiff"})

    icc: str = param(
        Choice((SRGB, P3, KEEP)),
        default=SRGB,
        summary="the colour space: sRGB, without a profile; Display P3, with its profile; or that of the original, with its profile",
        example="w400,icc_p3",
    )

    def needs_original(self) -> bool:
        return self.icc != SRGB

    def save_options(self, format: Format) -> Mapping[str, object]:
        return {"profile": "p3"} if self.icc == P3 else {}
