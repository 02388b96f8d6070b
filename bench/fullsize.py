"""How long the largest pictures take at full size in a child as production has it, and how much memory: `python -m bench.fullsize`.

Each conversion has a child of its own and no deadline but the wall of WALL seconds, so that the table shows what the deadlines cut off.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bench.clients import CORPUS
from tests.photos import photo
from transforms.engine import execute, prepare, verify
from transforms.errors import ProgImageError
from transforms.formats import FORMATS
from transforms.grammar import parse
from transforms.limits import Limits
from transforms.pool import RenderPool
from transforms.values import Facts

WALL = 120.0
CORPUS_NAMES = ("zune-33mp-progressive-7680x4320.jpg", "laptop-22mp-5760x3840.jpg")
# Noise upon smooth colours, about as large as an accepted JPEG can be, and as large as costly formats may come out.
GENERATED = {"generated-100mp-10000x10000.jpg": (10_000, 10_000), "generated-16mp-4000x4000.jpg": (4_000, 4_000)}
LIMITS = Limits()


class Cost(NamedTuple):
    """Seconds of CPU; MiB at the peak, of address space and resident, and resident afterwards; bytes of the result."""

    seconds: float
    space: float
    resident: float
    after: float
    size: int


def costs(plan_text: str, extension: str, path: Path, facts: Facts | None) -> Cost:
    """Without facts the picture is verified, as an upload is."""
    began, size = time.process_time(), 0
    if facts is None:
        verify(path, LIMITS)
    else:
        size = len(execute(parse(plan_text, extension).resolve(facts).plan, path, facts, LIMITS).data)
    seconds = time.process_time() - began
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    space, resident, after = (int(status[name].split()[0]) / 1024 for name in ("VmPeak", "VmHWM", "VmRSS"))
    return Cost(seconds, space, resident, after, size)


def pictures(folder: Path) -> Iterator[Path]:
    yield from (CORPUS / name for name in CORPUS_NAMES if (CORPUS / name).exists())
    for name, size in GENERATED.items():
        (path := folder / name).write_bytes(photo(*size))
        yield path


async def table(plan: str, formats: list[str]) -> None:
    pool = RenderPool(workers=1, soft=WALL, deadline=WALL, max_tasks=1, prepare=partial(prepare, LIMITS.accepted))
    print(f"{'picture':38} {'to':8} {'CPU s':>7} {'peak MiB':>9} {'space MiB':>9} {'after MiB':>9} {'bytes':>10}")
    with tempfile.TemporaryDirectory() as folder:
        for path in pictures(Path(folder)):
            facts = await pool.run(verify, path, LIMITS)
            for name in ("(verify)", *formats):
                try:
                    cost = await pool.run(costs, plan, name, path, None if name == "(verify)" else facts)
                except ProgImageError as error:
                    print(f"{path.name:38} {name:8} {type(error).__name__}: {error}")
                    continue
                figures = f"{cost.seconds:7.2f} {cost.resident:9.0f} {cost.space:9.0f} {cost.after:9.0f} {cost.size:10}"
                print(f"{path.name:38} {name:8} {figures}", flush=True)
    await pool.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plan", default="_", help="the operations before the encoder; the format only, unless given")
    writable = [known.name for known in FORMATS.values() if known.writable and known.loaders]
    parser.add_argument("--formats", nargs="+", default=writable, choices=writable)
    options = parser.parse_args()
    asyncio.run(table(options.plan, options.formats))


if __name__ == "__main__":
    main()
