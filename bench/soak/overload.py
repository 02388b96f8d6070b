"""More than can be done: what is done all the same, how soon the rest is told, what of it hits notice, and how soon it is over."""

import asyncio
import os
from collections.abc import Iterator
from itertools import islice
from math import inf
from pathlib import Path
from time import monotonic

from bench.soak import traffic
from bench.soak.figures import Figure, at_least, at_most, say, told
from bench.soak.site import Site, running_site
from tests.faults.generator import offered
from tests.faults.report import Answer, Report, Request, percentiles
from tests.servers import cpu_seconds

SECONDS = 30
# Renders of 2 MP pictures: asking for them costs the generator, on the same two cores, little beside what making them costs.
SIZE = (1600, 1200)
WIDTHS = range(400, 800)
PICTURES = 12
CLIENTS = 8
CLOSED = 240
# Of what a closed loop reached, the rates that are tried from the lowest on.
LADDER = (0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.15, 1.2, 1.25, 1.3)
KNEE_P99 = 1.0
# Rates one after the other that fail twice.
TOO_MUCH = 2
KNEE_SUCCESS = 0.999
GOALS = {2: 95.0, 5: 85.0, 10: 75.0}
SHED_P99_MS = 50.0
HIT_P99_MS = 10.0
HITS_PER_SECOND = 50
RECOVERY_SECONDS = 5.0
# A second is quiet again when nobody was turned away in it and nine of ten took at most so many times the quiet p99.
QUIET_AGAIN = 1.5
PAUSE = 5


