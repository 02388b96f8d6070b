"""A picture that nobody has looked at yet, from its header to the rendition of a plan: one call of a child."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from transforms.engine import execute, measure, probe, refuse_cut_off
from transforms.limits import Limits
from transforms.outcome import negotiated, to_measure, within
from transforms.plan import Plan, Resolved
from transforms.rewrites import unmeasured, with_box
from transforms.values import Rendition


@dataclass(frozen=True, kw_only=True)
class Transformed:
    """What the plan came down to, and what came out."""

    resolved: Resolved
    rendition: Rendition


def transform(
    plan: Plan, path: Path, limits: Limits, images: Mapping[str, Path], *, accept: str | None, order: tuple[str, ...]
) -> Transformed:
    """Carry out a plan without presets and stored points; `accept` and the server's `order` decide what `auto` is.

    All errors of `probe` and `execute`, and PlanError for a frame that is not there.
    """
    facts = probe(path, limits)
    refuse_cut_off(path, facts)
    chosen = negotiated(plan, facts, accept, order)
    while (pending := unmeasured(chosen)) is not None:
        chosen = with_box(chosen, measure(to_measure(limits, pending, facts).plan, path, facts, limits, images))
    resolved = within(limits, chosen, facts)
    return Transformed(resolved=resolved, rendition=execute(resolved.plan, path, facts, limits, images))
