"""q: how much a lossy encoder keeps."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, Self, TypeAlias

from transforms.formats import Format
from transforms.operation import OutputOption, Stage, param, register
from transforms.operations.lossless import Lossless
from transforms.operations.maxbytes import MaxBytes
from transforms.params import Integer

AUTO: Literal["auto"] = "auto"
HIGHEST = 100
NUMBER = Integer(1, HIGHEST)

Wanted: TypeAlias = int | Literal["auto"] | None


@dataclass(frozen=True)
class QualityText:
    expected: str = f"{NUMBER.expected}, or _{AUTO}"
    words: tuple[str, ...] = (AUTO,)

    def parse(self, number: str | None, values: tuple[str, ...]) -> Wanted:
        return AUTO if number is None and values == (AUTO,) else NUMBER.parse(number, values)

    def format(self, value: Wanted) -> str:
        return f"_{value}" if value == AUTO else str(value)


@register
@dataclass(frozen=True, kw_only=True)
class Quality(OutputOption):
    formats: ClassVar[frozenset[str]] = MaxBytes.formats

    q: Wanted = param(
        QualityText(),
        default=None,
        summary="quality of a lossy format, 1 to 100 (each has its own default), or the least that looks good (auto)",
        example="w400,q60",
    )

    def simplified(self, stage: Stage, format: Format | None) -> Self | None:
        """Nothing where it is the default, which is to use up the bytes where there is a limit on them."""
        if format is not None and format.name in Lossless.formats and stage.get(Lossless).lossless:
            return None
        default = HIGHEST if stage.get(MaxBytes).maxbytes else format and format.quality
        return None if self.q in (None, default) else self

    def save_options(self, format: Format) -> Mapping[str, object]:
        """A number that is to be found does not stand here."""
        return {"Q": self.q} if isinstance(self.q, int) else {}
