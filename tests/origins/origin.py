"""A web server that answers exactly the bytes it is told, however wrong, and remembers what it was asked."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

Script = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass(kw_only=True)
class Origin:
    """`pages` has an answer for each target: bytes, or a function that writes them in its own time."""

    host: str
    port: int = 0
    scheme: str = "http"
    pages: dict[str, bytes | Script] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    busy: set[asyncio.Task[None]] = field(default_factory=set)

    def url(self, target: str) -> str:
        return f"{self.scheme}://{self.host}:{self.port}{target}"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self.busy.add(task)
        try:
            # Of 3.11, asyncio prints a traceback for a handler that ends cancelled.
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._write(await reader.readuntil(b"\r\n\r\n"), writer)
        finally:
            self.busy.remove(task)
            writer.close()

    async def _write(self, head: bytes, writer: asyncio.StreamWriter) -> None:
        self.asked.append(head.decode())
        page = self.pages[self.asked[-1].split(" ")[1]]
        if isinstance(page, bytes):
            writer.write(page)
            await writer.drain()
        else:
            await page(writer)


@asynccontextmanager
async def origin(host: str = "127.0.0.2", tls: ssl.SSLContext | None = None) -> AsyncIterator[Origin]:
    served = Origin(host=host, scheme="https" if tls else "http")
    server = await asyncio.start_server(served.answer, host.strip("[]"), 0, ssl=tls)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()
        for task in tuple(served.busy):
            task.cancel()
        await asyncio.gather(*served.busy, return_exceptions=True)


def page(body: bytes, *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    """A well-formed answer, but for what it says of its length."""
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body) if length is None else length}", "", ""]
    return "\r\n".join(lines).encode() + body


def moved(location: str, status: str = "302 Found") -> bytes:
    return page(b"over there", f"Location: {location}", status=status)
