"""maxbytes: the highest quality that fits into so many bytes."""

from dataclasses import dataclass
from typing import ClassVar

from transforms.formats import FORMATS
from transforms.operation import OutputOption, param, register
from transforms.params import Integer

# Seven digits, which the grammar allows here alone.
MOST = 9_999_999


@register
@dataclass(frozen=True, kw_only=True)
class MaxBytes(OutputOption):
    """With `q` no higher than that. The search is the encoder's business (transforms/engine/search.py)."""

    formats: ClassVar[frozenset[str]] = frozenset(name for name, format in FORMATS.items() if format.quality is not None)

    maxbytes: int | None = param(
        Integer(1, MOST),
        default=None,
        summary="the highest quality (up to q where that is given) that fits into so many bytes; refused where even the lowest does not, "
        "or where lossless does not",
        example="w400,maxbytes20000",
    )
