"""The parser of plans (urls.md, grammar): text to Plan, or an error that says what was expected."""

import difflib
import re
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache

from transforms.columns import without_defaults
from transforms.errors import PlanError
from transforms.formats import FORMATS, Format, by_extension
from transforms.operation import Operation, OutputOption, SourceOption, Stage, first_rank, registry
from transforms.params import Unfit
from transforms.plan import AUTO, NOTHING, Plan, simplified, simplified_options

MAX_STAGES = 16
MAX_SHOWN = 60
# The least likeness of a hint. Of 0.6, difflib's own, g_top would be taken for g_entropy, and card for ar.
LIKENESS = 0.7
# What people write, after other services and CSS, and the names here.
WRITTEN_OUT = {
    "width": "w",
    "height": "h",
    "quality": "q",
    "gravity": "g",
    "background": "bg",
    "watermark": "wm",
    "grayscale": "gray",
    "greyscale": "gray",
    "round": "radius",
}
SIDES = {"top": "north", "bottom": "south", "left": "west", "right": "east", "middle": "center"}

# A limit on bytes may have seven digits, other numbers five: their ranges end before that.
TOKEN = re.compile(r"([a-z]+)((?<=maxbytes)[0-9]{1,7}|[0-9]{1,5}(?:\.[0-9]{1,2})?)?((?:_[A-Za-z0-9.~-]+)*)", re.ASCII)


@lru_cache(maxsize=4096)
def parse(text: str, extension: str) -> Plan:
    """The plan that a URL's text and extension mean, or PlanError that names the token, what was expected and the nearest known name."""
    format = _output_format(extension)
    texts = [] if text == NOTHING else text.split("/")
    if len(texts) > MAX_STAGES:
        raise PlanError(f"A plan has at most {MAX_STAGES} stages, this one has {len(texts)}.", expected=f"at most {MAX_STAGES} stages")
    stages: list[Stage] = []
    source: list[SourceOption] = []
    options = dict[type[Operation], OutputOption]()
    for number, written in enumerate(texts):
        operations = _parse_stage(written, format)
        pixels = (operation for operation in operations if not isinstance(operation, SourceOption | OutputOption))
        stages.append(simplified(Stage(tuple(pixels)), format))
        source += _of_first_stage(number, [operation for operation in operations if isinstance(operation, SourceOption)])
        for option in (operation for operation in operations if isinstance(operation, OutputOption)):
            if options.setdefault(type(option), option) is not option:
                raise PlanError(f"{_text_of(option)!r} is said twice: a plan has one set of output options.", token=_text_of(option))
    kept = tuple(stage for stage in stages if stage.operations)
    return Plan(
        source=simplified_options(source, format),
        stages=without_defaults(kept) if format and format.text else kept,
        options=simplified_options(sorted(options.values(), key=first_rank), format),
        format=format.name if format else AUTO,
    )


def _output_format(extension: str) -> Format | None:
    """None for `auto`."""
    format = by_extension(extension)
    if extension == AUTO or (format and format.writable):
        return format
    known = [*(name for name, known in FORMATS.items() if known.writable), AUTO]
    nearest, hint = _hint(_nearest(extension.lower(), [*known, "jpeg"]))
    sentence = f"{extension[:MAX_SHOWN]!r} is no output format; there are {', '.join(known)}.{hint}"
    raise PlanError(sentence, token=extension[:MAX_SHOWN], expected=known, nearest=nearest)


def _parse_stage(text: str, format: Format | None) -> list[Operation]:
    values: dict[type[Operation], dict[str, object]] = {}
    for token in text.split(",") if text else ():
        name, value = _parse_token(token, format)
        if name in values.setdefault(registry()[name], {}):
            raise PlanError(f"{name!r} is said twice in one stage.", token=token, expected=f"{name} once")
        values[registry()[name]][name] = value
    made = sorted((kind(**arguments) for kind, arguments in values.items()), key=first_rank)
    if lonely := next((operation for operation in made if operation.alone and len(made) > 1), None):
        raise PlanError(f"{_text_of(lonely)!r} must be alone in its stage: put a slash before what follows.", token=_text_of(lonely))
    return made


def _parse_token(token: str, format: Format | None) -> tuple[str, object]:
    match = TOKEN.fullmatch(token)
    shown, name = token[:MAX_SHOWN], match[1] if match else re.match("[a-z]*", token)[0]  # type: ignore[index]
    if name not in registry():
        raise _unknown(shown)
    kind = registry()[name]
    if issubclass(kind, OutputOption) and format and format.name not in kind.formats:
        having, have = ", ".join(sorted(kind.formats)), "have" if len(kind.formats) > 1 else "has"
        sentence = f"{shown!r}: {format.name} has no {name}, but {having} {have}."
        raise PlanError(sentence, token=shown, expected=f"{name} only in {having}")
    convertor = kind.parameters()[name].convertor
    expected = convertor.expected
    try:
        number, values = (match[2], match[3]) if match else (None, token.removeprefix(name))
        value = convertor.parse(number, tuple(values.split("_")[1:]))
        if match:
            return name, value
    except Unfit as unfit:
        expected = str(unfit)
    except ValueError:
        pass
    word = _nearest_word(token.removeprefix(name).lstrip("_"), getattr(convertor, "words", ()))
    nearest, hint = _hint(word and f"{name}_{word}")
    raise PlanError(f"{shown!r}: {name!r} takes {expected}.{hint}", token=shown, expected=expected, nearest=nearest)


def _unknown(shown: str) -> PlanError:
    if not shown:
        return PlanError("There is a comma too many: an operation is missing.", token="", expected=list(registry()))
    name = re.match("[A-Za-z]*", shown)[0]  # type: ignore[index]  # matches anything
    # Only the case may be wrong. What follows the name may be a text, so it stays as it is if it can.
    lower = (text for text in (name.lower() + shown.removeprefix(name), shown.lower()) if text != shown and _readable(text))
    near = next(lower, None) or _nearest(name.lower(), [*registry(), *WRITTEN_OUT])
    nearest, hint = _hint(WRITTEN_OUT.get(near or "", near))
    if not hint and _readable(f"p_{shown}"):
        hint = f" A preset of this name is written 'p_{shown}'."
    return PlanError(f"{shown!r} is no operation.{hint}", token=shown, expected=list(registry()), nearest=nearest)


def _readable(token: str) -> bool:
    with suppress(PlanError):
        return bool(_parse_token(token, None))
    return False


def _nearest_word(text: str, words: Iterable[str]) -> str | None:
    compass = re.sub("|".join(SIDES), lambda side: SIDES[side[0]], text.lower())
    return _nearest(re.sub("[_-]", "", compass), words)


def _nearest(text: str, known: Iterable[str]) -> str | None:
    return next(iter(difflib.get_close_matches(text[:MAX_SHOWN], list(known), n=1, cutoff=LIKENESS)), None)


def _hint(nearest: str | None) -> tuple[str | None, str]:
    return nearest, f" Did you mean {nearest!r}?" if nearest else ""


def _of_first_stage(number: int, options: list[SourceOption]) -> list[SourceOption]:
    if number and options:
        raise PlanError(
            f"{_text_of(options[0])!r} must stand in the first stage: it says how the original is seen.", token=_text_of(options[0])
        )
    return options


def _text_of(option: Operation) -> str:
    return ",".join(option.tokens().values())
