"""What a load became: every answer judged against its URL, and the figures."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tests.faults.tagged import NotTagged, Tag, read_tag

# Who waits longer has gone.
SOON = 5.0


@dataclass(frozen=True, kw_only=True)
class Request:
    """`number` is what the picture at the target must spell, None where no picture is expected; `width` what it must measure.

    `kind` is any name under which its figures are wanted, such as hit or cold.
    """

    target: str
    kind: str = ""
    method: str = "GET"
    number: int | None = None
    width: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def encode(self, host: str) -> bytes:
        lines = [f"{self.method} {self.target} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in self.headers)]
        if self.method != "GET":
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join([*lines, "", ""]).encode() + self.body


@dataclass(frozen=True, kw_only=True)
class Answer:
    """`seconds` from the moment at which the request should have begun. `status` is 0 when none came.

    `failure` is empty for a whole answer, else timeout, cut, garbage or the name of the error of connecting. `cache` is what the
    server says of where it had the picture.
    """

    request: Request
    seconds: float
    status: int
    failure: str = ""
    cache: str = ""
    retry_after: str = ""
    digest: bytes
    size: int

    @property
    def shed(self) -> bool:
        return self.status == 503 and not self.failure


@dataclass(kw_only=True)
class Load:
    """`bodies` are those of successes by their digest; `offered_seconds` is how long it took to offer all, `rate` what was meant."""

    rate: float
    offered_seconds: float = 0
    answers: list[Answer] = field(default_factory=list)
    bodies: dict[bytes, bytes] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Percentiles:
    """Seconds; `count` is of how many."""

    count: int
    p50: float = 0
    p90: float = 0
    p99: float = 0
    p999: float = 0
    most: float = 0


@dataclass(frozen=True, kw_only=True)
class Report:
    """`wrong` are answers of 200 that are another picture, none, or not whole; each with what is wrong."""

    load: Load
    wrong: tuple[tuple[Answer, str], ...]

    @property
    def answers(self) -> Sequence[Answer]:
        return self.load.answers

    def statuses(self, kind: str | None = None) -> Counter[str]:
        """How many of each status; those without a whole answer by their failure."""
        return Counter(each.failure or str(each.status) for each in self.of(kind))

    def of(self, kind: str | None) -> list[Answer]:
        return [each for each in self.answers if kind in {None, each.request.kind}]

    def good(self, kind: str | None = None, within: float = SOON) -> list[Answer]:
        """Whole, right and soon."""
        bad = {id(each) for each, _ in self.wrong}
        return [
            each
            for each in self.of(kind)
            if each.status in {200, 201} and not each.failure and each.seconds <= within and id(each) not in bad
        ]

    def goodput(self, kind: str | None = None, within: float = SOON) -> float:
        """Good answers per second of the load."""
        # The last request has a turn of its own.
        return len(self.good(kind, within)) / max(self.load.offered_seconds, len(self.answers) / self.load.rate)

    def latency(self, which: Callable[[Answer], bool]) -> Percentiles:
        return percentiles(each.seconds for each in self.answers if which(each))

    @property
    def shed(self) -> Percentiles:
        return self.latency(lambda each: each.shed)

    @property
    def admitted(self) -> Percentiles:
        """Of those that were answered well and not from a cache."""
        return self.latency(lambda each: each.status in {200, 201} and not each.failure and each.cache != "hit")

    @property
    def hits(self) -> Percentiles:
        return self.latency(lambda each: each.status == 200 and not each.failure and each.cache == "hit")

    def created(self) -> list[str]:
        """The ids in the answers of 201, of `POST /images`."""
        bodies = (self.load.bodies[each.digest] for each in self.answers if each.status == 201 and not each.failure)
        return [json.loads(body)["id"] for body in bodies]

    def __str__(self) -> str:
        lines = [f"offered {len(self.answers)} at {self.load.rate:.0f}/s in {self.load.offered_seconds:.1f} s: {dict(self.statuses())}"]
        lines.append(f"goodput {self.goodput():.1f}/s, wrong {len(self.wrong)}")
        figures = {"admitted": self.admitted, "shed": self.shed, "hits": self.hits}
        lines += [f"{name}: {found}" for name, found in figures.items() if found.count]
        return "\n".join(lines)


def judged(load: Load, *, threads: int = 2) -> Report:
    """Decode every distinct body once, and compare each answer with its request."""
    pictures = {each.digest for each in load.answers if each.request.number is not None and each.digest in load.bodies}
    with ThreadPoolExecutor(threads) as pool:
        read = dict(zip(pictures, pool.map(lambda digest: _read(load.bodies[digest]), pictures), strict=True))
    wrong = [(each, verdict) for each in load.answers if (verdict := _verdict(each, read.get(each.digest)))]
    return Report(load=load, wrong=tuple(wrong))


def percentiles(values: Iterable[float]) -> Percentiles:
    found = sorted(values)
    if not found:
        return Percentiles(count=0)
    p50, p90, p99, p999 = (found[min(len(found) - 1, int(len(found) * share))] for share in (0.5, 0.9, 0.99, 0.999))
    return Percentiles(count=len(found), p50=p50, p90=p90, p99=p99, p999=p999, most=found[-1])


def _read(data: bytes) -> Tag | str:
    try:
        return read_tag(data)
    except NotTagged as error:
        return str(error)


def _verdict(answer: Answer, read: Tag | str | None) -> str:
    """What is wrong with it, or nothing; an answer that is none, or an honest refusal, is not wrong."""
    request = answer.request
    if answer.status != 200 or request.number is None:
        return ""
    if answer.failure:
        return f"a 200 that ends in {answer.failure} after {answer.size} bytes"
    if not isinstance(read, Tag):
        return str(read)
    if read.number != request.number:
        return f"picture {read.number} and not {request.number}"
    if request.width is not None and read.width != request.width:
        return f"{read.width} pixels wide and not {request.width}"
    return ""
