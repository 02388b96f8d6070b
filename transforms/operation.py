"""What an operation is, in which order operations run, and the registry that finds them.

An operation is one file in `operations/`: a frozen dataclass whose fields are its parameters. The parser, the canonical text, the errors
that name a range, the documentation and the contract tests all come from what that file says.
"""

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, ClassVar, Self, TypeAlias, TypeVar, cast

from transforms.formats import Format
from transforms.geometry import Size
from transforms.params import Convertor

# One frame as a libvips image. Operations call its methods; only the engine may import the library.
Image: TypeAlias = Any

Kind = TypeVar("Kind", bound="Operation")

# The pipeline, and the order of canonical text. One stage runs its operations in this order, however its text was written.
PIPELINE = (
    *("p", "page", "frames", "orient", "trim", "crop", "ar"),
    *("w", "h", "dpr", "fit", "g", "enlarge", "kernel"),
    *("rotate", "flip", "pad", "bg"),
    *("gray", "sepia", "invert", "normalize", "brightness", "contrast", "saturate", "hue", "gamma"),
    *("tint", "duotone", "threshold", "posterize"),
    *("blur", "sharpen", "median", "pixelate", "edge", "emboss"),
    *("opacity", "radius", "mask", "wm", "text"),
    *("q", "maxbytes", "lossless", "progressive", "palette", "effort", "charset", "meta", "icc"),
)


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One name in the grammar: how its text and its value become each other, and what people should know of it."""

    convertor: Convertor[Any]
    summary: str
    example: str


def param(convertor: Convertor[Any], *, default: Any, summary: str, example: str) -> Any:
    """A dataclass field that the grammar knows under the field's name."""
    return field(default=default, metadata={"parameter": Parameter(convertor=convertor, summary=summary, example=example)})


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One step of a stage. All parameters have defaults, and the defaults together do nothing."""

    @classmethod
    def parameters(cls) -> dict[str, Parameter]:
        return {f.name: f.metadata["parameter"] for f in fields(cls)}

    def tokens(self) -> dict[str, str]:
        """Its canonical text by parameter name, without what is default."""
        chosen = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
        return {name: name + self.parameters()[name].convertor.format(value) for name, value in chosen.items()}

    def uses(self) -> frozenset[str]:
        """The names of the settings in its stage that change what it does."""
        return frozenset()

    def simplified(self, stage: "Stage", format: Format | None) -> Self | None:
        """The same with less text, or None when the text alone shows that it does nothing; `format` is None for `auto`."""
        return self if self.tokens() else None

    def resolved(self, size: Size, stage: "Stage") -> Self | None:
        """What it comes down to on a picture of this size, or None when that is nothing; an error when it cannot be done."""
        return self

    def output_size(self, size: Size, stage: "Stage") -> Size:
        """The exact size of a frame afterwards. Called on resolved operations only, like all below."""
        return size

    def enlarges(self) -> bool:
        """Whether it makes pixels that were not there: such results have a lower limit."""
        return False

    def load_size(self, size: Size) -> Size | None:
        """The size to which a decoder may shrink a picture of `size` before this operation sees it, if it may."""
        return None

    def apply(self, frames: Sequence[Image], size: Size, stage: "Stage") -> list[Image]:
        """The frames afterwards. `size` is the size before; frames may come already shrunk to `load_size`."""
        return [self.apply_to_frame(frame, size, stage) for frame in frames]

    def apply_to_frame(self, frame: Image, size: Size, stage: "Stage") -> Image:
        return frame


class Setting(Operation):
    """Does nothing by itself: other operations of its stage look at it."""

    def simplified(self, stage: "Stage", format: Format | None) -> Self | None:
        used = frozenset().union(*(operation.uses() for operation in stage.operations))
        return self if self.tokens().keys() & used else None


class OutputOption(Operation):
    """Steers the encoder. A plan has one set of them, whichever stage they were written in."""

    formats: ClassVar[frozenset[str]]

    def save_options(self, format: Format) -> Mapping[str, object]:
        """Arguments for the libvips saver of the format."""
        return {}


@dataclass(frozen=True)
class Stage:
    """Operations that run together, in pipeline order."""

    operations: tuple[Operation, ...] = ()

    def get(self, kind: type[Kind]) -> Kind:
        """The operation of this kind, or the one with all defaults."""
        return next((operation for operation in self.operations if isinstance(operation, kind)), kind())


def stage_text(operations: Sequence[Operation]) -> str:
    tokens = {name: text for operation in operations for name, text in operation.tokens().items()}
    return ",".join(tokens[name] for name in sorted(tokens, key=rank))


_registered: dict[str, type[Operation]] = {}
_after: dict[str, str] = {}


def register(kind: type[Kind]) -> type[Kind]:
    """Make an operation known under the names of its parameters. One that is not in PIPELINE says `after`, a name that is."""
    for name in kind.parameters():
        if not (name.isascii() and name.isalpha() and name.islower()) or name in _registered:
            raise ValueError(f"{name!r} cannot be the name of a parameter")
        if name not in PIPELINE:
            _after[name] = cast(Any, kind).after
        _registered[name] = kind
    return kind


@cache
def rank(name: str) -> tuple[int, str]:
    """Where the name stands in the pipeline."""
    return (PIPELINE.index(_after[name]), name) if name in _after else (PIPELINE.index(name), "")


@cache
def registry() -> Mapping[str, type[Operation]]:
    """All operations by parameter name, in pipeline order."""
    package = importlib.import_module("transforms.operations")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return {name: _registered[name] for name in sorted(_registered, key=rank)}


def first_rank(operation: Operation) -> tuple[int, str]:
    return min(rank(name) for name in operation.parameters())
