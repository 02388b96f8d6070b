"""`make bench`: ProgImage beside a limit that is taken in the same run, on the same pictures. Only the ratios mean something."""

import argparse
import http.client
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from urllib.parse import urlsplit

import httpx2
import pyvips

from tests.deployments import progimage_server
from tests.photos import photo
from tests.servers import answers, free_port, nginx_server, running

CORPUS = Path(__file__).parents[2] / "shared" / "corpus" / "photos"
CORES = os.cpu_count() or 1
NARROWEST = 640
COLD_SETTINGS = {"PROGIMAGE_WARM": ""}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--seconds", type=int, default=4, help="of each wrk run")
    options.add_argument("--only", choices=("cold", "memory", "nginx"), help="one kind of measure")
    chosen = options.parse_args()
    print(f"{'measure':44}{'ProgImage':>12}{'limit':>12}{'ratio':>8}  goal")
    with tempfile.TemporaryDirectory(prefix="progimage-bench-") as name:
        folder = Path(name)
        photos = pictures(folder)
        if chosen.only in (None, "cold"):
            for format in ("jpg", "webp"):
                report(f"cold w512.{format}, images/s, vs. libvips loop", *cold(folder / format, photos, format, chosen.rounds), goal=0.85)
        if chosen.only in (None, "memory"):
            report("memory hit, requests/s, vs. bare Starlette", *memory_hit(folder, photos[0], chosen), goal=0.40)
        if chosen.only in (None, "nginx"):
            report("nginx hit, requests/s, vs. nginx static file", *nginx_hit(folder, photos[0], chosen), goal=0.85)


def report(what: str, ours: float, limit: float, *, goal: float) -> None:
    print(
        f"{what:44}{ours:12.1f}{limit:12.1f}{ours / limit:8.2f}  ≥ {goal:.2f} {'reached' if ours / limit >= goal else 'MISSED'}", flush=True
    )


def pictures(folder: Path) -> list[Path]:
    """The photos of the corpus that are wide enough for every round to be another variant, or generated ones where it is not there."""
    found = [path for path in sorted(CORPUS.glob("*.jpg")) if pyvips.Image.new_from_file(str(path)).width >= NARROWEST]
    if found:
        return found
    made = [folder / f"{n}.jpg" for n in range(12)]
    for path in made:
        path.write_bytes(photo(4000, 3000))
    return made


def cold(folder: Path, photos: list[Path], format: str, rounds: int) -> tuple[float, float]:
    """Images per second that were never built before, over HTTP and in a plain loop with as many threads; medians of the rounds."""
    folder.mkdir()
    ours, limits = [], []
    with progimage_server(folder, COLD_SETTINGS) as server:
        ids = [stored(server.url, path) for path in photos]
        for width in range(512, 512 + rounds):
            paths = [f"/img/{image_id}/w{width}.{format}" for image_id in ids]
            ours.append(len(ids) / fetch_all(server.url, paths, threads=2 * CORES))
            limits.append(len(ids) / plain_seconds(photos, width, format))
    return median(ours), median(limits)


def stored(url: str, path: Path) -> str:
    answer = httpx2.post(f"{url}/images", content=path.read_bytes(), timeout=60)
    return str(answer.raise_for_status().json()["id"])


def fetch_all(url: str, paths: list[str], threads: int) -> float:
    """Seconds until all are there, asked for by so many clients that keep their connections."""
    pending = iter(paths)

    def client(_: int) -> None:
        connection = http.client.HTTPConnection(urlsplit(url).netloc)
        for path in pending:
            connection.request("GET", path)
            answer = connection.getresponse()
            assert answer.status == 200, (path, answer.status)
            assert answer.read()
            assert answer.headers["x-cache"] == "miss", "it was not cold"
        connection.close()

    began = perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(client, range(threads)))
    return perf_counter() - began


def plain_seconds(photos: list[Path], width: int, format: str) -> float:
    command = [sys.executable, "-m", "bench.plain", "libvips", str(width), format, str(CORES), *map(str, photos)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def memory_hit(folder: Path, picture: Path, options: argparse.Namespace) -> tuple[float, float]:
    (folder / "memory").mkdir()
    with progimage_server(folder / "memory") as server:
        path = f"/img/{stored(server.url, picture)}/w256.webp"
        payload = folder / "w256.webp"
        payload.write_bytes(httpx2.get(server.url + path).content)
        with bare_starlette(folder, payload) as bare:
            return alternately(lambda: wrk(server.url + path, options.seconds), lambda: wrk(bare + path, options.seconds), options.rounds)


@contextmanager
def bare_starlette(folder: Path, payload: Path) -> Iterator[str]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with running(
        [sys.executable, "-m", "bench.plain", "serve", str(port), str(payload)],
        url=url,
        log=folder / "bare.log",
        ready=lambda: answers(f"{url}/img/x"),
    ):
        yield url


def nginx_hit(folder: Path, picture: Path, options: argparse.Namespace) -> tuple[float, float]:
    (folder / "edge").mkdir()
    with ExitStack() as stack:
        app = stack.enter_context(progimage_server(folder / "edge"))
        edge = stack.enter_context(nginx_server(folder / "nginx", [app.url.removeprefix("http://")], port=free_port()))
        path = f"/img/{stored(edge.url, picture)}/w256.webp"
        static_url = stack.enter_context(static_nginx(folder / "static", httpx2.get(edge.url + path).content))
        # Many short turns, each with new connections: single ones gave ratios from 0.52 to 0.98.
        return alternately(lambda: wrk(edge.url + path, 2), lambda: wrk(static_url, 2), 4 * options.rounds)


@contextmanager
def static_nginx(folder: Path, data: bytes) -> Iterator[str]:
    """nginx as it is commonly set up for files: as many workers as ours, and an access log that is written as ours is."""
    folder.mkdir()
    (folder / "w256.webp").write_bytes(data)
    port = free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(
        f"worker_processes auto; daemon off; pid {folder}/pid; user root; error_log {folder}/error.log;"
        "events { worker_connections 1024; }"
        f"http {{ types {{ image/webp webp; }} access_log {folder}/access.log combined buffer=64k flush=1s;"
        "sendfile on; tcp_nopush on; keepalive_requests 100000; open_file_cache max=1000;"
        f"server {{ listen 127.0.0.1:{port}; root {folder}; }} }}"
    )
    url = f"http://127.0.0.1:{port}/w256.webp"
    with running(["nginx", "-c", str(configuration)], url=url, log=folder / "log", ready=lambda: answers(url)):
        yield url


def alternately(ours: Callable[[], float], limit: Callable[[], float], rounds: int) -> tuple[float, float]:
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


if __name__ == "__main__":
    main()
