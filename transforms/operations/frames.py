"""page, frames: which of an animation's frames."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from transforms.errors import PlanError
from transforms.formats import Format
from transforms.operation import SourceOption, Stage, param, register
from transforms.params import Integer
from transforms.values import Facts

MOST = 99_999


@register
@dataclass(frozen=True, kw_only=True)
class Frames(SourceOption):
    page: int | None = param(Integer(1, MOST), default=None, summary="one frame of an animation, counted from 1", example="page2,w200")
    frames: int | None = param(
        Integer(1, MOST), default=None, summary="so many frames, from the first or from `page` on (gif and webp)", example="frames4,w200"
    )

    def simplified(self, stage: Stage, format: Format | None) -> Self | None:
        """A format that does not move shows one frame anyway."""
        kept = replace(self, frames=None, page=self.page if self.page != 1 else None) if format and not format.animation else self
        return kept if kept.tokens() else None

    def resolved_for(self, facts: Facts, format: Format) -> Self | None:
        """`page` alone where it is one frame, and only what is not so by itself."""
        first, count = self._part(facts)
        if not format.animation:
            count = 1
        if (first, count) == (1, facts.frames) or (first == 1 and not format.animation):
            return None
        if count == 1:
            return type(self)(page=first)
        return type(self)(page=first if first > 1 else None, frames=count)

    def seen(self, facts: Facts) -> Facts:
        return replace(facts, frames=self._part(facts)[1])

    def _part(self, facts: Facts) -> tuple[int, int]:
        """The first frame, and how many."""
        first = self.page or 1
        if first > facts.frames:
            expected = f"a frame from 1 to {facts.frames}"
            raise PlanError(
                f"{self.tokens()['page']!r}: expected {expected} of this picture.", token=self.tokens()["page"], expected=expected
            )
        return first, min(self.frames or (1 if self.page else facts.frames), facts.frames - first + 1)

    def load_options(self) -> Mapping[str, object]:
        return {"page": (self.page or 1) - 1}
