"""What a soak found: figures beside their goals, as a table."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

BEGAN = time.monotonic()


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure, and whether its goal was reached; one without a goal is only told."""

    name: str
    value: str
    goal: str = ""
    reached: bool = True

    @property
    def verdict(self) -> str:
        return ("reached" if self.reached else "MISSED") if self.goal else ""


def at_most(name: str, value: float, goal: float, unit: str = "") -> Figure:
    return Figure(name=name, value=_with(value, unit), goal=f"≤ {_with(goal, unit)}" if goal else "0", reached=value <= goal)


def at_least(name: str, value: float, goal: float, unit: str = "") -> Figure:
    return Figure(name=name, value=_with(value, unit), goal=f"≥ {_with(goal, unit)}", reached=value >= goal)


def told(name: str, value: float, unit: str = "") -> Figure:
    return Figure(name=name, value=_with(value, unit))


def _with(value: float, unit: str) -> str:
    number = f"{value:,}" if isinstance(value, int) else f"{value:.1f}"
    return f"{number} {unit}".rstrip()


def say(what: object) -> None:
    """A line of progress, with the seconds since the beginning."""
    print(f"[{time.monotonic() - BEGAN:5.0f} s] {what}", flush=True)


def say_some(lines: Sequence[str], most: int = 20) -> None:
    for line in lines[:most]:
        say(line)
    if (more := len(lines) - most) > 0:
        say(f"… and {more} more")


def table(figures: Iterable[Figure]) -> str:
    rows = [(each.name, each.value, each.goal, each.verdict) for each in figures]
    return "\n".join(f"{name:70}{value:>16}  {goal:14}{verdict}".rstrip() for name, value, goal, verdict in rows)
