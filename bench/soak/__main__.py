"""`make soak`: what takes too long for the suite, with figures beside their goals. Exits with 1 when one of them is missed."""

import argparse
import asyncio
import shutil
import sys
import traceback
from collections.abc import Callable, Coroutine
from pathlib import Path

from bench.soak import bombs, kills, memory, overload, restarts, slow_tests
from bench.soak.figures import Figure, say, table

Part = Callable[[Path, float], Coroutine[None, None, list[Figure]]]
PARTS: dict[str, Part] = {
    "overload": overload.soak,
    "kills": kills.soak,
    "restarts": restarts.soak,
    "memory": memory.soak,
    "bombs": bombs.soak,
    "tests": slow_tests.soak,
}
SECONDS = 30
# What the servers wrote stays there until the next time.
BUILD = Path(__file__).parents[2] / "build" / "soak"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=tuple(PARTS), help="one part")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each step of the overload; all else in proportion")
    options = parser.parse_args()
    figures = list[Figure]()
    for part in [options.only] if options.only else PARTS:
        say(f"== {part}")
        figures += (found := _run(part, options.seconds / SECONDS))
        say(f"{part}:\n{table(found)}")
    print(f"\n{table(figures)}")
    sys.exit(not all(figure.reached for figure in figures))


def _run(part: str, scale: float) -> list[Figure]:
    """Its figures; a part that breaks down is a goal that was missed, and the others are wanted all the same."""
    try:
        return asyncio.run(PARTS[part](_empty(BUILD / part), scale))
    except Exception as error:  # noqa: BLE001
        traceback.print_exc()
        return [Figure(name=f"{part}: {type(error).__name__}", value="broke down", goal="to be run", reached=False)]


def _empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


if __name__ == "__main__":
    main()
