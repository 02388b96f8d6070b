"""HTTP as bytes: requests that no client library would send, and answers as they come."""

import asyncio
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from tests.servers import Server


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
    received = bytearray()
    with suppress(ConnectionError):
        while part := connection.recv(65536):
            received += part
    return bytes(received)


def exchange(server: Server, sent: bytes, *, seconds: float = 5) -> list[Reply]:
    """What a connection is answered to these very bytes until the server closes it."""
    with connected(server, seconds=seconds) as connection:
        with suppress(ConnectionError):
            connection.sendall(sent)
        return replies(everything(connection))


def replies(received: bytes) -> list[Reply]:
    """The answers in what came; what does not begin like one is an answer without a status (HTTP/0.9)."""
    found, at = [], 0
    while at < len(received):
        end = received.find(b"\r\n\r\n", at)
        head = _head(received[at : end + 4])
        begin = end + 4 if head.status else at
        at = begin + int(head.header("content-length") or len(received))
        found.append(replace(head, body=received[begin:at]))
    return found


def _head(head: bytes) -> Reply:
    lines = head.decode("latin-1").rstrip().split("\r\n")
    if not lines[0].startswith("HTTP/1.1 "):
        return NOTHING
    pairs = tuple((name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines[1:]))
    return Reply(status=int(lines[0][9:12]), headers=pairs, body=b"")


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
        reply = _head(await reader.readuntil(b"\r\n\r\n"))
        found[place] = replace(reply, body=await reader.readexactly(int(reply.header("content-length") or 0)))
        if reply.header("connection") == "close":
            writer.close()
            await writer.wait_closed()
            writer = None
    if writer:
        writer.close()
        await writer.wait_closed()
