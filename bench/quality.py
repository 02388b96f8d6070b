"""Encoders judged by SSIMULACRA2: `python -m bench.quality [--likeness | --bytes | --options]`, all of them without a word.

likeness  how closely the engine's cheap measure follows SSIMULACRA2, and what q_auto reaches with it
bytes     what our defaults take beside libvips' own at an equal score
options   what single options of an encoder save at an equal score, and their time

Photos are shrunk first. SSIMULACRA2 compares six scales; a picture of less than 256 pixels on a side has fewer, and the weights of the
others then fall on wrong parts of the sum: such pictures are left out.
"""

import argparse
import math
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean, geometric_mean, median, quantiles
from typing import Any, NamedTuple, TypeVar

import pyvips
from scipy.stats import spearmanr
from ssimulacra2 import compute_ssimulacra2

from bench.clients import CORES, pictures
from transforms.engine.likeness import likeness, planes
from transforms.engine.save import SAVE_OPTIONS, SAVERS, encode
from transforms.formats import FORMATS
from transforms.geometry import Size
from transforms.grammar import parse

T = TypeVar("T")

QUALITIES = {"jpg": (40, 65, 80, 90), "webp": (40, 65, 80, 90), "avif": (30, 45, 60, 75)}
LIKENESS_WIDTHS = (400, 1024)
BYTES_WIDTH = 512
SHORTEST = 256
# Halvings of the range of qualities until a score is between two neighbours, or nearly.
STEPS = 5
# Without it libvips' saver would make an HEIC.
CODEC: Mapping[str, Mapping[str, object]] = {"avif": {"compression": "av1"}}
# Beside what the engine says to each encoder: what might be better.
OPTIONS: Mapping[str, Sequence[Mapping[str, object]]] = {
    "jpg": [
        {"interlace": True},
        {"interlace": True, "optimize_scans": True},
        {"trellis_quant": True},
        {"overshoot_deringing": True},
        {"quant_table": 2},
        {"quant_table": 3},
        {"subsample_mode": "off"},
    ],
    "webp": [{"effort": 2}, {"effort": 6}, {"smart_subsample": True}, {"preset": "photo"}, {"smart_deblock": True}],
    "avif": [{"effort": 0}, {"effort": 1}, {"effort": 3}, {"effort": 4}, {"subsample_mode": "off"}],
}


class Point(NamedTuple):
    score: float
    size: int


def shrunk(path: Path, width: int) -> Any:
    return pyvips.Image.thumbnail(str(path), width, height=10 * width, output_profile="srgb").colourspace("srgb").copy_memory()


