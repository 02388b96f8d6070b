"""Thousands of mutated pictures: nothing but children may crash, and each crash is told. Then every hostile file of the corpus, refused
within 100 ms of CPU or stopped within the deadlines, while a normal picture beside it takes at most twice as long as when it is quiet.
"""

import asyncio
import time
from collections import Counter
from functools import partial
from pathlib import Path
from statistics import median

from bench.soak.figures import Figure, at_most, say
from tests.photos import photo
from tests.pictures import CORPUS
from tests.safety.judge import judged, made
from tests.safety.mutations import LIMITS, fates
from transforms.engine import prepare
from transforms.errors import DecoderCrashed, RenderTimeout
from transforms.limits import Limits
from transforms.pool import RenderPool

COUNT = 10_000
BATCH = 50
# The wall, and what pebble needs to see that it was passed.
WALL = 8.0 + 0.5
CPU = 0.1
SLOWER = 2.0
QUIET_ROUNDS = 25
# As a server has them by default.
LIMITS_OF_USERS = Limits()
HOSTILE = ("bombs", "broken", "svg")


async def mutate(count: int) -> list[str]:
    """The seeds at which something broke."""
    pool = RenderPool(workers=2, queue=count, wait=3600, soft=60, deadline=3600, prepare=partial(prepare, LIMITS.accepted))
    fate, broken = Counter[str](), list[str]()

    async def run(seeds: range) -> None:
        try:
            fate.update(await pool.run(fates, seeds))
        except DecoderCrashed:
            if len(seeds) > 1:
                await asyncio.gather(*(run(range(seed, seed + 1)) for seed in seeds))
            else:
                fate["a child crashed"] += 1
                broken.append(f"a child crashed on mutated({seeds.start})")
        except Exception as error:  # noqa: BLE001  # the report of a soak: all of them are wanted
            broken.append(f"{error!r} {getattr(error, '__notes__', seeds)}")
        done = fate.total()
        if done % 1000 < len(seeds):
            say(f"{done} of {count} mutated pictures: {dict(fate)}")

    await asyncio.gather(*(run(range(at, min(at + BATCH, count))) for at in range(0, count, BATCH)))
    await pool.close()
    return broken


async def bomb(folder: Path) -> tuple[list[str], float]:
    """The hostile files that kept less than was promised, and how many times as long a normal picture took beside them."""
    (normal := folder / "normal.jpg").write_bytes(photo(1200, 833))
    pool = RenderPool(workers=2, wait=60, prepare=partial(prepare, LIMITS_OF_USERS.accepted))
    await pool.warm_up()
    # Loaders and encoders cost more the first time.
    await asyncio.gather(*(renders(pool, normal, []) for _ in range(2)))
    quiet, beside, broken = list[float](), list[float](), list[str]()
    await renders(pool, normal, quiet)
    for path in (path for name in HOSTILE for path in sorted((CORPUS / name).glob("*"))):
        await renders(pool, normal, beside, busy := asyncio.create_task(hostile(pool, path, broken)))
        say(f"{path.parent.name}/{path.name}: {busy.result()}")
    await pool.close()
    return broken, median(beside) / median(quiet) if beside else 0.0


async def renders(pool: RenderPool, normal: Path, seconds: list[float], busy: "asyncio.Task[str] | None" = None) -> None:
    """Render the normal picture again and again, for as long as the other work is busy, and note how long each took."""
    while len(seconds) < QUIET_ROUNDS if busy is None else not busy.done():
        began = time.monotonic()
        await pool.run(made, normal, LIMITS_OF_USERS, "w512", "webp")
        seconds.append(time.monotonic() - began)


async def hostile(pool: RenderPool, path: Path, broken: list[str]) -> str:
    """What became of the file; a promise that was not kept goes into `broken`."""
    began = time.monotonic()
    try:
        verdict = await pool.run(judged, path, LIMITS_OF_USERS)
        how = f"{verdict.error or 'taken'} for {verdict.cpu * 1000:.0f} ms of CPU"
        if verdict.error in ("unsupported-format", "limit-exceeded") and verdict.cpu > CPU:
            broken.append(f"{path.name}: {how}, more than {CPU} s")
    except (RenderTimeout, DecoderCrashed, MemoryError) as error:
        how = f"{type(error).__name__} after {time.monotonic() - began:.1f} s"
    if time.monotonic() - began > WALL:
        broken.append(f"{path.name}: {how}, {time.monotonic() - began:.1f} s")
    return how


async def soak(folder: Path, scale: float) -> list[Figure]:
    count = int(COUNT * scale)
    crashes = await mutate(count)
    broken, slower = await bomb(folder)
    for line in (*crashes, *broken):
        say(f"BROKEN {line}")
    return [
        at_most(f"crashes of {count:,} mutated pictures", len(crashes), 0),
        at_most("hostile files that cost more than was promised", len(broken), 0),
        at_most("a normal picture beside hostile ones, times as long", slower, SLOWER),
    ]
