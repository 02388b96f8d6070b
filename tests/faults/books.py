"""What a running app has open: to see whether it goes back to what it was."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from struct import pack
from urllib.parse import urlsplit

from tests.servers import Server

LINGER = pack("ii", 1, 0)


@dataclass(frozen=True, kw_only=True)
class Books:
    """Of one process: its open files that are sockets, and those that are not."""

    sockets: int
    files: int


def books(pid: int) -> Books:
    kinds = [_kind(path) for path in Path(f"/proc/{pid}/fd").iterdir()]
    return Books(sockets=kinds.count("socket"), files=kinds.count("/"))


def _kind(path: Path) -> str:
    try:
        target = str(path.readlink())
    except FileNotFoundError:
        return "gone"
    return target.partition(":")[0] if target[0] != "/" else "/"


def resident(pid: int) -> int:
    """The bytes of memory that a process has."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def client(server: Server, *, receive: int = 0) -> Iterator[socket.socket]:
    """A connection, which reads through a window of `receive` bytes unless that is 0."""
    address = urlsplit(server.url)
    with socket.socket() as connection:
        if receive:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        connection.settimeout(30)
        connection.connect((address.hostname, address.port))
        yield connection


def leave(connection: socket.socket) -> None:
    """End the connection as a client does that is killed: with a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
    connection.close()
