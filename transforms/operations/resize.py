"""w, h, fit, enlarge: bring the picture to a box."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from transforms.formats import Format
from transforms.geometry import Fitted, Size, fit_contain, fit_cover, fit_fill, fit_inside, fit_outside, round_side
from transforms.operation import Image, Operation, Stage, param, register
from transforms.operations.background import Background
from transforms.operations.dpr import DevicePixelRatio
from transforms.operations.gravity import Gravity
from transforms.params import Choice, Flag, Integer

SIDE = Integer(1, 16383)
FITS = {"outside": fit_outside, "fill": fit_fill, "cover": fit_cover, "contain": fit_contain}


@register
@dataclass(frozen=True, kw_only=True)
class Resize(Operation):
    w: int | None = param(
        SIDE, default=None, summary="the width of the box in pixels; without a height that follows the ratio", example="w256"
    )
    h: int | None = param(
        SIDE, default=None, summary="the height of the box in pixels; without a width that follows the ratio", example="h256"
    )
    fit: str = param(
        Choice(("inside", *FITS)),
        default="inside",
        summary="how the picture gets into a box of both sides",
        example="w200,h200,fit_contain",
    )
    enlarge: bool = param(Flag(), default=False, summary="allow a result larger than the picture", example="w2000,enlarge")

    def uses(self) -> frozenset[str]:
        settings = {"cover": {"dpr", "g"}, "contain": {"dpr", "bg"}}
        return frozenset(settings.get(self.fit, {"dpr"}) if self.w or self.h else ())

    def simplified(self, stage: Stage, format: Format | None) -> Self | None:
        if not self.w and not self.h:
            return None
        return self if self.w and self.h else replace(self, fit="inside")

    def fitted(self, size: Size) -> Fitted:
        if self.w and self.h and self.fit in FITS:
            return FITS[self.fit](size, Size(self.w, self.h), enlarge=self.enlarge)
        return fit_inside(size, self.w, self.h, enlarge=self.enlarge)

    def resolved(self, size: Size, stage: Stage) -> Self | None:
        """One width where that says it all, else one height, else both; `enlarge` only where something is."""
        ratio = stage.get(DevicePixelRatio).dpr
        wanted = replace(self, w=self.w and round_side(self.w * ratio), h=self.h and round_side(self.h * ratio))
        scale, canvas = wanted.fitted(size)
        if scale == canvas == size:
            return None
        enlarge = not scale.within(size)
        if scale != canvas:
            return replace(wanted, w=canvas.width, h=canvas.height, enlarge=enlarge)
        width, height = replace(wanted, h=None, w=scale.width, fit="inside"), replace(wanted, w=None, h=scale.height, fit="inside")
        both = replace(wanted, w=scale.width, h=scale.height, fit="fill")
        return replace(next(way for way in (width, height, both) if way.fitted(size).canvas == scale), enlarge=enlarge)

    def output_size(self, size: Size, stage: Stage) -> Size:
        return self.fitted(size).canvas

    def enlarges(self) -> bool:
        return self.enlarge

    def lets_through(self, transparent: bool, stage: Stage) -> bool:
        """Called also before it is resolved: `contain` lays something bare wherever the picture has not the ratio of the box."""
        return transparent or (self.fit == "contain" and not stage.get(Background).opaque)

    def load_size(self, size: Size) -> Size | None:
        return self.fitted(size).scale

    def apply(self, frames: Sequence[Image], size: Size, stage: Stage) -> list[Image]:
        scale, canvas = self.fitted(size)
        scaled = [frame if (frame.width, frame.height) == scale else _scale(frame, scale) for frame in frames]
        if scale == canvas:
            return scaled
        if canvas.within(scale):
            # One place for all frames: an animation must not jump.
            box = stage.get(Gravity).place(canvas, scaled[0])
            return [frame.crop(*box) for frame in scaled]
        return [stage.get(Background).extend(frame, canvas) for frame in scaled]


def _scale(frame: Image, size: Size) -> Image:
    return frame.thumbnail_image(size.width, height=size.height, size="force")
