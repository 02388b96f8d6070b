"""How answers leave, whole; how long a client is waited for, and how much of its head is read."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn import Config
from uvicorn.server import ServerState

from proxy.protocol import HEADER_SECONDS, MAX_HEADERS, SEND_SECONDS, HttpProtocol, WholeAnswers

pytestmark = pytest.mark.anyio

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
SLOW_GET = b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"
UNREAD_BODY = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n"
LARGE = bytes(8 << 20)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The loop of `progimage serve`, whose transports these are."""
    return "asyncio", {"use_uvloop": True}


class Wire(asyncio.Transport):
    """Notes what it is given at once."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        self.sent.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


async def test_head_and_body_leave_together_and_nothing_after_the_end() -> None:
    wire = Wire()
    answers = WholeAnswers(wire)
    answers.write(b"head ")
    answers.write(b"body")
    await asyncio.sleep(0)
    assert wire.sent == [b"head body"]
    answers.write(b"last")
    answers.close()
    answers.write(b"too late")
    await asyncio.sleep(0)
    assert (wire.sent, answers.is_closing()) == ([b"head body", b"last"], True)


@dataclass(kw_only=True)
class Line:
    """A connection, and how the server sees it."""

    client: socket.socket
    server: HttpProtocol

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.client, data)
        await asyncio.sleep(0.05)

    async def received(self, most: int = 65536) -> bytes:
        async with asyncio.timeout(5):
            return await asyncio.get_running_loop().sock_recv(self.client, most)

    async def all(self) -> bytes:
        """All until the server ends the connection."""
        parts = []
        while part := await self.received():
            parts.append(part)
        return b"".join(parts)

    def open_after(self, seconds: float) -> bool:
        """Whether it is, when the server has looked at it before and does so again after this time."""
        now = self.server.loop.time()
        self.server.look(now)
        self.server.look(now + seconds)
        return not self.server.transport.is_closing()


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads no body, and answers at once: `/large` at length, `/slow` after a while."""
    if scope["path"] == "/slow":
        await asyncio.sleep(0.3)
    body = LARGE if scope["path"] == "/large" else b"answer"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def served() -> AsyncIterator[Callable[[], Any]]:
    loop, state = asyncio.get_running_loop(), ServerState()
    config = Config(app, lifespan="off", log_config=None, ws="none")
    config.load()
    server = await loop.create_server(lambda: HttpProtocol(config, state, {}), "127.0.0.1", 0)

    async def connect() -> Line:
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        await loop.sock_connect(client, server.sockets[0].getsockname())
        await asyncio.sleep(0.05)
        (connection,) = state.connections
        assert isinstance(connection, HttpProtocol)
        return Line(client=client, server=connection)

    try:
        yield connect
    finally:
        server.close()
        for connection in list(state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    async with served() as connect:
        line = await connect()
        with line.client:
            yield line


def problem(answer: bytes) -> tuple[int, str]:
    """The status and the kind of a problem, which is the end of its connection."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"\r\ncontent-type: application/problem+json" in head
    assert b"\r\nconnection: close" in head
    return int(head.split()[1]), json.loads(body)["type"].removeprefix("/problems/")


@pytest.mark.parametrize(
    ("before", "late", "told"),
    [
        (b"", b"", False),
        (b"", b"\r\n", False),
        (b"", b"G", True),
        (b"", b"GET / HTTP/1.1\r\nHost", True),
        (GET, b"\r\n", False),
        (GET, b"GET / HTTP/1.1\r\nHost: x\r\n", True),
        (UNREAD_BODY, b"a", False),
    ],
)
async def test_a_head_has_fifteen_seconds_and_who_began_one_is_told(line: Line, before: bytes, late: bytes, told: bool) -> None:
    if before:
        await line.send(before)
        assert (await line.received()).endswith(b"answer")
    await line.send(late)
    assert line.open_after(HEADER_SECONDS - 1)
    assert not line.open_after(HEADER_SECONDS)
    answer = await line.all()
    assert (problem(answer) == (408, "slow-headers")) if told else not answer


async def test_bytes_one_by_one_do_not_begin_the_time_again(line: Line) -> None:
    now = line.server.loop.time()
    for number, byte in enumerate(b"GET / HTTP/1.1\r\n"):
        await line.send(bytes([byte]))
        line.server.look(now + number)
    assert problem(await line.all()) == (408, "slow-headers")


@pytest.mark.parametrize("sent", [GET, UNREAD_BODY])
async def test_who_has_an_answer_may_stay_idle(line: Line, sent: bytes) -> None:
    await line.send(sent)
    assert line.open_after(60)
    if sent == GET:
        await line.received()
        await line.send(GET)
        assert (await line.received()).endswith(b"answer")


async def test_who_waits_for_us_is_not_late(line: Line) -> None:
    await line.send(SLOW_GET)
    assert line.open_after(60)
    assert (await line.received()).endswith(b"answer")


async def test_each_head_has_its_own_time(line: Line) -> None:
    """Seen at the wrong moments, a client that asks all the time looks as if it never did."""
    now = line.server.loop.time()
    for number in range(3):
        await line.send(GET[:9])
        line.server.look(now + number * (HEADER_SECONDS - 1))
        await line.send(GET[9:])
        assert (await line.received()).endswith(b"answer")


def padded(length: int) -> bytes:
    start = b"GET / HTTP/1.1\r\nX: "
    return start + b"a" * (length - len(start) - 4) + b"\r\n\r\n"


async def test_a_head_is_read_up_to_its_limit_however_it_comes(line: Line) -> None:
    for pieces in (1, 3):
        head = padded(MAX_HEADERS - 1)
        for start in range(0, len(head), size := -(-len(head) // pieces)):
            await line.send(head[start : start + size])
        assert (await line.received()).endswith(b"answer")


@pytest.mark.parametrize(
    "head",
    [padded(MAX_HEADERS + 1), padded(200_000)[:-4], b"GET /" + b"a" * MAX_HEADERS, GET[:-2] + b"X: y\r\n" * 20_000, b"\r\n" * MAX_HEADERS],
)
async def test_a_larger_one_is_refused(line: Line, head: bytes) -> None:
    sent = asyncio.create_task(line.send(head))
    assert problem(await line.received()) == (431, "headers-too-large")
    await asyncio.wait([sent])
    sent.exception()


async def test_bodies_and_what_follows_them_count_as_no_head(line: Line) -> None:
    body = b"a" * 300_000
    await line.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n" + body)
    assert (await line.received()).endswith(b"answer")
    for _ in range(14):
        await line.send(padded(5_000))
        assert (await line.received()).endswith(b"answer")


@pytest.mark.parametrize("garbage", [b"\0\0\r\n\r\n", padded(2 * MAX_HEADERS + 100)])
async def test_what_cannot_be_read_is_not_told_in_the_place_of_another_answer(line: Line, garbage: bytes) -> None:
    await line.send(SLOW_GET + garbage)
    assert not await line.all()


async def test_who_takes_nothing_of_an_answer_is_left_and_who_takes_a_little_is_not(line: Line) -> None:
    await line.send(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
    await asyncio.sleep(0.1)
    for _ in range(3):
        assert line.open_after(SEND_SECONDS - 1)
        for _ in range(10):
            await line.received(4096)
        await asyncio.sleep(0.05)
    assert not line.open_after(SEND_SECONDS)
    with pytest.raises(ConnectionResetError):
        await line.all()
