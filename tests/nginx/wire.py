"""HTTP as bytes: requests that no client library would send, and answers as they come."""

import asyncio
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from tests.servers import Server

MORE_THAN_ALL_HEADERS = 65536


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer. Its `status` is 0 where there is none; header names are in lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        return ", ".join(value for known, value in self.headers if known == name)


NOTHING = Reply(status=0, headers=(), body=b"")


def connected(server: Server, *, seconds: float = 5) -> socket.socket:
    host, port = server.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=seconds)


def everything(connection: socket.socket) -> bytes:
    """All that comes until the other side closes; TimeoutError when it does not."""
    received = b""
    with suppress(ConnectionError):
        while part := connection.recv(MORE_THAN_ALL_HEADERS):
            received += part
    return received


def exchange(server: Server, sent: bytes, *, seconds: float = 5) -> list[Reply]:
    """What a connection is answered to these very bytes until the server closes it."""
    with connected(server, seconds=seconds) as connection:
        with suppress(ConnectionError):
            connection.sendall(sent)
        return replies(everything(connection))


def replies(received: bytes) -> list[Reply]:
    """The answers in what came; what does not begin like one is an answer without a status (HTTP/0.9)."""
    found = []
    while received:
        reply, received = _first(received)
        found.append(reply)
    return found


def _first(received: bytes) -> tuple[Reply, bytes]:
    head, _, rest = received.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 "):
        return Reply(status=0, headers=(), body=received), b""
    lines = head.decode("latin-1").split("\r\n")
    pairs = tuple((name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines[1:]))
    length = int(dict(pairs).get("content-length", len(rest)))
    return Reply(status=int(lines[0][9:12]), headers=pairs, body=rest[:length]), rest[length:]


async def ask(server: Server, requests: Sequence[bytes], *, connections: int) -> list[Reply]:
    """The answers to these requests, in their order, over so many connections that are kept alive. A HEAD is not understood."""
    found: list[Reply] = [NOTHING] * len(requests)
    waiting = iter(enumerate(requests))
    async with asyncio.TaskGroup() as tasks:
        for _ in range(connections):
            tasks.create_task(_ask_in_turn(server, waiting, found))
    return found


async def _ask_in_turn(server: Server, waiting: Iterator[tuple[int, bytes]], found: list[Reply]) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    writer = None
    for place, request in waiting:
        if writer is None:
            reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        reply, _ = _first(head)
        found[place] = replace(reply, body=await reader.readexactly(int(reply.header("content-length") or 0)))
        if reply.header("connection") == "close":
            writer.close()
            await writer.wait_closed()
            writer = None
    if writer:
        writer.close()
        await writer.wait_closed()
