"""What a plan comes to on one picture: its format, the part of it that is measured, and its exact result within the limits."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from transforms.formats import FORMATS, negotiate
from transforms.limits import Limits
from transforms.plan import Plan, Resolved
from transforms.values import Facts


def negotiated(plan: Plan, facts: Facts, accept: str | None, order: Sequence[str]) -> Plan:
    """The plan with the format that `auto` means for this picture and caller; `order` is the server's."""
    if not plan.auto:
        return plan
    name = negotiate(accept, alpha=plan.transparent(facts), animated=facts.animated, order=tuple(order))
    return replace(plan, format=name)


# This arithmetic costs more than all the rest of a hit in memory, and the same few plans are asked for again and again.
@lru_cache(maxsize=4096)
def within(limits: Limits, plan: Plan, facts: Facts) -> Resolved:
    """The plan resolved, or ImpossibleOutput when its result is too large."""
    resolved = plan.resolve(facts)
    # What is enlarged may be cut out of something much larger than the result.
    largest = resolved.peak if resolved.enlarged else resolved.size
    limits.check_output(largest, FORMATS[resolved.plan.format], enlarged=resolved.enlarged, frames=resolved.frames)
    return resolved


def to_measure(limits: Limits, pending: Plan, facts: Facts) -> Resolved:
    """A plan that ends in what must be measured, resolved: only whether it moves matters then, not the format that is written."""
    moves = facts.animated and FORMATS[pending.format].animation
    return within(limits, replace(pending, format="webp" if moves else "png"), facts)
