"""What happens to work when processes end: a worker that is killed, a server that is told to stop, one that is killed."""

import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2

from tests.deployments import progimage_server, progimage_worker
from tests.e2e.conftest import eventually, product, store, upload
from tests.photos import photo, size_of
from tests.servers import redis_server

# Heartbeats of a dead worker are believed for ten seconds.
REDELIVERY_SECONDS = 40


def test_killing_a_worker_in_the_middle_loses_no_task(tmp_path: Path) -> None:
    for name in ("redis", "data", "one", "two"):
        (tmp_path / name).mkdir()
    with redis_server(tmp_path / "redis") as redis:
        settings = {"PROGIMAGE_REDIS_URL": redis.url, "PROGIMAGE_DATA": str(tmp_path / "data")}
        with progimage_server(tmp_path, settings) as app, httpx2.Client(base_url=app.url, timeout=30) as api:
            made = product(api, upload(api, *(photo(3000, 2000) for _ in range(6))))

            def recorded() -> int:
                return sum(len(image["variants"]) for image in api.get(f"/products/{made['id']}").json()["images"])

            with progimage_worker(tmp_path / "one", settings) as worker:
                eventually(recorded)
                worker.process.kill()
                worker.process.wait()
                assert recorded() < 12, "it was killed too late to prove anything"
            with progimage_worker(tmp_path / "two", settings):
                eventually(lambda: recorded() == 12, within=REDELIVERY_SECONDS)


def test_sigterm_is_said_on_readyz_and_what_is_under_way_ends_well(tmp_path: Path) -> None:
    with progimage_server(tmp_path) as app, httpx2.Client(base_url=app.url, timeout=30) as api:
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


def test_a_request_that_does_not_end_is_told_so_when_the_drain_is_over(tmp_path: Path) -> None:
    with progimage_server(tmp_path, {"PROGIMAGE_DRAIN": "1", "PROGIMAGE_DRAIN_NOTICE": "0"}) as app:
        host, port = app.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as stalled:
            stalled.sendall(b"POST /uploads HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n\xff\xd8\xff")
            time.sleep(0.3)
            app.process.send_signal(signal.SIGTERM)
            answer = stalled.recv(65536)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"/problems/stopping" in answer


def test_what_was_staged_survives_a_killed_server(tmp_path: Path) -> None:
    with progimage_server(tmp_path) as app, httpx2.Client(base_url=app.url, timeout=30) as api:
        (image_id,) = upload(api, photo(300, 200))
        time.sleep(1.5)  # the append-only file is synced each second
        app.process.kill()
        app.process.wait()
    with progimage_server(tmp_path) as app, httpx2.Client(base_url=app.url, timeout=30) as api:
        assert api.get(f"/uploads/{image_id}").json()["state"] == "staged"
        made = product(api, [image_id])
        assert size_of(api.get(made["images"][0]["url"]).content) == (300, 200)


def test_what_was_acknowledged_before_a_kill_is_there_afterwards(tmp_path: Path) -> None:
    acknowledged: dict[str, bytes] = {}
    for _ in range(3):
        with progimage_server(tmp_path) as app, httpx2.Client(base_url=app.url, timeout=30) as api:
            killer = threading.Timer(0.7, app.process.kill)
            killer.start()
            try:
                while True:
                    picture = photo(200, 100)
                    acknowledged[product(api, upload(api, picture))["id"]] = picture
            except httpx2.HTTPError:
                app.process.wait()
    assert acknowledged
    with progimage_server(tmp_path) as app, httpx2.Client(base_url=app.url, timeout=30) as api:
        for product_id, picture in acknowledged.items():
            (image,) = api.get(f"/products/{product_id}").json()["images"]
            assert api.get(image["url"]).content == picture
