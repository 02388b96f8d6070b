"""From the text of a plan to a rendition without a server. What the server fills in before it resolves a plan is filled in here too."""

from collections.abc import Mapping
from pathlib import Path

from transforms.engine import execute, measure
from transforms.formats import FORMATS
from transforms.grammar import parse
from transforms.limits import Limits
from transforms.operations.gravity import CENTER
from transforms.outcome import to_measure, within
from transforms.plan import Plan, Resolved
from transforms.rewrites import expanded, unmeasured, with_box, with_focal
from transforms.values import Facts, Rendition

# What the examples of the registry refer to.
PRESETS: Mapping[str, Plan] = {"thumbnail": parse("w200,h200,fit_cover", "auto")}
LIMITS = Limits(accepted=frozenset(FORMATS))


def resolved(text: str, extension: str, path: Path, facts: Facts, limits: Limits = LIMITS, *, overlay: Path | None = None) -> Resolved:
    """What a plan comes down to on the picture of this file. PlanError, or ImpossibleOutput when the result is too large."""
    plan = with_focal(expanded(parse(text, extension), PRESETS), CENTER)
    while (pending := unmeasured(plan)) is not None:
        found = to_measure(limits, pending, facts).plan
        plan = with_box(plan, measure(found, path, facts, limits, _images(found, overlay)))
    return within(limits, plan, facts)


def drawn(text: str, extension: str, path: Path, facts: Facts, *, overlay: Path | None = None, limits: Limits = LIMITS) -> Rendition:
    """The picture of this file as the plan says. `overlay` stands for every other stored image that the plan draws on."""
    plan = resolved(text, extension, path, facts, limits, overlay=overlay).plan
    return execute(plan, path, facts, limits, _images(plan, overlay))


def _images(plan: Plan, overlay: Path | None) -> Mapping[str, Path]:
    return dict.fromkeys(plan.images, overlay) if overlay else {}
