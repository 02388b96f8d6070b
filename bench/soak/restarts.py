"""Ten restarts by SIGTERM behind nginx while requests go on: none of them may notice."""

import asyncio
from itertools import takewhile
from pathlib import Path

from bench.soak import traffic
from bench.soak.figures import Figure, at_most, say, say_some, told
from bench.soak.site import Site, running_site
from tests.faults.generator import offered
from tests.faults.report import Report
from tests.faults.tagged import tagged

RESTARTS = 10
# Half of the apps are away half of the time: who has too little left turns people away, and that is told apart from losing them.
RATE = 30
PICTURES = 24
BODIES = 100
# Longer than nginx leaves alone an app that did not answer.
SETTLED_SECONDS = 3


async def soak(folder: Path, scale: float) -> list[Figure]:
    with running_site(folder, warm="w256.webp") as site:
        pictures = await traffic.store(site.url, number=PICTURES, width=640, height=480)
        requests = traffic.mixed(pictures, [tagged(number, 320, 240) for number in range(BODIES)])
        before = _turned_away(site)
        restarting = asyncio.create_task(_restart(site))
        load = await offered(site.url, takewhile(lambda _: not restarting.done(), requests), rate=RATE)
        took = await restarting
        return _figures(await traffic.judge(load), took, _turned_away(site) - before)


def _turned_away(site: Site) -> int:
    """How often the apps said that they had too much to do, or that Redis was too slow for them; not that they stop."""
    lines = [line for app in site.apps for line in app.log.read_text(errors="replace").splitlines()]
    return sum('"event":"turned_away"' in line and "shutting down" not in line for line in lines)


async def _restart(site: Site) -> list[float]:
    """One app after the other, so many times; the seconds that each was away or on its way out."""
    took = []
    for turn in range(RESTARTS):
        await asyncio.sleep(SETTLED_SECONDS)
        app, began = site.apps[turn % len(site.apps)], asyncio.get_running_loop().time()
        await asyncio.to_thread(app.restart)
        took.append(asyncio.get_running_loop().time() - began)
        say(f"restart {turn + 1} of {RESTARTS}: {app.name} was back after {took[-1]:.1f} s")
    return took


def _figures(report: Report, took: list[float], turned_away: int) -> list[Figure]:
    good = {id(answer) for answer in report.good(within=float("inf"))}
    lost = [answer for answer in report.answers if id(answer) not in good]
    say_some(
        [
            f"LOST {answer.request.method} {answer.request.target}: {answer.failure or answer.status} after {answer.seconds:.2f} s"
            for answer in lost
        ]
    )
    return [
        at_most(f"requests lost over {RESTARTS} SIGTERM restarts, of {len(report.answers):,}", max(0, len(lost) - turned_away), 0),
        at_most("  turned away by an app that was there", turned_away, 0),
        told("  p99 of all answers meanwhile", 1000 * report.latency(lambda _: True).p99, "ms"),
        told("  slowest restart, from SIGTERM to ready", max(took), "s"),
    ]
