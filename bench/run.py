"""`make bench`: ProgImage beside a limit or a rival that is taken in the same run, on the same pictures. Only the ratios mean something."""

import argparse
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from bench import hits, quality, throughput
from bench.clients import peak_megabytes, pictures

Measure = Callable[[Path, list[Path], argparse.Namespace], None]
WIDTHS = (256, 512, 1024)
FORMATS = ("jpg", "webp", "avif")
# Goals by width and format, where there are any.
STORED_GOALS = {(512, "jpg"): 2.0, (512, "webp"): 1.5}
DIRECT_GOALS = {(width, format): 0.9 for width in WIDTHS for format in FORMATS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4, help="of each wrk run")
    parser.add_argument("--only", choices=tuple(MEASURES), help="one kind of measure")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="progimage-bench-") as name:
        photos = pictures(Path(name))
        print(f"{len(photos)} pictures, medians of {options.rounds} rounds\n")
        print(f"{'measure':52}{'ProgImage':>12}{'other':>12}{'ratio':>8}  goal")
        for kind in [options.only] if options.only else MEASURES:
            folder = Path(name) / kind
            folder.mkdir()
            MEASURES[kind](folder, photos, options)


def report(what: str, own: float, other: float, *, goal: float | None = None) -> None:
    verdict = "" if goal is None else f"≥ {goal:.2f} {'reached' if own / other >= goal else 'MISSED'}"
    print(f"{what:52}{own:12.1f}{other:12.1f}{own / other:8.2f}  {verdict}", flush=True)


def direct(folder: Path, photos: list[Path], options: argparse.Namespace) -> None:
    with throughput.site(folder / "site", photos, mezzanines=False) as site:
        _against_loop("first variants", site, photos, options, DIRECT_GOALS)


def stored(folder: Path, photos: list[Path], options: argparse.Namespace) -> None:
    with throughput.site(folder / "site", photos, mezzanines=True) as site:
        _against_loop("stored, mezzanine ready", site, photos, options, STORED_GOALS)


def _against_loop(
    kind: str, site: throughput.Site, photos: list[Path], options: argparse.Namespace, goals: Mapping[tuple[int, str], float]
) -> None:
    for format in FORMATS:
        for width in WIDTHS:
            # One turn of AVIF takes as long as ten of the others.
            rounds = 1 if format == "avif" else options.rounds
            rates = throughput.against_loop(site, photos, width, format, rounds)
            report(f"{kind}: w{width}.{format}, images/s, vs. libvips loop", *rates, goal=goals.get((width, format)))
    print(f"{kind}: peak memory, MB: ProgImage {peak_megabytes(site.pid):.0f}, loop {_loop_memory(photos):.0f}", flush=True)


def _loop_memory(photos: list[Path]) -> float:
    return max(throughput.libvips_loop(photos, 512, format).megabytes for format in FORMATS)


def rival(folder: Path, photos: list[Path], options: argparse.Namespace) -> None:
    with ExitStack() as stack:
        thumbor = stack.enter_context(throughput.thumbor(folder / "thumbor", photos))
        for kind, mezzanines, goal in (("first variants", False, 1.6), ("stored, mezzanine ready", True, 3.0)):
            with throughput.site(folder / kind.split(",")[0], photos, mezzanines=mezzanines) as site:
                rates = throughput.against_thumbor(site, thumbor, 512, options.rounds)
                report(f"{kind}: w512.jpg, images/s, vs. thumbor 7.8", *rates, goal=goal)
                print(f"{kind}: peak memory, MB: ProgImage {peak_megabytes(site.pid):.0f}, thumbor {peak_megabytes(thumbor.pid):.0f}")


def memory(folder: Path, photos: list[Path], options: argparse.Namespace) -> None:
    report("memory hit, requests/s, vs. bare Starlette", *hits.memory_hit(folder, photos[0], options), goal=0.40)


def nginx(folder: Path, photos: list[Path], options: argparse.Namespace) -> None:
    report("nginx hit, requests/s, vs. nginx static file", *hits.nginx_hit(folder, photos[0], options), goal=0.85)


def encoded(folder: Path, photos: list[Path], options: argparse.Namespace) -> None:
    quality.print_bytes(photos)


MEASURES: Mapping[str, Measure] = {
    "direct": direct,
    "stored": stored,
    "thumbor": rival,
    "memory": memory,
    "nginx": nginx,
    "bytes": encoded,
}

if __name__ == "__main__":
    main()
