"""HTTP/1.1 messages as they pass: heads as they are, bodies piece by piece."""

from asyncio import IncompleteReadError, StreamReader
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

PIECE = 16_384
WITHOUT_BODY = {204, 304}


@dataclass(frozen=True, kw_only=True)
class Head:
    """`start` is the request line or the status line."""

    start: str
    headers: tuple[tuple[str, str], ...]

    @property
    def method(self) -> str:
        return self.start.split(" ")[0]

    @property
    def target(self) -> str:
        return self.start.split(" ")[1]

    @property
    def status(self) -> int:
        return int(self.start.split(" ")[1])

    def get(self, name: str) -> str:
        return next((value for known, value in self.headers if known.lower() == name), "")

    def with_(self, *headers: tuple[str, str]) -> "Head":
        """Another head in which these replace those of the same names."""
        names = {name.lower() for name, _ in headers}
        return replace(self, headers=tuple(pair for pair in self.headers if pair[0].lower() not in names) + headers)

    def without(self, *names: str) -> "Head":
        return replace(self, headers=tuple(pair for pair in self.headers if pair[0].lower() not in names))

    def encode(self) -> bytes:
        lines = [self.start, *(f"{name}: {value}" for name, value in self.headers), "", ""]
        return "\r\n".join(lines).encode("latin-1")


async def read_head(reader: StreamReader) -> Head | None:
    """The next head, or None where the other side has ended the connection between two messages."""
    try:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    except IncompleteReadError as error:
        if error.partial:
            raise
        return None
    pairs = (line.partition(":") for line in lines[1:-2])
    return Head(start=lines[0], headers=tuple((name, value.strip()) for name, _, value in pairs))


def chunked(head: Head) -> bool:
    return "chunked" in head.get("transfer-encoding").lower()


def answer_has_body(head: Head, method: str) -> bool:
    return method != "HEAD" and head.status >= 200 and head.status not in WITHOUT_BODY


def ends_with_connection(head: Head) -> bool:
    """Whether this answer, which may have a body, has no other end."""
    return not chunked(head) and not head.get("content-length")


async def body(reader: StreamReader, head: Head, *, answer: bool = False) -> AsyncIterator[bytes]:
    """The payload, without its chunks' sizes. IncompleteReadError when the connection ends before it does."""
    if chunked(head):
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            yield (await reader.readexactly(size + 2))[:-2]
        while await reader.readuntil(b"\r\n") != b"\r\n":
            """Trailers, which nobody here sends."""
    elif answer and ends_with_connection(head):
        while piece := await reader.read(PIECE):
            yield piece
    else:
        left = int(head.get("content-length") or 0)
        while left:
            piece = await reader.read(min(left, PIECE))
            if not piece:
                raise IncompleteReadError(b"", left)
            left -= len(piece)
            yield piece


def framed(piece: bytes, head: Head) -> bytes:
    if not chunked(head):
        return piece
    return f"{len(piece):x}\r\n".encode() + piece + b"\r\n" if piece else b""


def end(head: Head) -> bytes:
    return b"0\r\n\r\n" if chunked(head) else b""
