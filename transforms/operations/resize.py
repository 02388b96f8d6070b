"""w, h, fit, enlarge, kernel: bring the picture to a box."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from transforms.formats import Format
from transforms.geometry import Fitted, Size, fit_contain, fit_cover, fit_fill, fit_inside, fit_outside, round_side
from transforms.operation import Image, Operation, Stage, param, register
from transforms.operations.background import Background, extended
from transforms.operations.dpr import DevicePixelRatio
from transforms.operations.gravity import Gravity
from transforms.params import Choice, Flag, Integer

SIDE = Integer(1, 16383)
LANCZOS3, NEAREST = "lanczos3", "nearest"
KERNELS = (NEAREST, "linear", "cubic", "mitchell", "lanczos2", LANCZOS3)
# With another kernel than the decoder's own, what is decoded is so many times larger than the result.
SPARE = 2
# Of two pixels that are equally near the right one is taken: less than half a pixel of the widest result, more than floats are wrong by.
TIE = 1e-6
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
    kernel: str = param(
        Choice(KERNELS),
        default=LANCZOS3,
        summary="how pixels are made of their neighbours: nearest keeps pixel art as it is, the others are softer or crisper",
        example="w200,kernel_nearest",
    )

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
        wanted = wanted if scale != size else replace(wanted, kernel=LANCZOS3)
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

    def needs_original(self) -> bool:
        return self.kernel == NEAREST

    def scaled_size(self, size: Size) -> Size | None:
        return self.fitted(size).scale

    def load_size(self, size: Size) -> Size | None:
        """A decoder may shrink as far as it has the kernel, and not where each pixel stays what it is."""
        if self.kernel == NEAREST:
            return size
        scale, spare = self.fitted(size).scale, 1 if self.kernel == LANCZOS3 else SPARE
        return Size(min(scale.width * spare, size.width), min(scale.height * spare, size.height))

    def apply(self, frames: Sequence[Image], size: Size, stage: Stage) -> list[Image]:
        scale, canvas = self.fitted(size)
        scaled = [frame if (frame.width, frame.height) == scale else self._scaled(frame, scale, stage) for frame in frames]
        if scale == canvas:
            return scaled
        if canvas.within(scale):
            # One place for all frames: an animation must not jump.
            box = stage.get(Gravity).place(canvas, scaled[0])
            return [frame.crop(*box) for frame in scaled]
        left, top = (canvas.width - scale.width) // 2, (canvas.height - scale.height) // 2
        return stage.get(Background).filled(scaled, lambda frame, colour: extended(frame, left, top, canvas, colour))

    def _scaled(self, frame: Image, size: Size, stage: Stage) -> Image:
        if not size.within(Size(frame.width, frame.height)) and self.kernel != NEAREST:
            return self._enlarged(frame, size, stage)
        if self.kernel == LANCZOS3:
            return frame.thumbnail_image(size.width, height=size.height, size="force")
        across, along = size.width / frame.width, size.height / frame.height
        if self.kernel == NEAREST:
            # The middle of each pixel lies in the one that it is a copy of: libvips' own resize takes whole steps first, and misses it.
            middle = {"odx": -0.5 - TIE * across, "ody": -0.5 - TIE * along}
            nearest = type(stage.interpolate).new(NEAREST)
            return frame.affine([across, 0, 0, along], interpolate=nearest, oarea=[0, 0, *size], extend="copy", **middle)
        ready = frame.premultiply() if frame.hasalpha() else frame
        made = ready.resize(across, vscale=along, kernel=self.kernel)
        return made.unpremultiply().rint().cast("uchar") if made.hasalpha() else made

    def _enlarged(self, frame: Image, size: Size, stage: Stage) -> Image:
        """Where a side grows, the middles of the pixels are mapped: libvips' own resize lays them up to half a pixel off."""
        smaller = Size(min(size.width, frame.width), min(size.height, frame.height))
        if smaller != (frame.width, frame.height):
            frame = self._scaled(frame, smaller, stage)
        across, along = size.width / frame.width, size.height / frame.height
        # What libvips takes for these kernels too.
        between = type(stage.interpolate).new("bilinear") if self.kernel == "linear" else stage.interpolate
        middle = {"odx": (across - 1) / 2, "ody": (along - 1) / 2}
        return frame.affine([across, 0, 0, along], interpolate=between, oarea=[0, 0, *size], extend="copy", **middle)
