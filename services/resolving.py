"""From a plan as it was asked for to what it comes down to on one image: presets, focal point, format, trim, limits."""

import json

from services.container import Services
from services.ids import variants_prefix
from services.makeable import put_once, whole
from services.quarantine import quarantined
from services.sources import original_path, other_images
from services.values import KnownImage
from transforms.engine import measure
from transforms.geometry import Box
from transforms.operations.gravity import CENTER
from transforms.outcome import negotiated, to_measure, within
from transforms.plan import Plan, Resolved
from transforms.rewrites import expanded, unmeasured, with_box, with_focal


async def resolve(services: Services, plan: Plan, known: KnownImage, accept: str | None) -> Resolved:
    """What the plan comes down to for this image and caller.

    PlanError for a preset or a page that there is not, ImpossibleOutput over the limits on results. A plan that trims is measured on
    the original, once: then what `deliver` raises too.
    """
    chosen = _chosen(services, plan, known, accept)
    while (pending := unmeasured(chosen)) is not None:
        chosen = with_box(chosen, await _measured(services, known, pending))
    return within(services.limits, chosen, known.facts)


async def foreseen(services: Services, plan: Plan, known: KnownImage, accept: str | None) -> Resolved | None:
    """As `resolve`, without measuring anything: None when a part of the picture has not been measured yet."""
    chosen = _chosen(services, plan, known, accept)
    while (pending := unmeasured(chosen)) is not None:
        _, key = _measurement(services, known, pending)
        if known.staged or (box := await _stored_box(services, key)) is None:
            return None
        chosen = with_box(chosen, box)
    return within(services.limits, chosen, known.facts)


def _chosen(services: Services, plan: Plan, known: KnownImage, accept: str | None) -> Plan:
    steered = with_focal(expanded(plan, services.presets), known.focal or CENTER)
    return negotiated(steered, known.facts, accept, services.auto_order)


def _measurement(services: Services, known: KnownImage, pending: Plan) -> tuple[Resolved, str]:
    """What is measured, and under which key its result is remembered."""
    resolved = to_measure(services.limits, pending, known.facts)
    return resolved, f"{variants_prefix(known.id)}{resolved.digest}.json"


async def _measured(services: Services, known: KnownImage, pending: Plan) -> Box:
    """The part that the last operation of the plan stands for: from memory, from the store, or measured now and remembered."""
    resolved, key = _measurement(services, known, pending)
    if (box := services.memory.boxes.get(key)) is None:
        box, _ = await services.boxes.join(key, lambda: _find_box(services, known, resolved.plan, key))
        services.memory.boxes[key] = box
    return box


async def _find_box(services: Services, known: KnownImage, plan: Plan, key: str) -> Box:
    if not known.staged and (stored := await _stored_box(services, key)) is not None:
        return stored
    with services.pool.promise():
        async with (
            original_path(services, known) as path,
            other_images(services, plan) as images,
            quarantined(services, known.sha256, key, plan),
        ):
            box = await services.pool.run(measure, plan, path, known.facts, services.limits, images)
    if not known.staged:
        await put_once(services, key, json.dumps(box).encode())
    return box


async def _stored_box(services: Services, key: str) -> Box | None:
    data = await whole(services, key)
    return None if data is None else Box(*json.loads(data))
