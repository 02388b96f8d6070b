"""What happens to work when a server is told to stop, or is killed. Of workers tell tests/faults/test_workers.py and test_deliveries.py."""

import random
import signal
import socket
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from tests.deployments import progimage_server
from tests.e2e.conftest import eventually, product, store, upload
from tests.photos import photo, size_of
from tests.servers import Server

KILLS = 8


@pytest.mark.row("A1")
def test_sigterm_is_said_on_readyz_and_what_is_under_way_ends_well(tmp_path: Path) -> None:
    with (
        progimage_server(tmp_path, {"PROGIMAGE_DRAIN_NOTICE": "2"}) as app,
        httpx2.Client(base_url=app.url, timeout=30) as api,
    ):
        image_id = store(api, photo(2400, 1800))
        with ThreadPoolExecutor(1) as pool:
            slow = pool.submit(httpx2.get, f"{app.url}/img/{image_id}/rotate33,blur5.webp", timeout=30)
            time.sleep(0.2)
            app.process.send_signal(signal.SIGTERM)
            assert eventually(lambda: api.get("/readyz").status_code == 503, within=1)
            assert api.get("/readyz").json()["status"] == "draining"
            assert slow.result().status_code == 200
        app.process.wait(20)
        assert app.process.returncode in (0, -signal.SIGTERM)


@pytest.mark.row("A1")
def test_a_request_that_does_not_end_is_told_so_when_the_drain_is_over(tmp_path: Path) -> None:
    with progimage_server(tmp_path, {"PROGIMAGE_DRAIN": "1"}) as app:
        host, port = app.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as stalled:
            stalled.sendall(b"POST /uploads HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n\xff\xd8\xff")
            time.sleep(0.3)
            app.process.send_signal(signal.SIGTERM)
            answer = stalled.recv(65536)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"/problems/stopping" in answer


@pytest.mark.row("A2")
def test_what_was_staged_or_acknowledged_is_there_after_a_kill(tmp_path: Path) -> None:
    with progimage_server(tmp_path) as app, httpx2.Client(base_url=app.url, timeout=30) as api:
        (staged,) = upload(api, photo(300, 200))
        acknowledged = told_until_killed(app, api, seconds=1.5)
    with progimage_server(tmp_path) as app, httpx2.Client(base_url=app.url, timeout=30) as api:
        check_products(api, acknowledged)
        assert api.get(f"/uploads/{staged}").json()["state"] == "staged"
        made = product(api, [staged])
        assert size_of(api.get(made["images"][0]["url"]).content) == (300, 200)


@pytest.mark.row("A2")
@pytest.mark.soak
def test_what_was_acknowledged_before_any_of_many_kills_is_there_afterwards(tmp_path: Path) -> None:
    acknowledged: dict[str, bytes] = {}
    for _ in range(KILLS):
        with progimage_server(tmp_path) as app, httpx2.Client(base_url=app.url, timeout=30) as api:
            acknowledged |= told_until_killed(app, api, seconds=random.uniform(0.2, 2))
    with progimage_server(tmp_path) as app, httpx2.Client(base_url=app.url, timeout=30) as api:
        check_products(api, acknowledged)


def told_until_killed(app: Server, api: httpx2.Client, *, seconds: float) -> dict[str, bytes]:
    """The pictures of the products that were answered with 201 until the app was killed, so long after the first, by the ids of those."""
    acknowledged: dict[str, bytes] = {}
    killer = threading.Timer(seconds, app.process.kill)
    try:
        while True:
            picture = photo(200, 100)
            acknowledged[product(api, upload(api, picture))["id"]] = picture
            if len(acknowledged) == 1:
                killer.start()
    except httpx2.HTTPError:
        app.process.wait()
    return acknowledged


def check_products(api: httpx2.Client, pictures: Mapping[str, bytes]) -> None:
    assert pictures
    for product_id, picture in pictures.items():
        (image,) = api.get(f"/products/{product_id}").json()["images"]
        assert api.get(image["url"]).content == picture
