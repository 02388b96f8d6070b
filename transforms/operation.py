"""What an operation is, in which order operations run, and the registry that finds them.

An operation is one file in `operations/`: a frozen dataclass whose fields are its parameters. The parser, the canonical text, the errors
that name a range, the documentation and the contract tests all come from what that file says.
"""

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, ClassVar, Protocol, Self, TypeAlias, TypeVar, cast, runtime_checkable

from transforms.formats import Format
from transforms.geometry import Box, Size
from transforms.params import Convertor
from transforms.values import Facts

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

    # Whether it must be the only operation of its stage.
    alone: ClassVar[bool] = False

    @classmethod
    @cache
    def parameters(cls) -> Mapping[str, Parameter]:
        return {f.name: f.metadata["parameter"] for f in fields(cls)}

    def tokens(self) -> dict[str, str]:
        """Its canonical text by parameter name, without what is default."""
        # A dataclass keeps its defaults as attributes of the class.
        told = ((name, known, getattr(self, name)) for name, known in self.parameters().items())
        return {name: name + known.convertor.format(value) for name, known, value in told if value != getattr(type(self), name)}

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

    def lets_through(self, transparent: bool, stage: "Stage") -> bool:
        """Whether the result may be transparent somewhere, when the picture before was or was not."""
        return transparent

    def images(self) -> frozenset[str]:
        """The ids of the stored images that it draws on: `stage.images` has them when it is applied."""
        return frozenset()

    def needs_original(self) -> bool:
        """Whether a smaller, upright sRGB copy of the picture will not do, however small the result is."""
        return False

    def load_size(self, size: Size) -> Size | None:
        """The size to which a decoder may shrink a picture of `size` before this operation sees it, if it may."""
        return None

    def scaled_size(self, size: Size) -> Size | None:
        """The size to which it scales frames before it cuts or extends them, if it scales: larger perhaps than before and after."""
        return self.load_size(size)

    def shrunk(self, size: Size, to: Size, stage: "Stage") -> "Operation | None":
        """The operation that does the same to a picture of `size` that was shrunk to `to`, or None when there is none."""
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

    def shrunk(self, size: Size, to: Size, stage: "Stage") -> Operation | None:
        return self


class SourceOption(Operation):
    """Says how an original is seen. It stands in the first stage; all other operations see what it leaves."""

    def needs_original(self) -> bool:
        return True

    def resolved_for(self, facts: Facts, format: Format) -> Self | None:
        """What it comes down to on this original, or None; PlanError when the original has not what it asks for."""
        return self

    def seen(self, facts: Facts) -> Facts:
        """What the other operations see of this original."""
        return facts

    def load_options(self) -> Mapping[str, object]:
        """Arguments for the libvips loader."""
        return {}


class Measured(Operation, ABC):
    """An operation that only the pixels can tell the size of. It is measured once; the plan then holds the operation found."""

    @abstractmethod
    def measure(self, frames: Sequence["Image"]) -> Box:
        """The part of the frames that it stands for."""

    @abstractmethod
    def found(self, box: Box) -> Operation:
        """The operation that cuts out this part."""


class OutputOption(Operation):
    """Steers the encoder. A plan has one set of them, whichever stage they were written in."""

    formats: ClassVar[frozenset[str]]

    def resolved_for(self, size: Size, format: Format, options: "Stage") -> Self | None:
        """What it comes down to on a result of this size, or None when that is nothing; `options` are all that the format has."""
        return self

    def save_options(self, format: Format) -> Mapping[str, object]:
        """Arguments for the libvips saver of the format."""
        return {}


@runtime_checkable  # pydantic looks into the plans among the settings
class Picture(Protocol):
    """Another stored image, upright, as an operation may draw on it."""

    @property
    def size(self) -> Size: ...

    def load(self, size: Size) -> Image:
        """It in exactly this size, 8-bit sRGB with or without alpha."""
        ...


@dataclass(frozen=True)
class Stage:
    """Operations that run together, in pipeline order.

    When they are applied, `images` are the others that they draw on, by id, and `interpolate` is how libvips finds a value between pixels.
    """

    operations: tuple[Operation, ...] = ()
    images: Mapping[str, Picture] = field(default_factory=dict, compare=False, repr=False)
    interpolate: Any = field(default=None, compare=False, repr=False)

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
