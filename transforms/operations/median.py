"""median: take away specks and keep edges."""

from dataclasses import dataclass

from transforms.geometry import Size
from transforms.operation import Image, Operation, Stage, param, register
from transforms.operations._bands import colour_only
from transforms.params import Integer


@dataclass(frozen=True)
class OddInteger(Integer):
    """An odd whole number that follows the name directly."""

    @property
    def expected(self) -> str:
        return f"an odd whole number from {self.lowest} to {self.highest}"

    def parse(self, number: str | None, values: tuple[str, ...]) -> int:
        value = super().parse(number, values)
        if value % 2 == 0:
            raise ValueError(self.expected)
        return value


@register
@dataclass(frozen=True, kw_only=True)
class Median(Operation):
    median: int | None = param(
        OddInteger(3, 31), default=None, summary="each pixel the median of a square of so many pixels a side around it", example="median5"
    )

    def apply_to_frame(self, frame: Image, size: Size, stage: Stage) -> Image:
        side = self.median
        return frame if side is None else colour_only(frame, lambda colour: _medians(colour, side))


def _medians(colour: Image, side: int) -> Image:
    margin = side // 2
    # libvips refuses a picture that is smaller than the square.
    wider = colour.embed(margin, margin, colour.width + 2 * margin, colour.height + 2 * margin, extend="copy")
    return wider.median(side).crop(margin, margin, colour.width, colour.height)
