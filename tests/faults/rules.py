"""What a proxy of the tests does to the traffic that passes it, as values; and which message a value meets."""

import asyncio
import re
from collections import Counter
from dataclasses import dataclass, field, fields
from random import Random
from time import monotonic
from typing import Literal, TypeVar

Way = Literal["client", "server"]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Which messages it meets: all, or those of a `method`, and those in whose `target` this regular expression is found.

    It fires with a `chance`, `times` at most, and at most for the first `each` messages of one target. Of a protocol other than HTTP a
    message is what arrives at once, the target is what the client said last, and there is no method.
    """

    method: str = ""
    target: str = ""
    chance: float = 1.0
    times: int | None = None
    each: int | None = None

    def __str__(self) -> str:
        """Its name and what it does not leave at its default."""
        told = [f"{each.name}={getattr(self, each.name)!r}" for each in fields(self) if getattr(self, each.name) != each.default]
        return f"{type(self).__name__}({', '.join(told)})"


@dataclass(frozen=True, kw_only=True)
class Down(Rule):
    """Nobody can connect, and who is connected is cut off. `refuse` is as if nothing listened; else it accepts and closes."""

    refuse: bool = True


@dataclass(frozen=True, kw_only=True)
class Latency(Rule):
    """Seconds on the way, give or take `jitter`. What follows at once is not late again. `to` is None for both ways."""

    seconds: float
    jitter: float = 0
    to: Way | None = None


@dataclass(frozen=True, kw_only=True)
class Bandwidth(Rule):
    per_second: int
    to: Way | None = None


@dataclass(frozen=True, kw_only=True)
class Stall(Rule):
    """Accept and be silent, as a frozen process is; what was held goes on when the rule is gone."""

    to: Way | None = None


@dataclass(frozen=True, kw_only=True)
class Cut(Rule):
    """Reset the connection after so many bytes: of the body in HTTP, else of what passes since the rule was there."""

    after: int
    to: Way = "client"


@dataclass(frozen=True, kw_only=True)
class DropAnswer(Rule):
    """The server does what it was asked, and the client never hears of it: silence, or the end of the connection."""

    close: bool = False


@dataclass(frozen=True, kw_only=True)
class Flip(Rule):
    """One bit of the byte at this place of the body (of the message where there are no bodies) is another; -1 is the last byte."""

    at: int = 0
    to: Way = "client"


@dataclass(frozen=True, kw_only=True)
class Garble(Rule):
    """Other bytes than those that the server sent, in HTTP for the whole answer."""

    data: bytes


@dataclass(frozen=True, kw_only=True)
class Answer(Rule):
    """HTTP: answered here, the server is not asked."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Replace(Rule):
    """HTTP: the server is asked, and what is not None here replaces its own; headers are added."""

    status: int | None = None
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Lie(Rule):
    """HTTP: `Content-Length` says so many bytes more (or fewer, below 0) than come before the end of the connection."""

    by: int


def slow_down(chance: float = 1, *, method: str = "", target: str = "") -> Answer:
    """What S3 says when it is asked too much."""
    kind = ("Content-Type", "application/xml")
    body = b"<Error><Code>SlowDown</Code></Error>"
    return Answer(status=503, body=body, headers=(kind,), chance=chance, method=method, target=target)


@dataclass(frozen=True, kw_only=True)
class Fired:
    """A rule met a message; `at` is monotonic."""

    rule: Rule
    method: str
    target: str
    at: float


R = TypeVar("R", bound=Rule)


@dataclass(kw_only=True)
class Rules:
    """The rules at this moment, and all that fired. The same seed and the same messages in the same order give the same firings."""

    random: Random
    now: tuple[Rule, ...] = ()
    fired: list[Fired] = field(default_factory=list)
    _times: Counter[object] = field(default_factory=Counter)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def replace(self, rules: tuple[Rule, ...]) -> None:
        """From now on these; what was counted for rules that come back is forgotten."""
        self._times = Counter()
        self.now = rules
        self._changed.set()
        self._changed = asyncio.Event()

    def fire(self, kind: type[R], method: str, target: str, to: Way | None = None) -> R | None:
        """The first rule of a kind that meets this message on its way, and writes down that it did."""
        for rule in self.now:
            if isinstance(rule, kind) and getattr(rule, "to", to) in {None, to} and self._meets(rule, method, target):
                self._times.update([rule, (rule, method, target)])
                self.fired.append(Fired(rule=rule, method=method, target=target, at=monotonic()))
                return rule
        return None

    async def gone(self, rule: Rule) -> None:
        """Return when the rule is no longer among those of now."""
        while rule in self.now:
            await self._changed.wait()

    def _meets(self, rule: Rule, method: str, target: str) -> bool:
        if (rule.method and rule.method != method) or not re.search(rule.target, target):
            return False
        if rule.times is not None and self._times[rule] >= rule.times:
            return False
        if rule.each is not None and self._times[rule, method, target] >= rule.each:
            return False
        return rule.chance >= 1 or self.random.random() < rule.chance
