"""The widths that a server offers, and plans brought to them: so many widths, so many variants."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from transforms.errors import PlanError
from transforms.geometry import round_side
from transforms.operation import Stage
from transforms.operations.resize import SIDE, Resize
from transforms.plan import Plan


def check_widths(plan: Plan, widths: Sequence[int]) -> None:
    """PlanError for a width that is not on the ladder."""
    for stage in plan.stages:
        if (w := stage.get(Resize).w) is not None and w not in widths:
            offered = ", ".join(map(str, widths))
            raise PlanError(
                f"{w} is not a width that this server offers: there are {offered}.",
                token=f"w{w}",
                expected=[f"w{width}" for width in widths],
            )


def snapped(plan: Plan, widths: Sequence[int]) -> Plan:
    """The plan with each width replaced by the next one of the ascending `widths`, or by the largest; a height beside it grows alike."""
    return replace(plan, stages=tuple(_snapped(stage, widths) for stage in plan.stages))


def _snapped(stage: Stage, widths: Sequence[int]) -> Stage:
    resize = stage.get(Resize)
    if resize.w is None or resize.w in widths:
        return stage
    w = next((width for width in widths if width >= resize.w), widths[-1])
    h = resize.h and min(SIDE.highest, round_side(Fraction(resize.h * w, resize.w)))
    kept = (replace(operation, w=w, h=h) if isinstance(operation, Resize) else operation for operation in stage.operations)
    return Stage(tuple(kept))
