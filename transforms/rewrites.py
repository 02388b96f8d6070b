"""What the text of a plan leaves open, filled in before it is resolved: presets, the focal point, and parts that must be measured."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import replace

from transforms.columns import enlarging
from transforms.errors import PlanError
from transforms.formats import FORMATS
from transforms.geometry import Box
from transforms.grammar import MAX_STAGES
from transforms.operation import Measured, OutputOption, Stage, first_rank
from transforms.operations.gravity import FOCAL, Gravity, Point
from transforms.operations.preset import Preset
from transforms.plan import Plan, simplified, simplified_options


def has_preset(plan: Plan) -> bool:
    return any(stage.get(Preset).p for stage in plan.stages)


def expanded(plan: Plan, presets: Mapping[str, Plan]) -> Plan:
    """The plan with its presets written out; PlanError for a name that there is not. What the plan itself says to the encoder wins."""
    if not has_preset(plan):
        return plan
    source, stages, options = plan.source, list[Stage](), {type(option): option for option in plan.options}
    for stage in plan.stages:
        if (name := stage.get(Preset).p) is None:
            stages.append(stage)
            continue
        preset = _preset(name, presets)
        if preset.source and (stages or source):
            raise PlanError(f"The preset {name!r} says how the original is seen: nothing may stand before it.", token=f"p_{name}")
        source = source or preset.source
        stages += preset.stages
        options = {**{type(option): option for option in preset.options}, **options}
    if len(stages) > MAX_STAGES:
        raise PlanError(f"With its presets written out, the plan has {len(stages)} stages; at most {MAX_STAGES} are carried out.")
    return replace(plan, source=source, stages=tuple(stages), options=_known_options(plan, options.values()))


def _preset(name: str, presets: Mapping[str, Plan]) -> Plan:
    if name in presets:
        return presets[name]
    nearest = next(iter(difflib.get_close_matches(name, presets, n=1)), None)
    hint = f" Did you mean {nearest!r}?" if nearest else ""
    raise PlanError(f"There is no preset {name!r}.{hint}", token=f"p_{name}", expected=sorted(presets), nearest=nearest)


def _known_options(plan: Plan, options: Iterable[OutputOption]) -> tuple[OutputOption, ...]:
    """Those that the format of the plan has: a preset is written for all formats."""
    kept = (option for option in options if plan.auto or plan.format in option.formats)
    return simplified_options(sorted(kept, key=first_rank), None if plan.auto else FORMATS[plan.format])


def has_focal(plan: Plan) -> bool:
    return any(stage.get(Gravity).g == FOCAL for stage in plan.stages)


def with_focal(plan: Plan, point: Point) -> Plan:
    """The plan with the point that is stored with the image in place of the word."""
    if not has_focal(plan):
        return plan
    stages = []
    for stage in plan.stages:
        operations = (Gravity(g=point) if isinstance(o, Gravity) and o.g == FOCAL else o for o in stage.operations)
        stages.append(simplified(Stage(tuple(operations)), None))
    return replace(plan, stages=tuple(stages))


def unmeasured(plan: Plan) -> Plan | None:
    """The plan up to and with its first operation that must be measured, which is then alone in the last stage; None without one."""
    for at, stage in enumerate(plan.stages):
        if measured := _measured(stage):
            before = plan.stages[:at]
            before = before if plan.auto or not FORMATS[plan.format].text else enlarging(before)
            return Plan(source=plan.source, stages=(*before, Stage((measured,))), format=plan.format)
    return None


def with_box(plan: Plan, box: Box) -> Plan:
    """The plan with what was found instead of the first operation that had to be measured."""
    at, stage, measured = next((at, stage, first) for at, stage in enumerate(plan.stages) if (first := _measured(stage)))
    rest = Stage(tuple(operation for operation in stage.operations if operation is not measured))
    found = (Stage((measured.found(box),)), *([rest] if rest.operations else []))
    return replace(plan, stages=(*plan.stages[:at], *found, *plan.stages[at + 1 :]))


def _measured(stage: Stage) -> Measured | None:
    return next((operation for operation in stage.operations if isinstance(operation, Measured)), None)
