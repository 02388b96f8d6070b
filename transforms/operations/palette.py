"""palette: a PNG of at most 256 colours."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from transforms.formats import Format
from transforms.operation import OutputOption, param, register
from transforms.params import Flag


@register
@dataclass(frozen=True, kw_only=True)
class Palette(OutputOption):
    """The best 256 colours (with alpha) for this picture, dithered."""

    formats: ClassVar[frozenset[str]] = frozenset({"png"})

    palette: bool = param(Flag(), default=False, summary="at most 256 colours, chosen for the picture", example="w256,palette")

    def save_options(self, format: Format) -> Mapping[str, object]:
        # Neighbouring numbers of a palette are no neighbouring colours: filters, which store differences, make it larger.
        return {"palette": True, "filter": "none"}