def score(original: Any, data: bytes) -> float:
    """SSIMULACRA2 of what decodes to, which compares two files."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [f"{folder}/{name}.png" for name in ("original", "encoded")]
        for image, path in zip((original, pyvips.Image.new_from_buffer(data, "").colourspace("srgb")), paths, strict=True):
            image.pngsave(path, compression=0)
        return float(compute_ssimulacra2(*paths))


def plain(image: Any, format: str, options: Mapping[str, object], quality: int) -> bytes:
    data: bytes = pyvips.Operation.call(SAVERS[format], image, Q=quality, keep="none", **options)
    return data


def planned(image: Any, plan: str, format: str) -> bytes:
    return encode(image, parse(plan, format), Size(image.width, image.height))


def bytes_at(image: Any, wanted: float, save: Callable[[int], bytes]) -> float:
    """What `save` takes for this score: between the nearest below and above it on a line through the logarithms of their bytes."""
    below, above, low, high = Point(-math.inf, 0), Point(math.inf, 0), 2, 99
    for _ in range(STEPS):
        middle = (low + high) // 2
        data = save(middle)
        point = Point(score(image, data), len(data))
        if point.score < wanted:
            below, low = point, middle
        else:
            above, high = point, middle
    if not below.size or not above.size:
        return float(below.size or above.size)
    share = (wanted - below.score) / (above.score - below.score)
    return math.exp(math.log(below.size) * (1 - share) + math.log(above.size) * share)


def over(photos: Iterable[Path], measure: Callable[[Path], list[T]]) -> list[T]:
    """What a function measures of each photo, on all cores."""
    with ProcessPoolExecutor(CORES, mp_context=get_context("spawn"), initializer=pyvips.concurrency_set, initargs=(1,)) as pool:
        return [row for rows in pool.map(measure, photos) for row in rows]


class Judged(NamedTuple):
    format: str
    likeness: float
    score: float


class Auto(NamedTuple):
    format: str
    auto: Point
    default: Point


def judged(path: Path) -> list[Judged | Auto]:
    rows: list[Judged | Auto] = []
    for image in (image for width in LIKENESS_WIDTHS if min((image := shrunk(path, width)).width, image.height) >= SHORTEST):
        original = planes(image)
        for format, qualities in QUALITIES.items():
            for quality in qualities:
                data = planned(image, f"q{quality}", format)
                rows.append(Judged(format, likeness(original, pyvips.Image.new_from_buffer(data, "")), score(image, data)))
            auto, default = (Point(score(image, data), len(data)) for data in (planned(image, plan, format) for plan in ("q_auto", "_")))
            rows.append(Auto(format, auto, default))
    return rows


def print_likeness(photos: Sequence[Path]) -> None:
    rows = over(photos, judged)
    print(f"{'likeness and SSIMULACRA2':26}{'pictures':>9}{'Spearman':>10}{'mean error':>12}{'of one: rms':>13}")
    for format in QUALITIES:
        both = [(row.likeness, row.score) for row in rows if isinstance(row, Judged) and row.format == format]
        errors = [seen - true for seen, true in both]
        rms = math.sqrt(fmean(error * error for error in errors))
        print(f"{format:26}{len(both):9}{spearmanr(*zip(*both, strict=True)).statistic:10.3f}{fmean(errors):12.2f}{rms:13.2f}")
    print(f"\n{'SSIMULACRA2: 10 %, median, 90 %':34}{'of q_auto':>18}{'of the default':>18}{'bytes, q_auto : default':>26}")
    for format in QUALITIES:
        found = [row for row in rows if isinstance(row, Auto) and row.format == format]
        ratio = geometric_mean(row.auto.size / row.default.size for row in found)
        print(f"{format:34}{_spread(row.auto for row in found):>18}{_spread(row.default for row in found):>18}{ratio:26.2f}")


def _spread(points: Iterable[Point]) -> str:
    scores = [point.score for point in points]
    tenths = quantiles(scores, n=10)
    return f"{tenths[0]:.0f} {median(scores):.0f} {tenths[-1]:.0f}"


class Compared(NamedTuple):
    format: str
    name: str
    score: float
    own: float
    other: float
    seconds: float = 0.0


def compared(path: Path) -> list[Compared]:
    image = shrunk(path, BYTES_WIDTH)
    if min(image.width, image.height) < SHORTEST:
        return []
    rows = []
    for format in QUALITIES:
        data = planned(image, "_", format)
        reached = score(image, data)
        other = bytes_at(image, reached, partial(plain, image, format, CODEC.get(format, {})))
        rows.append(Compared(format, "", reached, len(data), other))
    return rows


def print_bytes(photos: Sequence[Path]) -> None:
    """Bytes of our defaults beside those of libvips' own options at the quality with an equal score; below 1 is smaller than it."""
    rows = over(photos, compared)
    for format in QUALITIES:
        found = [row for row in rows if row.format == format]
        own, other = fmean(row.own for row in found) / 1000, fmean(row.other for row in found) / 1000
        what = f"w{BYTES_WIDTH}.{format}, kB at SSIMULACRA2 {median(row.score for row in found):.0f}, vs. libvips' defaults"
        print(f"{what:52}{own:12.1f}{other:12.1f}{own / other:8.2f}", flush=True)


def optioned(path: Path) -> list[Compared]:
    image = shrunk(path, BYTES_WIDTH)
    if min(image.width, image.height) < SHORTEST:
        return []
    rows = []
    for format, candidates in OPTIONS.items():
        usual = {"effort": 2, **SAVE_OPTIONS[format]} if format == "avif" else SAVE_OPTIONS[format]
        quality = FORMATS[format].quality or 0
        reached = score(image, data := plain(image, format, usual, quality))
        for changed in ({}, *candidates):
            save = partial(plain, image, format, {**usual, **changed})
            began = time.process_time()
            save(quality)
            seconds = time.process_time() - began
            rows.append(Compared(format, str(changed or "ours"), reached, bytes_at(image, reached, save), len(data), seconds))
    return rows


def print_options(photos: Sequence[Path]) -> None:
    rows = over(photos, optioned)
    print(f"{'options, bytes and seconds of CPU at an equal score':70}{'bytes':>8}{'time':>8}")
    for format, name in dict.fromkeys((row.format, row.name) for row in rows):
        found = [row for row in rows if (row.format, row.name) == (format, name)]
        usual = fmean(row.seconds for row in rows if (row.format, row.name) == (format, "ours"))
        ratio, seconds = geometric_mean(row.own / row.other for row in found), fmean(row.seconds for row in found)
        print(f"{format + ' ' + name:70}{ratio:8.3f}{seconds / usual:8.2f}", flush=True)


PRINTERS = {"likeness": print_likeness, "bytes": print_bytes, "options": print_options}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in PRINTERS:
        parser.add_argument(f"--{name}", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="progimage-quality-") as folder:
        photos = pictures(Path(folder))
        wanted = [name for name in PRINTERS if getattr(options, name)] or list(PRINTERS)
        for name in wanted:
            began = time.monotonic()
            PRINTERS[name](photos)
            print(f"({len(photos)} photos, {time.monotonic() - began:.0f} s)\n")


if __name__ == "__main__":
    main()
