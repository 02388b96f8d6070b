"""The values that cross the border of the picture engine."""

from dataclasses import asdict, dataclass
from typing import Any, Self

from transforms.geometry import Size


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the header of an original says.

    `format` is the name in transforms.formats (`jpg`, `png`, …). `width` and `height` are pixels of one frame as it is shown, with
    the EXIF orientation (1 to 8) applied. `frames` counts animation frames only: tiles, pyramid levels and pages are not frames.
    """

    format: str
    width: int
    height: int
    frames: int = 1
    orientation: int = 1
    alpha: bool = False

    @property
    def size(self) -> Size:
        return Size(self.width, self.height)

    @property
    def animated(self) -> bool:
        return self.frames > 1

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        return cls(**{name: data[name] for name in cls.__dataclass_fields__})


@dataclass(frozen=True, kw_only=True)
class Placeholders:
    """What a page can show before the picture comes: a ThumbHash as base64, a colour as `#rrggbb`, a tiny picture as a data URI."""

    thumbhash: str
    colour: str
    data_uri: str


@dataclass(frozen=True, kw_only=True)
class Rendition:
    """An encoded picture: its bytes, the size of one frame in pixels, and the name of its format."""

    data: bytes
    size: Size
    format: str