class Overload:
    """The site under test, what it is asked next, and how long each step takes."""

    def __init__(self, site: Site, pictures: list[traffic.Picture], seconds: float) -> None:
        self.site, self.seconds, self.hits = site, seconds, [traffic.hit(picture) for picture in pictures]
        self._requests = traffic.cold(pictures, WIDTHS, ("webp",))

    def requests(self, rate: float, seconds: float) -> Iterator[Request]:
        return islice(self._requests, max(1, int(rate * seconds)))

    async def closed(self) -> float:
        """Answers per second when a few clients always wait for one."""
        began = monotonic()
        load = await offered(self.site.url, self.requests(CLOSED, 1), rate=100_000, patience=600, connections=CLIENTS)
        bad = sum(answer.status != 200 for answer in load.answers)
        rate = len(load.answers) / (monotonic() - began)
        say(f"a closed loop of {CLIENTS} clients: {rate:.1f}/s, {bad} not answered")
        return rate

    async def at(self, rate: float) -> Report:
        report = await traffic.judge(await offered(self.site.url, self.requests(rate, self.seconds), rate=rate))
        say(f"{rate:.1f}/s: {told_of(report)}")
        return report

    def cpu(self) -> list[float]:
        """Seconds that have been used by the apps without their children, and by who asks."""
        return [sum(cpu_seconds(app.pid) for app in self.site.apps), cpu_seconds(os.getpid())]

    async def hit(self, seconds: float) -> Report:
        """Pictures that nginx has, asked for by somebody else at the same time."""
        number = int(HITS_PER_SECOND * seconds)
        return await traffic.apart(self.site.url, (self.hits * (number // len(self.hits) + 1))[:number], rate=HITS_PER_SECOND)


def told_of(report: Report) -> str:
    shed, admitted = 1000 * report.shed.p99, 1000 * report.admitted.p99
    return f"{dict(report.statuses())}, good {report.goodput():.1f}/s, p99 {admitted:.0f} ms, shed {shed:.0f} ms, {len(report.wrong)} wrong"


async def soak(folder: Path, scale: float) -> list[Figure]:
    with running_site(folder, warm="w256.webp", renderers="1") as site:
        pictures = await traffic.store(site.url, number=PICTURES, width=SIZE[0], height=SIZE[1])
        load = Overload(site, pictures, SECONDS * scale)
        # Once each, so that nginx has them.
        await offered(site.url, load.hits, rate=20)
        capacity = await _knee(load, await load.closed())
        if not capacity:
            return [Figure(name="knee capacity", value="none", goal="some", reached=False)]
        figures = [told(f"knee capacity C, cold {SIZE[0]}x{SIZE[1]} JPEG to WebP", capacity, "/s")]
        # What the machine gives differs from minute to minute.
        after = (await load.at(capacity)).goodput()
        for times in GOALS:
            await asyncio.sleep(PAUSE)
            figures += await _beyond(load, capacity, times)
            before, after = after, (await load.at(capacity)).goodput()
            figures.append(Figure(name="  goodput at C just before, and after", value=f"{before:.1f}, {after:.1f} /s"))
        return figures


async def _knee(load: Overload, closed: float) -> float:
    """The highest rate at which all is answered soon.

    The machine may have had a moment: each is tried twice, and what is above one that fails is tried too.
    """
    knee, failed = 0.0, 0
    for share in LADDER:
        rate = share * closed
        if _soon(await load.at(rate)) or _soon(await load.at(rate)):
            knee, failed = rate, 0
        elif (failed := failed + 1) == TOO_MUCH:
            break
        await asyncio.sleep(1)
    return knee


def _soon(report: Report) -> bool:
    return len(report.good()) >= KNEE_SUCCESS * len(report.answers) and report.admitted.p99 <= KNEE_P99


async def _beyond(load: Overload, capacity: float, times: int) -> list[Figure]:
    quiet = await load.at(capacity / 2)
    hitting = asyncio.create_task(load.hit(load.seconds + 1))
    # The process that asks for hits takes a moment to start.
    await asyncio.sleep(1)
    rate, before = capacity * times, load.cpu()
    under = asyncio.create_task(offered(load.site.url, load.requests(rate, load.seconds), rate=rate))
    await asyncio.sleep(load.seconds)
    cores = [(after - earlier) / load.seconds for earlier, after in zip(before, load.cpu(), strict=True)]
    recovery = await _recovery(load, capacity / 2, quiet)
    report, hits = await traffic.judge(await under), await hitting
    say(f"{times} C, {rate:.1f}/s: {told_of(report)}; hits {dict(hits.statuses())}, p99 {1000 * hits.latency(_any).p99:.1f} ms")
    return [
        at_least(f"goodput at {times} C, share of C", 100 * report.goodput() / capacity, GOALS[times], "%"),
        told("  goodput", report.goodput(), "/s"),
        Figure(name="  cores taken by the apps, and by who asks", value=", ".join(f"{each:.2f}" for each in cores)),
        at_most("  shed p99", 1000 * report.shed.p99, SHED_P99_MS, "ms"),
        at_most("  wrong, truncated or 500", len(report.wrong) + report.statuses()["500"], 0),
        at_most("  without any answer", sum(bool(answer.failure) for answer in report.answers), 0),
        told("  admitted p99", 1000 * report.admitted.p99, "ms"),
        at_least("  nginx hits answered", 100 * len(hits.good()) / max(1, len(hits.answers)), 100.0, "%"),
        at_most("  nginx hits p99", 1000 * hits.latency(_any).p99, HIT_P99_MS, "ms"),
        at_most("  seconds until it is as quiet as before, at half of C", recovery, RECOVERY_SECONDS, "s"),
    ]


async def _recovery(load: Overload, rate: float, quiet: Report) -> float:
    """Seconds at a low rate until every later second is as quiet as it was before."""
    requests = list(load.requests(rate, max(3 * RECOVERY_SECONDS, load.seconds / 2)))
    second = {request.target: int(number / rate) for number, request in enumerate(requests)}
    seconds: dict[int, list[float]] = {}
    for answer in (await offered(load.site.url, requests, rate=rate)).answers:
        seconds.setdefault(second[answer.request.target], []).append(answer.seconds if answer.status == 200 else inf)
    loud = [at for at, took in seconds.items() if max(took) == inf or percentiles(took).p90 > QUIET_AGAIN * quiet.admitted.p99]
    return max(loud, default=-1) + 1.0


def _any(_: Answer) -> bool:
    return True
