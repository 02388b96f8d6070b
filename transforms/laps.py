"""How long the parts of a call took, where there is a border between them.

libvips decodes, transforms and encodes in one pass, piece by piece. Only where all pixels must lie in memory does one part end before
the next one begins; what ran in one pass has one name.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Generic, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

# Until a child began with the call.
QUEUE = "queue"
# Until the decoded picture lay in memory.
DECODE = "decode"
# What ran in one pass.
RENDER = "render"
# Encoding a picture that lay in memory.
ENCODE = "encode"
STAGES = frozenset({QUEUE, DECODE, RENDER, ENCODE})


@dataclass(frozen=True, kw_only=True)
class Timed(Generic[T]):
    """What a function returned, when it began (time.monotonic()), and its parts in seconds: together they are all of its time.

    `first` is whether its process had timed nothing before: then it had perhaps to be started.
    """

    result: T
    began: float
    first: bool
    laps: Mapping[str, float]


class _Laps:
    def __init__(self) -> None:
        self.began = self._since = time.monotonic()
        self.taken: dict[str, float] = {}

    def end(self, name: str) -> None:
        now = time.monotonic()
        self.taken[name] = self.taken.get(name, 0.0) + now - self._since
        self._since = now


# A child works on one call at a time.
_current: _Laps | None = None
_calls = count()


def timed(function: Callable[[*Ts], T], *args: *Ts) -> Timed[T]:
    """The function carried out. What it does after its last lap is `render`, and so is all of it when it tells of none."""
    global _current  # noqa: PLW0603  # the borders are far below, in functions that should not have to hand this down
    _current = laps = _Laps()
    try:
        result = function(*args)
    finally:
        _current = None
    laps.end(RENDER)
    return Timed(result=result, began=laps.began, first=not next(_calls), laps=laps.taken)


def lap(name: str) -> None:
    """What was done since the last lap, or since the call began, was this part of it."""
    if _current is not None:
        _current.end(name)
