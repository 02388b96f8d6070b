"""progressive: a picture that shows itself coarsely before it has come wholly."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from transforms.formats import Format
from transforms.operation import OutputOption, param, register
from transforms.params import Flag


@register
@dataclass(frozen=True, kw_only=True)
class Progressive(OutputOption):
    """Scans of rising detail in a JPEG, Adam7 interlacing in a PNG."""

    formats: ClassVar[frozenset[str]] = frozenset({"jpg", "png"})

    progressive: bool = param(
        Flag(), default=False, summary="show a coarse picture while the rest still loads", example="w1024,progressive"
    )

    def save_options(self, format: Format) -> Mapping[str, object]:
        return {"interlace": True}
