"""meta: which metadata goes along."""

from dataclasses import dataclass
from typing import ClassVar

from transforms.operation import OutputOption, param, register
from transforms.params import Choice


@register
@dataclass(frozen=True, kw_only=True)
class Meta(OutputOption):
    """What that is in detail, transforms/engine/metadata.py says. It never changes how a picture is seen.

    This libvips writes no EXIF into TIFF, and GIF has none.
    """

    formats: ClassVar[frozenset[str]] = frozenset({"jpg", "png", "webp", "avif"})

    meta: str = param(
        Choice(("none", "copyright", "all")),
        default="none",
        summary="the metadata kept: none, the EXIF fields Artist and Copyright, or all but GPS, maker notes and embedded thumbnails",
        example="w400,meta_copyright",
    )

    def needs_original(self) -> bool:
        return self.meta != "none"
