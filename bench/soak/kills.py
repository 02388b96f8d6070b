"""Random SIGKILLs of app processes, workers and children under a mixed load: nothing wrong, nothing cut off, nothing lost."""

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from bench.soak import traffic
from bench.soak.figures import Figure, at_most, say, say_some, told
from bench.soak.site import Program, Site, running_site
from tests.deployments import Deployment
from tests.faults.generator import offered
from tests.faults.invariants import agreement
from tests.faults.report import Report, Request
from tests.faults.tagged import tagged
from tests.servers import family

COUNT = 50_000
# It need not be reached: who is turned away is counted, and what is answered is judged.
RATE = 100
BATCH = 2000
PICTURES = 24
BODIES = 100
# What a killed worker had taken comes back after a minute, and waits behind all the rest; it is asked until it is done.
SETTLED_SECONDS = 300
BETWEEN_KILLS = (0.5, 3.0)


@dataclass(kw_only=True)
class Tally:
    """What became of all batches."""

    killed: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    wrong: int = 0
    created: list[str] = field(default_factory=list)

    def add(self, report: Report) -> None:
        self.statuses += report.statuses()
        foreign = traffic.foreign_ids(report)
        wrong = (f"{answer.request.method} {answer.request.target}: {why}" for answer, why in report.wrong)
        say_some([f"WRONG {line}" for line in (*wrong, *foreign)])
        self.wrong += len(report.wrong) + len(foreign)
        self.created += report.created()

    def share(self, *statuses: str) -> float:
        return 100 * sum(self.statuses[status] for status in statuses) / max(1, self.statuses.total())


async def soak(folder: Path, scale: float) -> list[Figure]:
    with running_site(folder, warm="w256.webp", renderers="1") as site:
        pictures = await traffic.store(site.url, number=PICTURES, width=640, height=480)
        bodies = [tagged(number, 320, 240) for number in range(BODIES)]
        tally = Tally()
        killer = asyncio.create_task(_kill(site, tally.killed))
        await _load(site, traffic.mixed(pictures, bodies), int(COUNT * scale), tally)
        killer.cancel()
        await asyncio.to_thread(site.wait_ready)
        return [*_figures(tally), *await _agreed(site, tally.created)]


async def _kill(site: Site, killed: Counter[str]) -> None:
    """Now one, now another; never before the last one of its kind is back, or what is measured is an empty house."""
    chance = random.Random(5)
    while True:
        await asyncio.sleep(chance.uniform(*BETWEEN_KILLS))
        if not await asyncio.to_thread(lambda: site.alive):
            continue
        program = chance.choice(site.programs)
        victim, name = _victim(program, chance)
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
            killed[name] += 1


def _victim(program: Program, chance: random.Random) -> tuple[int, str]:
    """The program or one of its children, and what to call it."""
    children = sorted(family(program.pid) - {program.pid})
    kind = program.name.rstrip("0123456789")
    return (chance.choice(children), f"child of {kind}") if children and chance.random() < 0.5 else (program.pid, kind)


async def _load(site: Site, requests: Iterator[Request], count: int, tally: Tally) -> None:
    """One batch after the other, each judged while nothing is asked."""
    for done in range(0, count, BATCH):
        tally.add(await traffic.judge(await offered(site.url, islice(requests, min(BATCH, count - done)), rate=RATE)))
        say(f"{tally.statuses.total():,} requests: {dict(tally.statuses)}, {tally.wrong} wrong; killed {dict(tally.killed)}")


def _figures(tally: Tally) -> list[Figure]:
    total, killed = tally.statuses.total(), tally.killed.total()
    return [
        at_most(f"wrong or truncated answers of {total:,} mixed ones, {killed} processes killed", tally.wrong, 0),
        at_most("  answers of 500", tally.statuses["500"], 0),
        at_most("  without any answer", sum(number for status, number in tally.statuses.items() if not status.isdigit()), 0),
        told("  of 422, for a picture whose child was killed is taken to be to blame", tally.statuses["422"]),
        told("  of 503: busy, or their process was killed", tally.share("503"), "%"),
    ]


async def _agreed(site: Site, created: list[str]) -> list[Figure]:
    """Every picture that a 201 was given for, asked for again; and whether all that keeps something says the same."""
    deployment = Deployment(name="soak", url=site.url, env=site.env, apps=())
    found = await asyncio.to_thread(agreement, deployment, created, settle=SETTLED_SECONDS)
    others = {name: what for name, what in found.complaints.items() if name != "lost"}
    say_some([f"LOST {line}" for line in found.lost])
    say_some([f"DISAGREES {name}: {what}"[:1000] for name, what in others.items()])
    return [
        at_most(f"  201s not readable byte for byte afterwards, of {len(set(created)):,}", len(found.lost), 0),
        at_most(f"  disagreements of catalog, store, outbox and staging about {found.images:,}", len(others), 0),
        told("  objects that nobody knows, for the sweeper", sum(found.orphans.values())),
    ]
