"""p: a plan that has a name in the settings."""

import re
from dataclasses import dataclass
from typing import ClassVar

from transforms.operation import Operation, param, register

NAME = re.compile(r"[a-z][a-z0-9-]{0,39}", re.ASCII)


@dataclass(frozen=True)
class PresetName:
    expected: str = "the name of a preset after an underscore: a letter, then letters, digits and hyphens, all lower case"

    def parse(self, number: str | None, values: tuple[str, ...]) -> str:
        if number is not None or len(values) != 1 or not NAME.fullmatch(values[0]):
            raise ValueError(self.expected)
        return values[0]

    def format(self, value: str) -> str:
        return f"_{value}"


@register
@dataclass(frozen=True, kw_only=True)
class Preset(Operation):
    """Written out before anything else looks at the plan (transforms/rewrites.py)."""

    alone: ClassVar[bool] = True

    p: str | None = param(
        PresetName(), default=None, summary="the plan of this name in the settings, alone in its stage", example="p_thumbnail"
    )
