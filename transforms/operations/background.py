"""bg: the colour behind the picture."""

from dataclasses import dataclass
from typing import Self

from transforms.formats import Format
from transforms.geometry import Size
from transforms.operation import Image, Operation, Stage, param, register
from transforms.params import TRANSPARENT, WHITE, Colour, ColourText


@register
@dataclass(frozen=True, kw_only=True)
class Background(Operation):
    """Fills what contain and rotate lay bare, and is put behind what is transparent."""

    bg: Colour = param(
        ColourText(),
        default=TRANSPARENT,
        summary="the colour behind the picture (white where the format has no transparency)",
        example="w200,h200,fit_contain,bg_f5c542",
    )

    def simplified(self, stage: Stage, format: Format | None) -> Self | None:
        default = WHITE if format and not format.alpha else TRANSPARENT
        return None if self.bg in (default, TRANSPARENT) else self

    @property
    def opaque(self) -> bool:
        return self.bg.opaque

    def lets_through(self, transparent: bool, stage: Stage) -> bool:
        return transparent and not self.opaque

    def extend(self, frame: Image, canvas: Size) -> Image:
        """The frame in the middle of a larger canvas of this colour."""
        left, top = (canvas.width - frame.width) // 2, (canvas.height - frame.height) // 2
        frame = self.ready(frame)
        return frame.embed(left, top, *canvas, extend="background", background=list(self.bg[: frame.bands]))

    def turn(self, frame: Image, angle: int, size: Size) -> Image:
        """The frame turned clockwise by degrees, in the middle of a canvas of this colour and size."""
        # Premultiplied, or edges would mix with the colour that a transparent pixel has. What was opaque is so by nature.
        ready = self.ready(frame)
        ready = ready.premultiply() if frame.hasalpha() else ready
        ink = [channel * self.bg.alpha / 255 for channel in self.bg[:3]] + [self.bg.alpha]
        options = {"background": ink[: ready.bands]}
        # libvips rounds the rectangle around it in its own way, by a pixel.
        turned = ready.rotate(angle, **options).gravity("centre", *size, extend="background", **options)
        return turned.unpremultiply().cast("uchar") if turned.hasalpha() else turned

    def ready(self, frame: Image) -> Image:
        """The frame with the bands that it needs to take this colour: three, and alpha where it or the colour lets something through."""
        coloured = frame if frame.bands > 2 else frame.colourspace("srgb")
        return coloured if coloured.hasalpha() or self.bg.opaque else coloured.addalpha()

    def apply_to_frame(self, frame: Image, size: Size, stage: Stage) -> Image:
        if not self.bg.opaque or not frame.hasalpha():
            return frame
        return self.ready(frame).flatten(background=list(self.bg[:3]))
