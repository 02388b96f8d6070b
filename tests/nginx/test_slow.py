"""Clients that send or read a byte now and then: nginx ends with them, and nobody else notices.

The timeouts are shorter here than in the shipped file, whose own are tried in `make soak`.
"""

import asyncio
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import pytest

from tests.nginx.conftest import Site
from tests.nginx.wire import connected, everything
from tests.photos import photo
from tests.servers import REPOSITORY, Server, nginx_server, wait_until

pytestmark = pytest.mark.xdist_group("nginx")

MANY = 200
BODIES = tuple(
    f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n".encode() + body
    for path in ("/uploads", "/images", "/transform/w9.webp", "/img/x")
    for body in (b"", b"\xff\xd8\xff")
)
# What is sent, and what it is that does not come to its end.
UNFINISHED = {**dict.fromkeys((b"", b"GET", b"GET / HTTP/1.1\r\nHost: x", b"\r\n" * 1000), "header"), **dict.fromkeys(BODIES, "body")}


@dataclass(frozen=True, kw_only=True)
class Patience:
    """nginx, and the seconds after which it has enough: of a header, and between two reads or writes."""

    server: Server
    header: float
    pause: float


@pytest.fixture(scope="module", params=["hasty", pytest.param("shipped", marks=pytest.mark.soak)])
def patience(request: pytest.FixtureRequest, site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Patience]:
    hasty = {"client_header_timeout": "1s", "client_body_timeout": "2s", "send_timeout": "2s"} if request.param == "hasty" else None
    apps = [app.url.removeprefix("http://") for app in site.apps]
    with nginx_server(tmp_path_factory.mktemp("slow") / "nginx", apps, timeouts=hasty) as server:
        yield Patience(server=server, header=1, pause=2) if hasty else Patience(server=server, header=10, pause=15)


def test_the_shipped_timeouts_are_those_of_the_soak() -> None:
    text = (REPOSITORY / "nginx/progimage.conf").read_text()
    for line in ("client_header_timeout 10s;", "client_body_timeout 15s;", "send_timeout 15s;"):
        assert line in text


def test_who_drips_a_header_is_left_in_time_and_neighbours_notice_nothing(site: Site, patience: Patience) -> None:
    picture = f"{patience.server.url}/img/{site.upload()}"

    async def together() -> tuple[list[float], list[int]]:
        dripping = [asyncio.create_task(_drip(patience.server)) for _ in range(MANY)]
        statuses: list[int] = []
        while not all(task.done() for task in dripping):
            answer = await asyncio.to_thread(site.client.get, f"{picture}/w{100 + len(statuses) % 50}.webp")
            statuses.append(answer.status_code)
        return [task.result() for task in dripping], statuses

    lasted, statuses = asyncio.run(together())
    assert max(lasted) < patience.header + 4
    assert len(statuses) > 5
    assert set(statuses) == {200}


async def _drip(server: Server) -> float:
    """The seconds until a client is left who sends one byte of an endless header at a time."""
    began = time.monotonic()
    host, port = server.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    ended = asyncio.create_task(reader.read())
    while not ended.done():
        writer.write(b"a")
        await asyncio.wait([ended], timeout=0.1)
    writer.transport.abort()
    assert isinstance(ended.exception(), ConnectionError) or not ended.result()
    return time.monotonic() - began


def test_who_falls_silent_is_left(patience: Patience) -> None:
    """nginx resets the connection without an answer, unless the app says 408 first: both wait as long. It stands in nginx's log."""
    with ThreadPoolExecutor(len(UNFINISHED)) as clients:
        lasted = list(clients.map(partial(_silence, patience.server), UNFINISHED))
    for (sent, what), seconds in zip(UNFINISHED.items(), lasted, strict=True):
        assert seconds < (patience.header if what == "header" else patience.pause) + 4, sent
    log = patience.server.log.parent / "access.log"
    wait_until(lambda: log.read_text().count('"status":408') >= len(BODIES), seconds=3, what="408 in the log")


def _silence(server: Server, sent: bytes) -> float:
    """The seconds until who sends this and then nothing is left; with 408 or without an answer."""
    began = time.monotonic()
    with connected(server, seconds=30) as connection:
        connection.sendall(sent)
        assert everything(connection)[:13] in (b"", b"HTTP/1.1 408 ")
    return time.monotonic() - began


def test_who_asks_and_does_not_read_is_left(site: Site, patience: Patience) -> None:
    image_id = site.upload(photo(2000, 1500, "png"))
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(5)
        host, port = patience.server.url.removeprefix("http://").split(":")
        connection.connect((host, int(port)))
        connection.sendall(f"GET /img/{image_id} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        time.sleep(patience.pause + 1.5)
        received = everything(connection)
    whole = site.client.get(f"{patience.server.url}/img/{image_id}").content
    assert len(received) < len(whole) / 2


def test_two_hundred_uploads_of_a_byte_now_and_then_leave_room_for_others(site: Site, patience: Patience) -> None:
    """Each of them is a connection and no more: no render, no thread, no memory to speak of."""
    with ExitStack() as stack:
        slow = [stack.enter_context(connected(patience.server)) for _ in range(MANY)]
        for connection in slow:
            connection.sendall(BODIES[1])
        for _ in range(3):
            assert site.client.post(f"{patience.server.url}/images", content=photo(300, 200)).status_code == 201
            for connection in slow:
                connection.sendall(b"a")
    assert all(site.client.get(f"{app.url}/readyz").status_code == 200 for app in site.apps)
