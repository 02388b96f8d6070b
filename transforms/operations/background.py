"""bg: what is behind the picture."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from transforms.formats import Format
from transforms.geometry import Size, crop_around, scaled_to
from transforms.operation import Image, Operation, Stage, param, register
from transforms.operations._bands import coloured
from transforms.operations.gravity import CENTER
from transforms.params import TRANSPARENT, WHITE, Colour, ColourText
from transforms.placeholders import dominant

AUTO, BLUR = "auto", "blur"
# The blurred copy is made in this size and enlarged: it has no detail, and looks the same behind every size of a variant.
BLURRED_SIDE, BLURRED_SIGMA = 64, 3


COLOURS = ColourText()


@dataclass(frozen=True)
class BackgroundText:
    expected: str = f"{COLOURS.expected}, _{AUTO} (the colour that most of the picture has) or _{BLUR} (the picture itself, blurred)"
    words: tuple[str, ...] = ("transparent", AUTO, BLUR)

    def parse(self, number: str | None, values: tuple[str, ...]) -> Colour | str:
        return values[0] if number is None and values in ((AUTO,), (BLUR,)) else COLOURS.parse(number, values)

    def format(self, value: Colour | str) -> str:
        return f"_{value}" if isinstance(value, str) else COLOURS.format(value)


@register
@dataclass(frozen=True, kw_only=True)
class Background(Operation):
    """Fills what contain, rotate and pad lay bare, and is put behind what is transparent."""

    bg: Colour | str = param(
        BackgroundText(),
        default=TRANSPARENT,
        summary="behind the picture: a colour (white where the format has no transparency), its main colour, or itself blurred",
        example="w200,h200,fit_contain,bg_f5c542",
    )

    def simplified(self, stage: Stage, format: Format | None) -> Self | None:
        default = WHITE if format and not format.alpha else TRANSPARENT
        return None if self.bg in (default, TRANSPARENT) else self

    @property
    def opaque(self) -> bool:
        return isinstance(self.bg, str) or self.bg.opaque

    def lets_through(self, transparent: bool, stage: Stage) -> bool:
        return transparent and not self.opaque

    def filled(self, frames: Sequence[Image], lay: Callable[[Image, Colour], Image]) -> list[Image]:
        """The frames after `lay`, which lays something of a frame bare and puts a colour there: for all frames of an animation the same."""
        if isinstance(self.bg, Colour):
            return [lay(frame, self.bg) for frame in frames]
        main = dominant(frames[0])
        if self.bg == AUTO:
            return [lay(frame, main) for frame in frames]
        return [_before_itself(lay(frame, TRANSPARENT), behind(frame, main)) for frame in frames]

    def apply(self, frames: Sequence[Image], size: Size, stage: Stage) -> list[Image]:
        return self.filled(frames, behind) if frames[0].hasalpha() else list(frames)


def behind(frame: Image, colour: Colour) -> Image:
    """The frame with the colour behind what is transparent; as it is when the colour lets something through itself."""
    return coloured(frame).flatten(background=list(colour[:3])) if colour.opaque and frame.hasalpha() else frame


def extended(frame: Image, left: int, top: int, canvas: Size, colour: Colour) -> Image:
    """The frame at this place of a larger canvas of this colour."""
    ready = _ready(frame, colour)
    return ready.embed(left, top, *canvas, extend="background", background=list(colour[: ready.bands]))


def turned(frame: Image, angle: int, size: Size, colour: Colour) -> Image:
    """The frame turned clockwise by degrees, in the middle of a canvas of this colour and size."""
    # Premultiplied, or edges would mix with the colour that a transparent pixel has. What was opaque is so by nature.
    ready = _ready(frame, colour)
    ready = ready.premultiply() if frame.hasalpha() else ready
    ink = [channel * colour.alpha / 255 for channel in colour[:3]] + [colour.alpha]
    options = {"background": ink[: ready.bands]}
    # libvips rounds the rectangle around it in its own way, by a pixel.
    made = ready.rotate(angle, **options).gravity("centre", *size, extend="background", **options)
    # Kept: an area filter or a resize asks for rows more than once, and each time they would be turned anew.
    return (made.unpremultiply().cast("uchar") if made.hasalpha() else made).copy_memory()


def _ready(frame: Image, colour: Colour) -> Image:
    """The frame with the bands that it needs to take this colour: three, and alpha where it or the colour lets something through."""
    ready = coloured(frame)
    return ready if ready.hasalpha() or colour.opaque else ready.addalpha()


def _before_itself(laid: Image, opaque: Image) -> Image:
    """`laid` over a blurred copy of the frame that it was made of; the copy covers the canvas."""
    if not laid.hasalpha():
        return laid
    canvas = Size(laid.width, laid.height)
    # Cut to the canvas' ratio before it is scaled: a thin strip that covers a square would be a million pixels long.
    cut = scaled_to(canvas, opaque.width, opaque.height)
    part = coloured(opaque).crop(*crop_around(Size(opaque.width, opaque.height), cut, *CENTER))
    small = scaled_to(canvas, BLURRED_SIDE, BLURRED_SIDE) if max(canvas) > BLURRED_SIDE else canvas
    blurred = part.thumbnail_image(small.width, height=small.height, size="force").gaussblur(BLURRED_SIGMA).copy_memory()
    copy = blurred.resize(canvas.width / small.width, vscale=canvas.height / small.height, kernel="cubic")
    return copy.composite2(coloured(laid), "over").extract_band(0, n=3)
