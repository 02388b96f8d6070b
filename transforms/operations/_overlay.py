"""What watermarks, text and masks share: ids of other images, where an overlay lies on the picture, and how it is laid on."""

import re
from collections.abc import Sequence
from math import floor

from transforms.geometry import Size
from transforms.operation import Image
from transforms.operations._bands import coloured
from transforms.operations.gravity import COMPASS

IMAGE_ID = re.compile(r"[a-z2-7]{26}", re.ASCII)
PLACES = tuple(COMPASS)


def laid_on(frames: Sequence[Image], overlay: Image, left: int, top: int) -> list[Image]:
    """Every frame with the overlay, an sRGB image with alpha, over it. What was opaque stays so."""
    laid = ((frame, coloured(frame).composite2(overlay, "over", x=left, y=top)) for frame in frames)
    return [made if frame.hasalpha() else made.extract_band(0, n=3) for frame, made in laid]


def placed(size: Size, overlay: Size, place: str, margin: int = 0) -> tuple[int, int]:
    """The left upper corner of an overlay at a side or corner of the picture, or in its middle, `margin` pixels off the borders."""
    x, y = COMPASS[place]
    return _offset(size.width, overlay.width, margin, float(x)), _offset(size.height, overlay.height, margin, float(y))


def _offset(side: int, length: int, margin: int, share: float) -> int:
    return margin + floor((side - length - 2 * margin) * share)


def shortest(texts: Sequence[str], value: tuple[object, ...], default: tuple[object, ...]) -> str:
    """The texts of a value's parts as a plan says them. Parts are known by their place: only the last ones can be left off."""
    said = len(texts)
    while said > 1 and value[said - 1 :] == default[said - 1 :]:
        said -= 1
    return "".join(f"_{text}" for text in texts[:said])
