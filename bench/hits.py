"""Hits: a variant from memory, and one from nginx's cache."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2

from bench.clients import alternately, stored, wrk
from tests.deployments import progimage_server
from tests.servers import answers, free_port, nginx_server, running


def memory_hit(folder: Path, picture: Path, options: argparse.Namespace) -> tuple[float, float]:
    """Requests per second of a variant in memory, and of a bare Starlette route that returns the same bytes."""
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
