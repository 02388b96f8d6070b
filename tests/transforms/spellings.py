"""Texts that the registry accepts, found by trying, so that an operation is under contract as soon as its file is there."""

import random
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from itertools import chain

from hypothesis import strategies as st

from transforms.formats import FORMATS
from transforms.grammar import TOKEN
from transforms.operation import Measured, Operation, OutputOption, Parameter, SourceOption, registry

NAMES = tuple(registry())
WRITABLE = tuple(name for name, format in FORMATS.items() if format.writable)
RANGE = re.compile(r"(\d+(?:\.\d+)?) to (\d+(?:\.\d+)?)")
# What values of today's and tomorrow's operations may look like.
WORDS = ("none", "max", "auto", "blur", "transparent", "equal", "tile", "center", "south", "all", "circle", "ascii", "lanczos2", "cubic")
VALUES = (*WORDS, "fff", "0a1b2c", "11223344", "10p", "33.5p", "100p", "0.3", "0.75", "0", "1", "4", "9", "20", "150", "SGVsbG8", "a" * 26)
NUMBERS = ("0", "1", "2", "3", "4", "5", "9", "16", "45", "90", "180", "200", "0.1", "0.3", "0.5", "1.5", "2.25", "9.99", "400", "16383")
TRIES, KEPT = 400, 40


def parameter(name: str) -> Parameter:
    return registry()[name].parameters()[name]


def example(name: str) -> str:
    return parameter(name).example


def extension_of(name: str) -> str:
    """A format in which the name has a meaning."""
    kind = registry()[name]
    return max(kind.formats) if issubclass(kind, OutputOption) else "webp"


def formats_of(name: str) -> Sequence[str]:
    kind = registry()[name]
    return sorted(kind.formats) if issubclass(kind, OutputOption) else WRITABLE


def value_of(name: str, token: str) -> object:
    """ValueError when the name cannot be followed by this."""
    match = TOKEN.fullmatch(token)
    if match is None or match[1] != name:
        raise ValueError(token)
    return parameter(name).convertor.parse(match[2], tuple(match[3].split("_")[1:]))


def own_token(name: str) -> str:
    """The token of the name in its own example."""
    return next(token for token in re.split("[,/]", example(name)) if re.match(rf"{name}(?![a-z])", token))


@cache
def tokens_of(name: str) -> tuple[str, ...]:
    """Accepted tokens with different values: its example, the ends of its ranges and what chance finds, in the same order each time."""
    found: dict[object, str] = {}
    for token in chain([own_token(name)], _ends(name), _guesses(name)):
        with suppress(ValueError):
            found.setdefault(value_of(name, token), token)
        if len(found) == KEPT:
            break
    return tuple(found.values())


def _ends(name: str) -> Iterator[str]:
    for text in chain.from_iterable(RANGE.findall(parameter(name).convertor.expected)):
        yield name + text


def _guesses(name: str) -> Iterator[str]:
    """Its words, its example with other values in it, and anything at all."""
    chance, words = random.Random(name), tuple(getattr(parameter(name).convertor, "words", ()))
    yield from (f"{name}_{word}" for word in words)
    head, *values = own_token(name).split("_")
    for _ in range(TRIES):
        other = [chance.choice(VALUES + words) if chance.random() < 0.5 else value for value in values]
        yield "_".join((head, *other))
        number = chance.choice(("", chance.choice(NUMBERS), str(chance.randrange(400)), str(chance.randrange(1, 1000) / 100)))
        yield "_".join((name + number, *(chance.choice(VALUES + words) for _ in range(chance.randrange(4)))))


def small(token: str) -> bool:
    """Whether it names no number that would make a large picture."""
    numbers = (re.fullmatch(r"[a-z]*(\d+(?:\.\d+)?)", part) for part in token.split("_"))
    return all(float(number[1]) <= 400 for number in numbers if number)


def pixel_names() -> list[str]:
    """What changes pixels, whatever the original and the encoder."""
    return [name for name, kind in registry().items() if not issubclass(kind, SourceOption | OutputOption) and not kind.alone]


def source_names() -> list[str]:
    return [name for name, kind in registry().items() if issubclass(kind, SourceOption)]


def option_names(extension: str) -> list[str]:
    kinds = registry().items()
    return [name for name, kind in kinds if issubclass(kind, OutputOption) and (extension == "auto" or extension in kind.formats)]


def measured(name: str) -> bool:
    return issubclass(registry()[name], Measured)


def some(names: Sequence[str], most: int, only: type[Operation] = Operation, *, tiny: bool = False) -> st.SearchStrategy[tuple[str, ...]]:
    """Tokens of up to so many different names."""
    usable = [name for name in names if issubclass(registry()[name], only)]
    if not usable:
        return st.just(())
    pools = {name: [token for token in tokens_of(name) if small(token) or not tiny] or tokens_of(name) for name in usable}
    chosen = st.lists(st.sampled_from(usable), unique=True, max_size=most)
    return chosen.flatmap(lambda names: st.tuples(*(st.sampled_from(pools[name]) for name in names)))


@st.composite
def plans(draw: st.DrawFn, extension: str, *, most: int = 6, stages: int = 3, tiny: bool = False) -> list[list[str]]:
    """The tokens of a plan by stages, in any order."""
    texts = [list(draw(some(pixel_names(), most, tiny=tiny))) for _ in range(draw(st.integers(1, stages)))]
    texts[0] += draw(some(source_names(), 2, tiny=tiny))
    texts[-1] += draw(some(option_names(extension), 3, tiny=tiny))
    return texts


def text_of(stages: Sequence[Sequence[str]]) -> str:
    return "/".join(",".join(stage) for stage in stages) or "_"
