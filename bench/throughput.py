"""Variants that were never built before: from originals, from mezzanines, beside a plain libvips loop and beside thumbor."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.clients import CORES, fetch_all, stored, warmed
from tests.deployments import progimage_server
from tests.servers import answers, family, free_port, running

BUILD = Path(__file__).parents[1] / "build"
THUMBOR = "thumbor==7.8.0"
CLIENTS = 2 * CORES
# No variants are built ahead of the rounds. Without threads for tasks nothing is warmed at all: there are no mezzanines.
STORED = {"PROGIMAGE_WARM": ""}
DIRECT = {**STORED, "PROGIMAGE_WORKER_THREADS": "0"}


class Site(NamedTuple):
    """A running ProgImage, its process, and the ids of the pictures that it has."""

    url: str
    pid: int
    ids: list[str]


class Loop(NamedTuple):
    """Seconds for all pictures, and the most memory that it took, in megabytes."""

    seconds: float
    megabytes: float


@contextmanager
def site(folder: Path, photos: list[Path], *, mezzanines: bool) -> Iterator[Site]:
    """ProgImage with all photos committed, and warmed when mezzanines are wanted."""
    folder.mkdir()
    with progimage_server(folder, STORED if mezzanines else DIRECT) as server:
        ids = [stored(server.url, path) for path in photos]
        for image_id in ids if mezzanines else ():
            warmed(server.url, image_id)
        yield Site(server.url, server.pid, ids)


def ours(place: Site, width: int, format: str) -> float:
    """Images per second over HTTP."""
    return len(place.ids) / fetch_all(place.url, [f"/img/{image_id}/w{width}.{format}" for image_id in place.ids], CLIENTS)


def libvips_loop(photos: list[Path], width: int, format: str) -> Loop:
    command = [sys.executable, "-m", "bench.plain", "libvips", str(width), format, str(CORES), *map(str, photos)]
    seconds, megabytes = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return Loop(float(seconds), float(megabytes))


def against_loop(place: Site, photos: list[Path], width: int, format: str, rounds: int) -> tuple[float, float]:
    """Images per second, ours and the loop's: medians of turns, each of another width (one pixel narrower) so that it is cold."""
    widths = range(width, width - rounds, -1)
    turns = [(ours(place, w, format), len(photos) / libvips_loop(photos, w, format).seconds) for w in widths]
    return median(turn[0] for turn in turns), median(turn[1] for turn in turns)


@contextmanager
def thumbor(folder: Path, photos: list[Path]) -> Iterator[Site]:
    """Thumbor with two processes and no stores, reading the photos from their folder; it lives in an environment of its own."""
    folder.mkdir()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    configuration = folder / "thumbor.conf"
    configuration.write_text(
        f"LOADER = 'thumbor.loaders.file_loader'\nFILE_LOADER_ROOT_PATH = '{photos[0].parent}'\nQUALITY = 80\nWEBP_QUALITY = 80\n"
        "STORAGE = 'thumbor.storages.no_storage'\nMAX_PIXELS = 100e6\n"
    )
    program = _thumbor_program()
    command = [program, "--ip", "127.0.0.1", "--port", str(port), "--conf", configuration, "--processes", "2", "--log-level", "error"]
    with running(command, url=url, log=folder / "thumbor.log", ready=lambda: answers(f"{url}/healthcheck")) as server:
        workers = family(server.pid) - {server.pid}
        yield Site(url, server.pid, [path.name for path in photos])
    # Its parent goes without them.
    for worker in workers:
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGTERM)


def _thumbor_program() -> Path:
    environment = BUILD / "thumbor"
    program = environment / "bin" / "thumbor"
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        subprocess.run([environment / "bin" / "python", "-m", "pip", "install", "--quiet", THUMBOR], check=True)
    return program


def against_thumbor(place: Site, rival: Site, width: int, rounds: int) -> tuple[float, float]:
    """JPEGs per second, ours and thumbor's."""
    turns = []
    for w in range(width, width - rounds, -1):
        theirs = fetch_all(rival.url, [f"/unsafe/{w}x0/filters:format(jpeg)/{name}" for name in rival.ids], CLIENTS, cold=False)
        turns.append((ours(place, w, "jpg"), len(rival.ids) / theirs))
    return median(turn[0] for turn in turns), median(turn[1] for turn in turns)
