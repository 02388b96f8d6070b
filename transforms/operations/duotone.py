"""duotone: two inks."""

from dataclasses import dataclass

from transforms.geometry import Size
from transforms.operation import Image, Operation, Stage, param, register
from transforms.operations._bands import WHITEST, Ink, InkText, by_luma


@dataclass(frozen=True)
class InksText:
    expected: str = "two colours of 3 or 6 hexadecimal digits, each after an underscore"

    def parse(self, number: str | None, values: tuple[str, ...]) -> tuple[Ink, Ink]:
        if len(values) != 2:
            raise ValueError(self.expected)
        dark, light = (InkText().parse(number, (value,)) for value in values)
        return dark, light

    def format(self, value: tuple[Ink, Ink]) -> str:
        return "".join(InkText().format(ink) for ink in value)


@register
@dataclass(frozen=True, kw_only=True)
class Duotone(Operation):
    """Black becomes the first colour, white the second, and between them Rec. 709 luma says how much of each."""

    duotone: tuple[Ink, Ink] | None = param(
        InksText(), default=None, summary="shades from the first colour (black) to the second (white)", example="duotone_1e3264_f5c542"
    )

    def apply_to_frame(self, frame: Image, size: Size, stage: Stage) -> Image:
        if self.duotone is None:
            return frame
        pairs = tuple(zip(*self.duotone, strict=True))
        return by_luma(frame, lambda level: tuple(dark + (light - dark) * level / WHITEST for dark, light in pairs))
