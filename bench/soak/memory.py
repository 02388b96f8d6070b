"""What a process and its children keep of the memory that pictures need, with jemalloc: their proportional set size, as it grows."""

import asyncio
import re
from itertools import islice
from pathlib import Path
from statistics import linear_regression

from bench.soak import traffic
from bench.soak.figures import Figure, at_most, say, told
from bench.soak.site import Site, jemalloc, running_site
from tests.faults.generator import offered
from tests.servers import family

COUNT = 20_000
STEP = 500
# Of the whole, what is not counted: until then the caches of parsed URLs, 4,096 of them, grow as they should.
BEGINNING = 0.25
CLIENTS = 8
PICTURES = 12
GOAL = 1.0
# Small, so that it is full before the counting begins.
SETTINGS = {"memory_cache": "8MiB", "render_wait": "30", "warm": "w256.webp"}


async def soak(folder: Path, scale: float) -> list[Figure]:
    with running_site(folder, apps=1, **SETTINGS) as site:
        pictures = await traffic.store(site.url, number=PICTURES, width=640, height=480)
        _with_jemalloc(site.apps[0].pid)
        return await _grown(site, pictures, int(COUNT * scale))


def _with_jemalloc(pid: int) -> None:
    name = jemalloc().resolve().name
    if without := [each for each in family(pid) if _is_ours(each) and name not in Path(f"/proc/{each}/maps").read_text()]:
        raise RuntimeError(f"these have no jemalloc: {without}")


def _is_ours(pid: int) -> bool:
    """Not the tracker of multiprocessing, which does nothing."""
    return "resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_text()


async def _grown(site: Site, pictures: list[traffic.Picture], count: int) -> list[Figure]:
    requests = traffic.cold(pictures)
    at, own, tree = list[float](), list[float](), list[float]()
    bad = 0
    # Straight to the app, in a closed loop: as fast as it goes.
    for done in range(STEP, count + 1, STEP):
        load = await offered(site.apps[0].url, islice(requests, STEP), rate=100_000, patience=120, connections=CLIENTS)
        bad += sum(answer.status != 200 for answer in load.answers)
        await asyncio.sleep(0.2)
        at.append(done / 1000)
        own.append(_megabytes(site.apps[0].pid))
        tree.append(sum(map(_megabytes, family(site.apps[0].pid))))
        say(f"{done:,} transforms: the app {own[-1]:.0f} MB, with its children {tree[-1]:.0f} MB; {bad} were not answered")
    begin = int(len(at) * BEGINNING)
    return [
        at_most(f"memory of app and children per 1,000 of {count:,} transforms", _slope(at[begin:], tree[begin:]), GOAL, "MB"),
        at_most("  of the app alone", _slope(at[begin:], own[begin:]), GOAL, "MB"),
        told(
            f"  of app and children while caches fill, in the first {at[begin - 1] if begin else 0:.1f} thousand",
            _slope(at[:begin], tree[:begin]),
            "MB",
        ),
        told("  app and children at the end", tree[-1], "MB"),
        at_most("  transforms that were not answered", bad, 0),
    ]


def _slope(at: list[float], values: list[float]) -> float:
    return linear_regression(at, values).slope if len(at) > 1 else 0.0


def _megabytes(pid: int) -> float:
    """Its own pages, and its share of those that it has in common with others; 0 when it has just ended."""
    try:
        found = re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    except OSError:
        return 0.0
    return int(found[1]) / 1024 if found else 0.0
