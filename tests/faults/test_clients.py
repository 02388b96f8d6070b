"""Clients that leave, drip, do not read, or stay: what is left of them, and what others notice."""

import asyncio
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
import redis

from proxy.arriving import PATIENCE
from proxy.protocol import HEADER_SECONDS, SEND_SECONDS
from tests.deployments import progimage_server
from tests.e2e.conftest import eventually, store
from tests.faults.books import Books, books, client, leave, resident
from tests.photos import photo
from tests.servers import Server, redis_server

pytestmark = pytest.mark.xdist_group("faults-clients")

MEGABYTE = 1 << 20
SLOW = "rotate33,blur5.webp"
IDLE = 2000
DRIPPING = 500


@dataclass(frozen=True, kw_only=True)
class Site:
    """An app, its Redis, and the folder for its temporary files."""

    app: Server
    api: httpx2.Client
    redis: redis.Redis
    temporary: Path

    def staged(self) -> set[object]:
        """What staging holds, whole or not."""
        return set(self.redis.keys("staging:*"))

    def left(self) -> tuple[set[object], int, Books]:
        """All that a client might leave behind."""
        return self.staged(), len(list(self.temporary.glob("progimage-*"))), books(self.app.pid)

    def busy(self) -> int:
        """The renders under way."""
        page = self.api.get("/metrics").text
        return sum(int(float(count)) for count in re.findall(r"^progimage_renders_(?:running|waiting) (\S+)$", page, re.MULTILINE))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("clients")
    for name in ("redis", "temporary"):
        (folder / name).mkdir()
    with ExitStack() as stack:
        server = stack.enter_context(redis_server(folder / "redis"))
        settings = {
            "PROGIMAGE_REDIS_URL": server.url,
            "TMPDIR": str(folder / "temporary"),
            "PROGIMAGE_WARM": "",
        }
        app = stack.enter_context(progimage_server(folder, settings))
        api = stack.enter_context(httpx2.Client(base_url=app.url, timeout=30, trust_env=False))
        questions = stack.enter_context(redis.Redis.from_url(server.url))
        store(api, photo(64, 48))
        yield Site(app=app, api=api, redis=questions, temporary=folder / "temporary")


def head(path: str, length: int, kind: str = "image/jpeg") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n".encode()


FORM = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'
BODIES = {
    "/uploads": head("/uploads", 9 * MEGABYTE),
    "/images": head("/images", 9 * MEGABYTE),
    "/transform/w9.webp": head("/transform/w9.webp", 9 * MEGABYTE),
    "a form": head("/uploads", 9 * MEGABYTE, "multipart/form-data; boundary=b") + FORM,
}


