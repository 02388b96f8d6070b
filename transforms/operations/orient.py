"""orient: leave the EXIF orientation unapplied."""

from dataclasses import dataclass, replace
from typing import Self

from transforms.formats import Format
from transforms.operation import SourceOption, param, register
from transforms.params import Choice
from transforms.values import Facts


@register
@dataclass(frozen=True, kw_only=True)
class Orient(SourceOption):
    orient: str | None = param(
        Choice(("none",)),
        default=None,
        summary="leave the picture as it lies in the file, without turning it upright",
        example="orient_none,w200",
    )

    def resolved_for(self, facts: Facts, format: Format) -> Self | None:
        return self if facts.orientation > 1 else None

    def seen(self, facts: Facts) -> Facts:
        lies = facts.orientation >= 5
        return replace(
            facts,
            width=facts.height if lies else facts.width,
            height=facts.width if lies else facts.height,
            orientation=1,
        )
