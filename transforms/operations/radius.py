"""radius: rounded corners."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal, Self, TypeAlias

from transforms.geometry import Size, round_side
from transforms.operation import Image, Operation, Stage, param, register
from transforms.operations.background import Background, behind
from transforms.operations.dpr import DevicePixelRatio
from transforms.params import Integer

PIXELS = Integer(0, 16383)
LARGEST: Literal["max"] = "max"

Length: TypeAlias = int | Literal["max"]


@dataclass(frozen=True)
class RadiusText:
    expected: str = f"{PIXELS.expected} (pixels), or _{LARGEST}"
    words: tuple[str, ...] = (LARGEST,)

    def parse(self, number: str | None, values: tuple[str, ...]) -> Length:
        return LARGEST if number is None and values == (LARGEST,) else PIXELS.parse(number, values)

    def format(self, value: Length) -> str:
        return f"_{LARGEST}" if value == LARGEST else str(value)


@register
@dataclass(frozen=True, kw_only=True)
class Radius(Operation):
    """The corners show the background, which is transparent where the stage names none."""

    radius: Length = param(
        RadiusText(), default=0, summary="round the corners, by pixels or as far as the picture allows (max)", example="w200,radius20"
    )

    def uses(self) -> frozenset[str]:
        return frozenset({"bg"} if self.radius == LARGEST else {"bg", "dpr"} if self.radius else ())

    def resolved(self, size: Size, stage: Stage) -> Self | None:
        """Half the shorter side is all that there is to round."""
        if not self.radius:
            return None
        radius = self.radius if self.radius == LARGEST else round_side(self.radius * stage.get(DevicePixelRatio).dpr)
        return type(self)(radius=LARGEST if radius == LARGEST or 2 * radius >= min(size) else radius)

    def lets_through(self, transparent: bool, stage: Stage) -> bool:
        return transparent or (bool(self.radius) and not stage.get(Background).opaque)

    def apply(self, frames: Sequence[Image], size: Size, stage: Stage) -> list[Image]:
        radius = min(size) / 2 if self.radius == LARGEST else float(self.radius)
        return cut(frames, _rounded(type(frames[0]), size, radius), stage)


def cut(frames: Sequence[Image], coverage: Image, stage: Stage) -> list[Image]:
    """The frames where the one-band image `coverage` is 255, the stage's background where it is 0, between them a mixture."""
    # Drawn once: an animation has hundreds of frames.
    drawn = coverage.copy_memory()
    return stage.get(Background).filled(frames, lambda frame, colour: behind(_cut(frame, drawn), colour))


def _cut(frame: Image, coverage: Image) -> Image:
    if not frame.hasalpha():
        return frame.bandjoin(coverage)
    colours, alpha = frame.extract_band(0, n=frame.bands - 1), frame[frame.bands - 1]
    return colours.bandjoin((alpha * coverage).linear(1 / 255, 0.5, uchar=True))


def antialiased(distance: Image) -> Image:
    """Coverage, 0 to 255, of pixels whose middles lie so many pixels outside a border (inside: below 0)."""
    return distance.linear(-255, 128, uchar=True)


def _rounded(image: type[Image], size: Size, radius: float) -> Image:
    """White with round corners: one corner is drawn and mirrored into the others, which is cheaper than drawing a whole picture."""
    side = ceil(radius)
    inwards = image.xyz(side, side).linear([-1, -1], [radius - 0.5, radius - 0.5])
    corner = antialiased(length(inwards) - radius)
    white = (image.black(*size) + 255).cast("uchar")
    right, bottom = size.width - side, size.height - side
    top = white.insert(corner, 0, 0).insert(corner.fliphor(), right, 0)
    return top.insert(corner.flipver(), 0, bottom).insert(corner.rot180(), right, bottom)


def length(vectors: Image) -> Image:
    """Of vectors whose coordinates are the two bands."""
    return (vectors[0] ** 2 + vectors[1] ** 2) ** 0.5
