"""lossless: keep every pixel as it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from transforms.formats import FORMATS, Format
from transforms.operation import OutputOption, param, register
from transforms.params import Flag


@register
@dataclass(frozen=True, kw_only=True)
class Lossless(OutputOption):
    """Wins over `q`. What lies under wholly transparent pixels is not kept."""

    formats: ClassVar[frozenset[str]] = frozenset({"webp", "avif"})

    lossless: bool = param(Flag(), default=False, summary="keep every visible pixel exactly; q then says nothing", example="w64,lossless")

    def needs_original(self) -> bool:
        return True

    def save_options(self, format: Format) -> Mapping[str, object]:
        # A lossless WebP takes Q for another effort. This comes after q in the pipeline, so one picture has one file.
        return {"lossless": True, "Q": FORMATS[format.name].quality}
