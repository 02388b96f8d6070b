"""Plans whose result is text: what their lengths mean, and the grid of cells that comes out.

The unit of such a plan is the width of a column. A cell is one unit wide and two high, so `w80,h40` is a box of 80 columns and 20
rows. Each cell is drawn from CELL pixels, so from the first resize on every length is two pixels. Lengths before it count pixels of the
picture, as ever. A plan that names neither `w` nor `h` gets DEFAULT_COLUMNS in its last stage, and small pictures are enlarged.
"""

from dataclasses import replace
from decimal import Decimal
from math import isqrt
from typing import Self

from transforms.errors import ImpossibleOutput
from transforms.geometry import Box, Size, scaled_to
from transforms.operation import Operation, Stage, first_rank
from transforms.operations.crop import Crop, exactly
from transforms.operations.dpr import DevicePixelRatio
from transforms.operations.resize import Resize

DEFAULT_COLUMNS = 80
MAX_COLUMNS = 1000
# Twice as many, of noise, in colour, took up to 8 s and 245 MB on a busy machine (w1000 of 2,000 x 2,000 pixels, all charsets).
MAX_CELLS = 250_000
CELL = Size(2, 4)
DEFAULT = Resize(w=DEFAULT_COLUMNS)

Stages = tuple[Stage, ...]


class _First(Resize):
    """The resize that turns pixels into columns. One that changes no number is needed all the same."""

    def resolved(self, size: Size, stage: Stage) -> Self | None:
        return super().resolved(size, stage) or type(self)(w=size.width)


def with_columns(stages: Stages) -> Stages:
    """The stages with what is understood in a plan for text, ready to be resolved in columns."""
    stages = stages or (Stage(),)
    if not any(stage.get(Resize).tokens() for stage in stages):
        stages = (*stages[:-1], _sorted(*stages[-1].operations, DEFAULT))
    return enlarging(stages)


def enlarging(stages: Stages) -> Stages:
    """The stages as they resize for text: a picture that is smaller gets its columns too."""
    kinds = iter((_First,))
    return tuple(
        Stage(tuple(_as(next(kinds, Resize), o, enlarge=True) if isinstance(o, Resize) else o for o in stage.operations))
        for stage in stages
    )


def _as(kind: type[Resize], resize: Resize, *, enlarge: bool) -> Resize:
    return kind(**{**{parameter: getattr(resize, parameter) for parameter in Resize.parameters()}, "enlarge": enlarge})


def without_defaults(stages: Stages) -> Stages:
    """The inverse: `enlarge` goes without saying, and so does the default width where `with_columns` would put it back."""
    plain = [
        Stage(tuple(_as(Resize, o, enlarge=False) if isinstance(o, Resize) else o for o in stage.operations))
        for stage in stages
        if stage.operations
    ]
    resizes = [operation for stage in plain for operation in stage.operations if isinstance(operation, Resize)]
    # A preset may bring a width of its own.
    whole = not any(operation.alone for stage in plain for operation in stage.operations)
    if whole and resizes == [DEFAULT] and DEFAULT in plain[-1].operations:
        rest = tuple(operation for operation in plain[-1].operations if operation != DEFAULT)
        # Alone in a later stage it says when to resize, and beside dpr it is what that multiplies.
        if (rest or len(plain) == 1) and not any(isinstance(operation, DevicePixelRatio) for operation in rest):
            plain[-1] = Stage(rest)
    return tuple(stage for stage in plain if stage.operations)


def in_pixels(stages: Stages, size: Size) -> Stages:
    """Stages that were resolved in columns on a picture of `size`, as a plan for pixels that is to be resolved on the same picture."""
    drawn, columns = [], False
    for stage in stages:
        operations = list[Operation]()
        for operation in stage.operations:
            operations.append(_drawn(operation, size, columns))
            columns = columns or isinstance(operation, Resize)
            size = operation.output_size(size, stage)
        drawn.append(_sorted(*operations, *([DevicePixelRatio(dpr=Decimal(CELL.width))] if columns else [])))
    return tuple(drawn)


def _drawn(operation: Operation, size: Size, columns: bool) -> Operation:
    if isinstance(operation, Resize):
        scale, canvas = operation.fitted(size)
        # Both sides, for twice the width need not have twice the height when that is rounded.
        return replace(operation, w=canvas.width, h=canvas.height, fit="fill" if scale == canvas else operation.fit, enlarge=True)
    if isinstance(operation, Crop) and columns:
        # dpr leaves crops alone, as they mostly come before a resize.
        return Crop(crop=exactly(Box(*(side * CELL.width for side in operation.box(size)))))
    return operation


def _sorted(*operations: Operation) -> Stage:
    return Stage(tuple(sorted(operations, key=first_rank)))


def grid(size: Size) -> Size:
    """Columns and rows for a picture of `size` pixels: the last ones may be covered in part. ImpossibleOutput when there are too many."""
    if _allowed(cells := _cells(size)):
        return cells
    columns, rows = cells
    widest = min(MAX_COLUMNS, isqrt(2 * MAX_CELLS * size.width // size.height) + 1)
    # Rounding of the rows may carry it over the limit: a column or two less are then enough.
    narrower = (width for width in range(widest, 0, -1) if _allowed(_cells(scaled_to(size, width * CELL.width, None))))
    largest = next(narrower, 1)
    raise ImpossibleOutput(
        f"The text would have {columns} columns and {rows} rows. "
        f"The largest width that one of these proportions can have is {largest} columns.",
        width=columns,
        height=rows,
        largest_width=largest,
    )


def _cells(size: Size) -> Size:
    return Size(-(-size.width // CELL.width), -(-size.height // CELL.height))


def _allowed(cells: Size) -> bool:
    return cells.width <= MAX_COLUMNS and cells.area <= MAX_CELLS
