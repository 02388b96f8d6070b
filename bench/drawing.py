"""From the text of a plan to a rendition without a server. What the server fills in before it resolves a plan is filled in here too."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from transforms.engine import execute, measure
from transforms.formats import FORMATS
from transforms.grammar import parse
from transforms.limits import Limits
from transforms.operations.gravity import CENTER
from transforms.plan import Plan, Resolved
from transforms.rewrites import expanded, unmeasured, with_box, with_focal
from transforms.values import Facts, Rendition

# What the examples of the registry refer to.
PRESETS: Mapping[str, Plan] = {"thumbnail": parse("w200,h200,fit_cover", "auto")}
LIMITS = Limits(accepted=frozenset(FORMATS))


def resolved(text: str, extension: str, path: Path, facts: Facts, limits: Limits = LIMITS) -> Resolved:
    """What a plan comes down to on the picture of this file. PlanError, or ImpossibleOutput when the result is too large."""
    plan = with_focal(expanded(parse(text, extension), PRESETS), CENTER)
    while (pending := unmeasured(plan)) is not None:
        moves = facts.animated and FORMATS[extension].animation
        measurable = replace(pending, format="webp" if moves else "png").resolve(facts).plan
        plan = with_box(plan, measure(measurable, path, facts, limits))
    found = plan.resolve(facts)
    largest = found.peak if found.enlarged else found.size
    limits.check_output(largest, FORMATS[found.plan.format], enlarged=found.enlarged, frames=found.frames)
    return found


def drawn(text: str, extension: str, path: Path, facts: Facts, *, overlay: Path | None = None, limits: Limits = LIMITS) -> Rendition:
    """The picture of this file as the plan says. `overlay` stands for every other stored image that the plan draws on."""
    plan = resolved(text, extension, path, facts, limits).plan
    return execute(plan, path, facts, limits, dict.fromkeys(plan.images, overlay) if overlay else None)
