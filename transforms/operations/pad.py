"""pad: extend the canvas."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple, Self

from transforms.geometry import Size, round_side
from transforms.operation import Image, Operation, Stage, param, register
from transforms.operations.background import Background, extended
from transforms.operations.dpr import DevicePixelRatio

MAX_PIXELS = 16383


class Padding(NamedTuple):
    """Pixels at each side, in the order of CSS."""

    top: int = 0
    right: int = 0
    bottom: int = 0
    left: int = 0

    def times(self, factor: Decimal) -> "Padding":
        return Padding(*(round_side(length * factor) if length else 0 for length in self))


@dataclass(frozen=True)
class PaddingText:
    expected: str = f"a whole number of pixels from 0 to {MAX_PIXELS}, or four of them as _top_right_bottom_left"

    def parse(self, number: str | None, values: tuple[str, ...]) -> Padding:
        texts = values if number is None else (number,) * 4
        if len(texts) != 4 or (number is not None and values):
            raise ValueError(self.expected)
        return Padding(*(self._length(text) for text in texts))

    def _length(self, text: str) -> int:
        if not (text.isascii() and text.isdigit()) or len(text) > 5 or int(text) > MAX_PIXELS:
            raise ValueError(self.expected)
        return int(text)

    def format(self, value: Padding) -> str:
        return str(value.top) if len(set(value)) == 1 else "".join(f"_{length}" for length in value)


@register
@dataclass(frozen=True, kw_only=True)
class Pad(Operation):
    pad: Padding = param(
        PaddingText(),
        default=Padding(),
        summary="add a border in the colour of the background, to all sides or to the top, right, bottom and left",
        example="w200,pad_10_20_10_20,bg_f5c542",
    )

    def uses(self) -> frozenset[str]:
        return frozenset({"dpr", "bg"} if any(self.pad) else ())

    def resolved(self, size: Size, stage: Stage) -> Self | None:
        return type(self)(pad=self.pad.times(stage.get(DevicePixelRatio).dpr)) if any(self.pad) else None

    def output_size(self, size: Size, stage: Stage) -> Size:
        return Size(size.width + self.pad.left + self.pad.right, size.height + self.pad.top + self.pad.bottom)

    def lets_through(self, transparent: bool, stage: Stage) -> bool:
        return transparent or (any(self.pad) and not stage.get(Background).opaque)

    def apply(self, frames: Sequence[Image], size: Size, stage: Stage) -> list[Image]:
        canvas = self.output_size(size, stage)
        return stage.get(Background).filled(frames, lambda frame, colour: extended(frame, self.pad.left, self.pad.top, canvas, colour))
