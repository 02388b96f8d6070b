"""q: how much a lossy encoder keeps."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from transforms.formats import FORMATS, Format
from transforms.operation import OutputOption, Stage, param, register
from transforms.operations.lossless import Lossless
from transforms.params import Integer


@register
@dataclass(frozen=True, kw_only=True)
class Quality(OutputOption):
    formats: ClassVar[frozenset[str]] = frozenset(name for name, format in FORMATS.items() if format.quality is not None)

    q: int | None = param(
        Integer(1, 100), default=None, summary="quality of a lossy format, 1 to 100; each has its own default", example="w400,q60"
    )

    def simplified(self, stage: Stage, format: Format | None) -> Self | None:
        lossless = format is not None and format.name in Lossless.formats and stage.get(Lossless).lossless
        return None if self.q is None or lossless or (format and self.q == format.quality) else self

    def save_options(self, format: Format) -> Mapping[str, object]:
        return {"Q": self.q}
