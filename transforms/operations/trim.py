"""trim: remove a uniform border."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import NamedTuple

from transforms.geometry import Box
from transforms.operation import Image, Measured, Operation, param, register
from transforms.operations.crop import Crop, exactly
from transforms.params import Integer

TOLERANCE = Integer(0, 255)
EQUAL = "equal"


class Trimming(NamedTuple):
    """How far a channel of the border may be from its corner, in levels; whether opposite sides lose the same."""

    tolerance: int = 10
    equal: bool = False


@dataclass(frozen=True)
class TrimmingText:
    expected: str = f"{TOLERANCE.expected} (the tolerance) or nothing, then _{EQUAL} or nothing"
    words: tuple[str, ...] = (EQUAL,)

    def parse(self, number: str | None, values: tuple[str, ...]) -> Trimming:
        if values not in ((), (EQUAL,)):
            raise ValueError(self.expected)
        tolerance = Trimming().tolerance if number is None else TOLERANCE.parse(number, ())
        return Trimming(tolerance, bool(values))

    def format(self, value: Trimming) -> str:
        tolerance = "" if value.tolerance == Trimming().tolerance else str(value.tolerance)
        return tolerance + f"_{EQUAL}" * value.equal


@register
@dataclass(frozen=True, kw_only=True)
class Trim(Measured):
    """The border is what has the colour of the left upper pixel, of an animation that of the first frame; one box for all frames."""

    trim: Trimming | None = param(
        TrimmingText(),
        default=None,
        summary="cut off a border of one colour, with a tolerance of 0 to 255 (10); opposite sides alike with equal",
        example="trim20",
    )

    def needs_original(self) -> bool:
        return True

    def measure(self, frames: Sequence[Image]) -> Box:
        tolerance, equal = self.trim or Trimming()
        width, height = frames[0].width, frames[0].height
        corner = _seen(frames[0])(0, 0)
        inside = reduce(or_, (((_seen(frame) - corner).abs() > tolerance).bandor() for frame in frames))
        columns, rows = inside.project()
        left, top, right, bottom = _first(columns), _first(rows.rot270()), _first(columns.fliphor()), _first(rows.rot90())
        if left == width:
            return Box(0, 0, width, height)
        if equal:
            left, top, right, bottom = min(left, right), min(top, bottom), min(left, right), min(top, bottom)
        return Box(left, top, width - left - right, height - top - bottom)

    def found(self, box: Box) -> Operation:
        return Crop(crop=exactly(box))


def _seen(frame: Image) -> Image:
    """With alpha: what is transparent has no colour."""
    return frame.premultiply() if frame.hasalpha() else frame


def _first(row: Image) -> int:
    """The place of the first pixel of a row that is not 0; its length when all are."""
    return int(row.profile()[1](0, 0)[0])
