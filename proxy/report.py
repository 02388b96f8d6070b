"""The report of `progimage explain`, as text for people and as JSON for programs."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TypeAlias

from services.explain import Ingredient
from transforms.geometry import Size

Fields: TypeAlias = Mapping[str, object]
# By the name of a section; a picture that cannot be had has the section `problem`.
Report: TypeAlias = dict[str, dict[str, object]]


def as_json(found: Report) -> str:
    """Sizes are [width, height]."""
    return json.dumps(
        found, indent=2, ensure_ascii=False, default=lambda value: asdict(value) if isinstance(value, Ingredient) else str(value)
    )


def as_text(found: Report) -> str:
    """A block for each section, names on the left."""
    rows = [
        (section, name.replace("_", " "), line)
        for section, fields in found.items()
        for name, value in fields.items()
        for line in _lines(value)
    ]
    left, middle = (max(len(row[at]) for row in rows) for at in (0, 1))
    before, lines = ("", ""), []
    for section, name, line in rows:
        first = section if section != before[0] else ""
        lines.append(f"{first:{left}}  {name if first or name != before[1] else '':{middle}}  {line}")
        before = (section, name)
    return "\n".join(lines)


def _lines(value: object) -> list[str]:
    return [shown(each) for each in value] if isinstance(value, list) else [shown(value)]


def shown(value: object) -> str:
    match value:
        case Size():
            return f"{value.width} x {value.height}"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case Ingredient():
            return f"{value.what}, {value.bytes:,} bytes{f': {value.key}' * bool(value.key)}"
        case Mapping():
            return ", ".join(f"{name} {shown(each)}" for name, each in value.items())
    return str(value)
