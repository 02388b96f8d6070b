"""g: which part of the picture stays when it is cut to a ratio."""

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from transforms.geometry import Box, Size, crop_around
from transforms.operation import Image, Setting, param, register
from transforms.params import decimal_text

HALF, WHOLE, NONE = Decimal("0.5"), Decimal(1), Decimal(0)


class Point(NamedTuple):
    """Shares of the width and of the height, 0 to 1."""

    x: Decimal
    y: Decimal


COMPASS = {
    "center": Point(HALF, HALF),
    "north": Point(HALF, NONE),
    "northeast": Point(WHOLE, NONE),
    "east": Point(WHOLE, HALF),
    "southeast": Point(WHOLE, WHOLE),
    "south": Point(HALF, WHOLE),
    "southwest": Point(NONE, WHOLE),
    "west": Point(NONE, HALF),
    "northwest": Point(NONE, NONE),
}
CENTER = COMPASS["center"]
WORDS = {point: word for word, point in COMPASS.items()}
SMART = ("attention", "entropy")
# Stands for the point that is stored with the image (transforms/rewrites.py).
FOCAL = "focal"
ALL_WORDS = (*COMPASS, *SMART, FOCAL)


@dataclass(frozen=True)
class GravityText:
    expected: str = f"one of {', '.join(f'_{word}' for word in ALL_WORDS)}, or a point like _0.3_0.7 (shares of width and height)"

    words: tuple[str, ...] = ALL_WORDS

    def parse(self, number: str | None, values: tuple[str, ...]) -> Point | str:
        match values:
            case (word,) if number is None and word in COMPASS:
                return COMPASS[word]
            case (word,) if number is None and word in (*SMART, FOCAL):
                return word
            case (x, y) if number is None:
                return Point(self._share(x), self._share(y))
        raise ValueError(self.expected)

    def _share(self, text: str) -> Decimal:
        whole, point, places = text.partition(".")
        if not text.isascii() or whole not in ("0", "1") or (point and not places.isdigit()) or len(places) > 2 or Decimal(text) > 1:
            raise ValueError(self.expected)
        return Decimal(text)

    def format(self, value: Point | str) -> str:
        if isinstance(value, str):
            return f"_{value}"
        return f"_{WORDS[value]}" if value in WORDS else f"_{decimal_text(value.x)}_{decimal_text(value.y)}"


@register
@dataclass(frozen=True, kw_only=True)
class Gravity(Setting):
    g: Point | str = param(
        GravityText(),
        default=CENTER,
        summary="what stays in a crop: a side, a point, the image's own focal point, or what draws the eye",
        example="w200,h200,fit_cover,g_west",
    )

    def place(self, crop: Size, frame: Image) -> Box:
        """Where to cut a box of size `crop` out of this frame."""
        size = Size(frame.width, frame.height)
        if isinstance(self.g, Point):
            return crop_around(size, crop, self.g.x, self.g.y)
        smart = frame.smartcrop(*crop, interesting=self.g)
        return Box(-smart.xoffset, -smart.yoffset, *crop)
