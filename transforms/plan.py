"""Plans: the text between an image's id and the extension, as a value.

    parse("h300,w400,fit_cover/rotate90", "webp")  ->  Plan  ->  str: "w400,h300,fit_cover/rotate90"
    plan.resolve(facts)  ->  Resolved: what it comes down to on one image, and the exact size that comes out

Laws: `parse(str(plan), plan.format) == plan`; the order of operations inside a stage changes nothing; equal resolved plans have equal
keys and the other way round. The parser is transforms/grammar.py.
"""

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, TypeAlias, TypeVar

from transforms import columns
from transforms.formats import FORMATS, Format
from transforms.geometry import Size
from transforms.operation import Operation, OutputOption, SourceOption, Stage, stage_text
from transforms.values import Facts

# Part of every key: raise it when the same plan gives other pixels or bytes than before. Older versions may go on working beside this
# one: neither reads what the other made. What an older one stored is not warmed anew, and stays until its image is deleted.
ENGINE_VERSION = 2
AUTO = "auto"
NOTHING = "_"

Option = TypeVar("Option", SourceOption, OutputOption)

# An operation of a plan, its stage, and the size that it sees.
Step: TypeAlias = tuple[Operation, Stage, Size]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How to see the original (source), what to do (stages), how to encode it (options) and as what: a name in FORMATS, or `auto`."""

    source: tuple[SourceOption, ...] = ()
    stages: tuple[Stage, ...] = ()
    options: tuple[OutputOption, ...] = ()
    format: str

    @cached_property
    def text(self) -> str:
        """The canonical text, without the extension. Options are written in the last stage, those of the source in the first."""
        groups: list[tuple[Operation, ...]] = [stage.operations for stage in self.stages]
        if self.source:
            groups[:1] = [(*self.source, *groups[0])] if groups and not _alone(groups[0]) else [self.source, *groups[:1]]
        if self.options:
            groups[-1:] = [(*groups[-1], *self.options)] if groups and not _alone(groups[-1]) else [*groups[-1:], self.options]
        return "/".join(stage_text(group) for group in groups) or NOTHING

    def __str__(self) -> str:
        return self.text

    @property
    def auto(self) -> bool:
        return self.format == AUTO

    @property
    def operations(self) -> Iterator[Operation]:
        """All of them, in the order in which they run."""
        yield from self.source
        for stage in self.stages:
            yield from stage.operations
        yield from self.options

    @cached_property
    def images(self) -> frozenset[str]:
        """The ids of the other stored images that it draws on."""
        return frozenset().union(*(operation.images() for operation in self.operations))

    def transparent(self, facts: Facts) -> bool:
        """Whether something may shine through the result."""
        through = facts.alpha
        for stage in self.stages:
            for operation in stage.operations:
                through = operation.lets_through(through, stage)
        return through

    def seen(self, facts: Facts) -> Facts:
        """What the operations see of an original: all of its frames only where the format moves."""
        for option in self.source:
            facts = option.seen(facts)
        return facts if self.format in FORMATS and FORMATS[self.format].animation else replace(facts, frames=1)

    def resolve(self, facts: Facts, format: str | None = None) -> "Resolved":
        """What the plan comes down to on a picture like this; `format` is what was negotiated when the plan says `auto`."""
        output = FORMATS[format or self.format]
        source = tuple(chosen for option in self.source if (chosen := option.resolved_for(facts, output)) is not None)
        plan = replace(self, source=source, format=output.name)
        seen = plan.seen(facts)
        made = _resolve_stages(columns.with_columns(self.stages) if output.text else self.stages, seen.size, output)
        size, stages = made.size, made.stages
        if output.text:
            stages = columns.without_defaults(stages)
            made = _resolve_stages(columns.in_pixels(made.stages, seen.size), seen.size, output)
            size = columns.grid(made.size)
        known = simplified_options((option for option in self.options if output.name in option.formats), output)
        options = tuple(left for option in known if (left := option.resolved_for(made.size, output, Stage(known))) is not None)
        plan = replace(plan, stages=tuple(stage for stage in stages if stage.operations), options=options)
        lost = [token for option in self.options if output.name not in option.formats for token in option.tokens()]
        left_out = f"{output.name} has no {' or '.join(lost)}: left out."
        still = f"Only the first of {facts.frames} frames is shown: {output.name} does not move."
        return Resolved(
            plan=plan,
            size=size,
            frames=seen.frames,
            enlarged=made.enlarged,
            peak=max(made.peak, made.size, key=lambda size: size.area),
            warnings=(
                *((still,) if facts.animated and not output.animation and not source else ()),
                *((left_out,) if lost else ()),
            ),
        )


def _alone(operations: Sequence[Operation]) -> bool:
    return any(operation.alone for operation in operations)


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """A plan for one image: size and number of the frames that come out, whether anything is enlarged, the largest size on the way.

    The size of a text is its columns and rows, the largest on the way to it is in pixels.
    `warnings` are sentences for people: what comes out is not all that was asked for.
    """

    plan: Plan
    size: Size
    frames: int
    enlarged: bool
    peak: Size
    warnings: tuple[str, ...] = ()

    @cached_property
    def digest(self) -> str:
        """26 characters of base32 that stand for these pixels, whichever way they were asked for."""
        text = f"{ENGINE_VERSION} {self.plan}.{self.plan.format}"
        return base64.b32encode(hashlib.sha256(text.encode()).digest())[:26].decode().lower()


class _Made(NamedTuple):
    """Resolved stages and what they come to. `peak` is the largest size of a decoded picture."""

    stages: tuple[Stage, ...]
    size: Size
    peak: Size
    enlarged: bool


def _resolve_stages(stages: Iterable[Stage], size: Size, format: Format) -> _Made:
    made, peak, enlarged = [], Size(1, 1), False
    for stage in stages:
        resolved = _resolve_stage(stage, size, format)
        for operation in resolved.operations:
            peak = max(peak, operation.scaled_size(size) or peak, key=lambda size: size.area)
            size, enlarged = operation.output_size(size, resolved), enlarged or operation.enlarges()
        made.append(resolved)
    return _Made(tuple(made), size, peak, enlarged)


def _resolve_stage(stage: Stage, size: Size, format: Format) -> Stage:
    operations = []
    for operation in stage.operations:
        if (resolved := operation.resolved(size, stage)) is not None:
            operations.append(resolved)
            size = resolved.output_size(size, stage)
    return simplified(Stage(tuple(operations)), format)


def simplified(stage: Stage, format: Format | None) -> Stage:
    """The same with less text. What one operation loses, another may have been there for: so until nothing changes."""
    kept = (operation.simplified(stage, format) for operation in stage.operations)
    simpler = Stage(tuple(operation for operation in kept if operation is not None))
    return stage if simpler == stage else simplified(simpler, format)


def simplified_options(options: Iterable[Option], format: Format | None) -> tuple[Option, ...]:
    """As the operations of a stage: options look at each other."""
    return simplified(Stage(tuple(options)), format).operations  # type: ignore[return-value]  # simpler ones of the same kinds


def pipeline(plan: Plan, facts: Facts) -> Iterator[Step]:
    """The operations of a resolved plan in the order in which they run, each with its stage and the size that it sees."""
    size, stages = plan.seen(facts).size, plan.stages
    if (output := FORMATS[plan.format]).text:
        in_columns = _resolve_stages(columns.with_columns(stages), size, output).stages
        stages = _resolve_stages(columns.in_pixels(in_columns, size), size, output).stages
    for stage in stages:
        for operation in stage.operations:
            yield operation, stage, size
            size = operation.output_size(size, stage)


def save_options(plan: Plan) -> Mapping[str, object]:
    """What the plan's options say to the encoder."""
    return {name: value for option in plan.options for name, value in option.save_options(FORMATS[plan.format]).items()}
