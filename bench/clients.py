"""What the measures share: pictures, uploads, many clients at once, and what a process and its children took."""

import http.client
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Protocol
from urllib.parse import urlsplit

import httpx2
import pyvips

from tests.photos import photo
from tests.servers import family, wait_until

CORPUS = Path(__file__).parents[2] / "shared" / "corpus" / "photos"
CORES = os.cpu_count() or 1
# Wider than any variant that is asked for, or two rounds would ask for the same.
NARROWEST = 1025


class Turn(Protocol):
    def __call__(self) -> float: ...


def pictures(folder: Path) -> list[Path]:
    """The photos of the corpus that are wide enough for every round to be another variant, or generated ones where it is not there."""
    found = [path for path in sorted(CORPUS.glob("*.jpg")) if pyvips.Image.new_from_file(str(path)).width >= NARROWEST]
    if found:
        return found
    made = [folder / f"{n}.jpg" for n in range(12)]
    for path in made:
        path.write_bytes(photo(4000, 3000))
    return made


def stored(url: str, path: Path) -> str:
    """The id of the picture, committed."""
    answer = httpx2.post(f"{url}/images", content=path.read_bytes(), timeout=60)
    return str(answer.raise_for_status().json()["id"])


def warmed(url: str, image_id: str) -> None:
    """Return when the mezzanine of a stored image is there: the placeholders are recorded after it."""
    wait_until(lambda: httpx2.get(f"{url}/images/{image_id}").json()["thumbhash"] is not None, seconds=60, what=f"warming of {image_id}")


def fetch_all(url: str, paths: list[str], threads: int, *, cold: bool = True) -> float:
    """Seconds until all are there, asked for by so many clients that keep their connections; what is `cold` was never built before."""
    pending = iter(paths)

    def client(_: int) -> None:
        connection = http.client.HTTPConnection(urlsplit(url).netloc)
        for path in pending:
            connection.request("GET", path)
            answer = connection.getresponse()
            assert answer.status == 200, (path, answer.status)
            assert answer.read()
            assert not cold or answer.headers["x-cache"] == "miss", "it was not cold"
        connection.close()

    began = perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(client, range(threads)))
    return perf_counter() - began


def alternately(ours: Turn, limit: Turn, rounds: int) -> tuple[float, float]:
    """Medians of turns taken one after the other: what else the machine does then falls on both."""
    turns = [(ours(), limit()) for _ in range(rounds)]
    return median(turn[0] for turn in turns), median(turn[1] for turn in turns)


def wrk(url: str, seconds: int) -> float:
    """Requests per second with 16 connections; fails when any answer is an error."""
    output = subprocess.run(["wrk", "-t1", "-c16", f"-d{seconds}s", url], check=True, capture_output=True, text=True).stdout
    assert "Non-2xx" not in output, output
    found = re.search(r"Requests/sec:\s+([0-9.]+)", output)
    assert found, output
    return float(found[1])


def peak_megabytes(pid: int) -> float:
    """The most memory that each of the family ever held, summed; shared pages count once for each."""
    return sum(int(_field(Path(f"/proc/{process}/status"), "VmHWM")) for process in family(pid)) / 1024


def _field(status: Path, name: str) -> str:
    """0 for a process that has just ended, or has no such field."""
    try:
        found = re.search(rf"^{name}:\s+(\d+)", status.read_text(), re.MULTILINE)
    except OSError:
        return "0"
    return found[1] if found else "0"