@pytest.mark.row("C1")
@pytest.mark.parametrize("what", BODIES)
def test_of_an_upload_whose_client_leaves_nothing_stays(site: Site, what: str) -> None:
    before, lines = site.left(), left_in_log(site)
    with client(site.app) as connection:
        connection.sendall(BODIES[what] + b"\xff\xd8\xff\xe0" + b"a" * (MEGABYTE + MEGABYTE // 2))
        # A piece of it has arrived by then: in staging, or in a file.
        eventually(lambda: site.left()[1] > before[1])
        leave(connection)
    eventually(lambda: site.left() == before, within=1)
    eventually(lambda: left_in_log(site) == lines + 1, within=1)


def left_in_log(site: Site) -> int:
    """How many requests the log says were given up by their clients."""
    return site.app.log_text().count('"status":499')


@pytest.mark.row("C3")
def test_what_a_client_asked_for_who_left_is_made_and_kept_and_others_get_it(site: Site) -> None:
    """Behind nginx the app does not even learn of it. The next one who asks, often the same, finds it made."""
    image, before = store(site.api, photo(1600, 1200)), books(site.app.pid)
    path = f"/img/{image}/{SLOW}"
    with client(site.app) as leader, ThreadPoolExecutor(1) as pool:
        leader.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        eventually(site.busy)
        follower = pool.submit(httpx2.get, f"{site.app.url}{path}", timeout=30)
        leave(leader)
        shared = follower.result()
    assert (shared.status_code, shared.headers["x-cache"]) == (200, "coalesced")
    again = site.api.get(path)
    assert again.headers["x-cache"] == "hit"
    assert again.content == shared.content
    eventually(lambda: not site.busy() and books(site.app.pid) == before, within=2)


@pytest.mark.row("C3")
@pytest.mark.soak
def test_a_posted_picture_whose_client_leaves_costs_no_more_than_its_render(site: Site) -> None:
    before, picture = site.left(), photo(1600, 1200)
    with client(site.app) as connection:
        connection.sendall(head(f"/transform/{SLOW}", len(picture)) + picture)
        eventually(site.busy)
        leave(connection)
    eventually(lambda: not site.busy() and site.left() == before, within=8)


@pytest.mark.row("C4")
@pytest.mark.soak
def test_who_asks_and_does_not_read_takes_little_memory_and_is_left_and_who_reads_slowly_is_not(site: Site) -> None:
    number, picture = 40, photo(2400, 1800, "png")
    image, before = store(site.api, picture), books(site.app.pid)
    used, asked = resident(site.app.pid), f"GET /img/{image} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    with client(site.app, receive=4096) as slow, ExitStack() as stack:
        slow.sendall(asked)
        for _ in range(number):
            stack.enter_context(client(site.app, receive=4096)).sendall(asked)
        eventually(lambda: books(site.app.pid).files == before.files + number + 1)
        began, answer = time.monotonic(), slow.recv(4096)
        time.sleep(0.5)
        assert len(picture) > 8 * MEGABYTE
        assert resident(site.app.pid) - used < number * MEGABYTE
        assert site.api.get(f"/img/{image}").content == picture
        while time.monotonic() - began < SEND_SECONDS + 5:
            time.sleep(0.5)
            answer += slow.recv(4096)
        eventually(lambda: books(site.app.pid).files == before.files + 1, within=1)
        assert (answer + received(slow)).endswith(picture)
    eventually(lambda: books(site.app.pid) == before, within=2)


@pytest.mark.soak
def test_who_asks_nothing_or_never_ends_the_question_is_left(site: Site) -> None:
    before, began = books(site.app.pid), time.monotonic()
    with ExitStack() as stack:
        silent, dripping = ([stack.enter_context(client(site.app)) for _ in range(100)] for _ in range(2))
        for byte in b"GET /livez":
            for connection in dripping:
                connection.sendall(bytes([byte]))
            time.sleep(1)
        assert {received(connection) for connection in silent} == {b""}
        assert all(answer.startswith(b"HTTP/1.1 408 ") and b"/problems/slow-headers" in answer for answer in map(received, dripping))
        assert HEADER_SECONDS <= time.monotonic() - began < HEADER_SECONDS + 5
    eventually(lambda: books(site.app.pid) == before, within=2)


@pytest.mark.row("C5")
def test_who_stays_and_asks_nothing_is_no_load(site: Site) -> None:
    image = store(site.api, photo(320, 240))
    used, before = resident(site.app.pid), books(site.app.pid)

    async def stay() -> None:
        host, port = site.app.url.removeprefix("http://").split(":")
        writers = []
        for _ in range(IDLE):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
            writers.append(writer)
        assert books(site.app.pid).sockets >= before.sockets + IDLE
        for number in range(5):
            answer = await asyncio.to_thread(site.api.get, f"/img/{image}/w{100 + number}.webp")
            assert answer.status_code == 200
        assert (await asyncio.to_thread(site.api.get, "/readyz")).status_code == 200
        assert resident(site.app.pid) - used < IDLE * 64 * 1024
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0)

    asyncio.run(stay())
    eventually(lambda: books(site.app.pid) == before, within=5)


@pytest.mark.row("C2")
@pytest.mark.soak
def test_five_hundred_uploads_of_ten_bytes_a_second_end_in_time_and_others_notice_nothing(site: Site) -> None:
    before = site.left()

    async def together() -> tuple[list[tuple[float, bytes]], list[int]]:
        dripping, statuses = [], []
        for _ in range(DRIPPING):
            dripping.append(asyncio.create_task(drip(site.app)))
            await asyncio.sleep(0.02)
        while not all(task.done() for task in dripping):
            answer = await asyncio.to_thread(site.api.post, "/images", content=photo(300, 200))
            statuses.append(answer.status_code)
            await asyncio.sleep(0.1)
        return [task.result() for task in dripping], statuses

    ended, statuses = asyncio.run(together())
    # A machine that is busy with something else turns some away before it waits for them.
    assert set(statuses) <= {201, 503}
    assert statuses.count(201) > 0.75 * len(statuses)
    waited_for = [(seconds, answer) for seconds, answer in ended if not answer.startswith(b"HTTP/1.1 503 ")]
    assert len(waited_for) > DRIPPING / 2
    assert all(answer.startswith(b"HTTP/1.1 408 ") and b"/problems/slow-body" in answer for _, answer in waited_for)
    assert all(PATIENCE <= seconds < PATIENCE + 10 for seconds, _ in waited_for)
    eventually(lambda: site.left()[1] == before[1] and books(site.app.pid).files == before[2].files, within=5)
    # Those to Redis are kept.
    assert books(site.app.pid).sockets < before[2].sockets + 100


async def drip(server: Server) -> tuple[float, bytes]:
    """The seconds until a client is left who sends a tenth of a picture's head in a second, and the answer."""
    host, port = server.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    began, answer = time.monotonic(), asyncio.create_task(reader.readuntil(b"}"))
    writer.write(head("/uploads", MEGABYTE))
    while not answer.done():
        writer.write(b"a")
        await asyncio.wait([answer], timeout=0.1)
    writer.transport.abort()
    await asyncio.sleep(0)
    return time.monotonic() - began, answer.result()


@pytest.mark.row("C2")
@pytest.mark.soak
def test_an_upload_that_falls_silent_is_answered_408(site: Site) -> None:
    with client(site.app) as connection:
        connection.sendall(head("/images", MEGABYTE) + b"\xff\xd8\xff")
        began = time.monotonic()
        answer = received(connection)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert PATIENCE <= time.monotonic() - began < PATIENCE + 3


def received(connection: socket.socket) -> bytes:
    """All until the server ends the connection."""
    return b"".join(iter(lambda: connection.recv(65536), b""))
