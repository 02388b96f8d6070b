"""Plans: the text between an image's id and the extension, as a value.

    parse("h300,w400,fit_cover/rotate90", "webp")  ->  Plan  ->  str: "w400,h300,fit_cover/rotate90"
    plan.resolve(facts)  ->  Resolved: what it comes down to on one image, and the exact size that comes out

Laws: `parse(str(plan), plan.format) == plan`; the order of operations inside a stage changes nothing; equal resolved plans have equal
keys and the other way round.
"""

import base64
import difflib
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache

from transforms.errors import PlanError
from transforms.formats import FORMATS, Format, by_extension
from transforms.geometry import Size
from transforms.operation import Operation, OutputOption, Stage, first_rank, registry, stage_text
from transforms.values import Facts

# Part of every key: raise it when the same plan gives other pixels or bytes than before,
# together with a migration that empties the table of variants.
ENGINE_VERSION = 1
AUTO = "auto"
NOTHING = "_"
MAX_STAGES = 16
MAX_SHOWN = 60

TOKEN = re.compile(r"([a-z]+)([0-9]{1,5}(?:\.[0-9]{1,2})?)?((?:_[A-Za-z0-9.~-]+)*)", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to do (stages), how to encode it (options) and as what: a name in FORMATS, or `auto`."""

    stages: tuple[Stage, ...] = ()
    options: tuple[OutputOption, ...] = ()
    format: str

    @cached_property
    def text(self) -> str:
        """The canonical text, without the extension."""
        stages = [stage.operations for stage in self.stages] or [()]
        return "/".join(stage_text(operations) for operations in (*stages[:-1], (*stages[-1], *self.options))) or NOTHING

    def __str__(self) -> str:
        return self.text

    @property
    def auto(self) -> bool:
        return self.format == AUTO

    def resolve(self, facts: Facts, format: str | None = None) -> "Resolved":
        """What the plan comes down to on a picture like this; `format` is what was negotiated when the plan says `auto`."""
        name = format or self.format
        size, peak, stages, enlarged = facts.size, Size(1, 1), [], False
        for stage in self.stages:
            resolved = _resolve_stage(stage, size, FORMATS[name])
            for operation in resolved.operations:
                peak = max(peak, operation.load_size(size) or peak, key=lambda made: made.area)
                size, enlarged = operation.output_size(size, resolved), enlarged or operation.enlarges()
            stages.append(resolved)
        options = _simplify_options((option for option in self.options if name in option.formats), FORMATS[name])
        plan = Plan(stages=tuple(stage for stage in stages if stage.operations), options=options, format=name)
        return Resolved(plan=plan, size=size, enlarged=enlarged, peak=max(peak, size, key=lambda made: made.area))


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """A plan for one image: the size of the frames that come out, whether anything is enlarged, and the largest size on the way."""

    plan: Plan
    size: Size
    enlarged: bool
    peak: Size

    @cached_property
    def digest(self) -> str:
        """26 characters of base32 that stand for these pixels, whichever way they were asked for."""
        text = f"{ENGINE_VERSION} {self.plan}.{self.plan.format}"
        return base64.b32encode(hashlib.sha256(text.encode()).digest())[:26].decode().lower()


def _resolve_stage(stage: Stage, size: Size, format: Format) -> Stage:
    operations = []
    for operation in stage.operations:
        if (resolved := operation.resolved(size, stage)) is not None:
            operations.append(resolved)
            size = resolved.output_size(size, stage)
    return _simplify(Stage(tuple(operations)), format)


def _simplify(stage: Stage, format: Format | None) -> Stage:
    """The same with less text. What one operation loses, another may have been there for: so until nothing changes."""
    kept = (operation.simplified(stage, format) for operation in stage.operations)
    simpler = Stage(tuple(operation for operation in kept if operation is not None))
    return stage if simpler == stage else _simplify(simpler, format)


def _simplify_options(options: Iterable[OutputOption], format: Format | None) -> tuple[OutputOption, ...]:
    """As the operations of a stage: options look at each other."""
    simpler = _simplify(Stage(tuple(options)), format)
    return tuple(option for option in simpler.operations if isinstance(option, OutputOption))


@lru_cache(maxsize=4096)
def parse(text: str, extension: str) -> Plan:
    """The plan that a URL's text and extension mean, or PlanError that names the token, what was expected and the nearest known name."""
    format = _output_format(extension)
    texts = [] if text == NOTHING else text.split("/")
    if len(texts) > MAX_STAGES:
        raise PlanError(f"A plan has at most {MAX_STAGES} stages, this one has {len(texts)}.", expected=f"at most {MAX_STAGES} stages")
    stages, options = [], dict[type[Operation], OutputOption]()
    for written in texts:
        stage, found = _parse_stage(written, format)
        stages.append(_simplify(stage, format))
        for option in found:
            if options.setdefault(type(option), option) is not option:
                raise PlanError(f"{_text_of(option)!r} is said twice: a plan has one set of output options.", token=_text_of(option))
    kept = _simplify_options(sorted(options.values(), key=first_rank), format)
    return Plan(stages=tuple(stage for stage in stages if stage.operations), options=kept, format=format.name if format else AUTO)


def _output_format(extension: str) -> Format | None:
    """None for `auto`."""
    format = by_extension(extension)
    if extension == AUTO or (format and format.writable):
        return format
    known = [*(name for name, known in FORMATS.items() if known.writable), AUTO]
    nearest, hint = _hint(_nearest(extension.lower(), [*known, "jpeg"]))
    sentence = f"{extension[:MAX_SHOWN]!r} is no output format; there are {', '.join(known)}.{hint}"
    raise PlanError(sentence, token=extension[:MAX_SHOWN], expected=known, nearest=nearest)


def _parse_stage(text: str, format: Format | None) -> tuple[Stage, list[OutputOption]]:
    values: dict[type[Operation], dict[str, object]] = {}
    for token in text.split(",") if text else ():
        name, value = _parse_token(token, format)
        if name in values.setdefault(registry()[name], {}):
            raise PlanError(f"{name!r} is said twice in one stage.", token=token, expected=f"{name} once")
        values[registry()[name]][name] = value
    made = sorted((kind(**arguments) for kind, arguments in values.items()), key=first_rank)
    return Stage(tuple(m for m in made if not isinstance(m, OutputOption))), [m for m in made if isinstance(m, OutputOption)]


def _parse_token(token: str, format: Format | None) -> tuple[str, object]:
    match = TOKEN.fullmatch(token)
    shown, name = token[:MAX_SHOWN], match[1] if match else re.match("[a-z]*", token)[0]  # type: ignore[index]
    if name not in registry():
        raise _unknown(shown, name)
    kind = registry()[name]
    if issubclass(kind, OutputOption) and format and format.name not in kind.formats:
        having = ", ".join(sorted(kind.formats))
        raise PlanError(f"{shown!r}: {format.name} has no {name}, but {having} have.", token=shown, expected=f"no {name}")
    convertor = kind.parameters()[name].convertor
    with suppress(ValueError):
        if match:
            return name, convertor.parse(match[2], tuple(match[3].split("_")[1:]))
    word = _nearest(token.removeprefix(name).lstrip("_"), getattr(convertor, "words", ()))
    nearest, hint = _hint(word and f"{name}_{word}")
    raise PlanError(
        f"{shown!r}: expected {convertor.expected} after {name!r}.{hint}", token=shown, expected=convertor.expected, nearest=nearest
    )


def _unknown(shown: str, name: str) -> PlanError:
    if not shown:
        return PlanError("There is a comma too many: an operation is missing.", token="", expected=list(registry()))
    # People write names out: width, height, quality, gravity.
    nearest, hint = _hint(_nearest(name, registry()) or (name[:1] if name[:1] in registry() else None))
    return PlanError(f"{shown!r} is no operation.{hint}", token=shown, expected=list(registry()), nearest=nearest)


def _nearest(text: str, known: Iterable[str]) -> str | None:
    return next(iter(difflib.get_close_matches(text[:MAX_SHOWN], list(known), n=1)), None)


def _hint(nearest: str | None) -> tuple[str | None, str]:
    return nearest, f" Did you mean {nearest!r}?" if nearest else ""


def _text_of(option: OutputOption) -> str:
    return ",".join(option.tokens().values())


def pipeline(plan: Plan, facts: Facts) -> Iterator[tuple[Operation, Stage, Size]]:
    """The operations of a resolved plan in the order in which they run, each with its stage and the size that it sees."""
    size = facts.size
    for stage in plan.stages:
        for operation in stage.operations:
            yield operation, stage, size
            size = operation.output_size(size, stage)


def save_options(plan: Plan) -> Mapping[str, object]:
    """What the plan's options say to the encoder."""
    return {name: value for option in plan.options for name, value in option.save_options(FORMATS[plan.format]).items()}
