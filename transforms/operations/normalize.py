"""normalize: stretch the luma over the whole range."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from transforms.geometry import Size
from transforms.operation import Image, Operation, Stage, param, register
from transforms.operations._bands import REC_709, WHITEST, alpha_of, by_matrix, luma
from transforms.params import Flag

DARKEST, LIGHTEST = 0.01, 0.99


@register
@dataclass(frozen=True, kw_only=True)
class Normalize(Operation):
    """The 1st percentile of the Rec. 709 luma becomes black, the 99th white; colour differences (Cb, Cr) stay."""

    normalize: bool = param(Flag(), default=False, summary="stretch the contrast over the whole range", example="normalize")

    def apply(self, frames: Sequence[Image], size: Size, stage: Stage) -> list[Image]:
        # One range for all frames: an animation must not flicker.
        low, high = _range(type(frames[0]).arrayjoin(list(frames), across=1))
        if low >= high or (low, high) == (0, WHITEST):
            return list(frames)
        slope = WHITEST / (high - low)
        rows = [[(row == column) + (slope - 1) * weight for column, weight in enumerate(REC_709)] for row in range(3)]
        return [by_matrix(frame, rows, -slope * low) for frame in frames]


def _range(image: Image) -> tuple[int, int]:
    """The levels of luma between which nearly all of the picture lies; the same level twice where nothing can be seen."""
    # Pixels count by their opacity: what lies under transparency is often black, and nobody sees it.
    counts = alpha_of(image).hist_find_indexed(luma(image), combine="sum")
    sums = list(accumulate(counts(level, 0)[0] for level in range(counts.width)))
    low, high = (next(level for level, seen in enumerate(sums) if seen >= share * sums[-1]) for share in (DARKEST, LIGHTEST))
    return low, high
