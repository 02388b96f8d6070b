"""An open-loop load generator: requests begin when their time has come, whatever becomes of those before.

Closed loops hide a queue, since they wait with it: here latency counts from the moment at which a request should have begun. What
arrives is kept while the load runs and is decoded after it (report.py), so that judging takes no time from the server on the same machine.
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import httptools

from tests.faults.report import Answer, Load, Request

# A server may close what was idle for longer just when the next request is on its way.
IDLE = 2.0
BURST = 16


@dataclass(kw_only=True, eq=False)
class _Pending:
    """A request that has begun; `due` is when it should have, in the time of the loop."""

    request: Request
    due: float
    timer: asyncio.TimerHandle | None = None
    connection: "_Connection | None" = None
    ended: bool = False


class Generator:
    """`rate` requests per second at `url` (http://host:port), each given up after `patience` seconds; GET, POST and DELETE, no HEAD.

    At most `connections` are open at once; a request that finds none waits, and that counts.
    """

    def __init__(self, url: str, *, rate: float, patience: float = 10, connections: int = 2000) -> None:
        address = urlsplit(url)
        self._host, self._port = address.hostname or "", address.port or 80
        self._netloc = address.netloc
        self._rate, self._patience, self._room = rate, patience, connections
        self._idle: list[_Connection] = []
        self._waiting: deque[_Pending] = deque()
        self._opening: set[asyncio.Task[None]] = set()
        self._load = Load(rate=rate)
        self._left = 0
        self._all_done = asyncio.Event()

    async def run(self, requests: Iterable[Request]) -> Load:
        """Offer all of them, and return when each is answered or given up."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        for number, request in enumerate(requests):
            due = start + number / self._rate
            early = due - loop.time()
            if early > 0 or number % BURST == 0:
                await asyncio.sleep(max(0.0, early))
            self._begin(_Pending(request=request, due=due))
        self._load.offered_seconds = loop.time() - start
        if self._left:
            self._all_done.clear()
            await self._all_done.wait()
        await self._close()
        return self._load

    def ended(self, pending: _Pending, *, status: int, failure: str, headers: Mapping[bytes, bytes], body: bytes) -> None:
        """Write down what became of a request."""
        pending.ended = True
        if pending.timer:
            pending.timer.cancel()
        request, seconds = pending.request, asyncio.get_running_loop().time() - pending.due
        digest = hashlib.sha1(body, usedforsecurity=False).digest()
        if status in {200, 201, 202} and not failure:
            self._load.bodies.setdefault(digest, body)
        self._load.answers.append(
            Answer(
                request=request,
                seconds=seconds,
                status=status,
                failure=failure,
                cache=headers.get(b"x-cache", b"").decode() or headers.get(b"x-edge-cache", b"").decode().lower(),
                retry_after=headers.get(b"retry-after", b"").decode(),
                digest=digest,
                size=len(body),
            )
        )
        self._left -= 1
        if not self._left:
            self._all_done.set()

    def free(self, connection: "_Connection") -> None:
        """A connection may take the next request."""
        if self._waiting:
            connection.take(self._waiting.popleft())
        else:
            self._idle.append(connection)

    def gone(self, connection: "_Connection") -> None:
        """A connection ended."""
        self._room += 1
        if connection in self._idle:
            self._idle.remove(connection)
        if self._waiting:
            self.place(self._waiting.popleft())

    def _begin(self, pending: _Pending) -> None:
        self._left += 1
        loop = asyncio.get_running_loop()
        pending.timer = loop.call_at(pending.due + self._patience, self._give_up, pending)
        self.place(pending)

    def place(self, pending: _Pending) -> None:
        """Find it a connection, or let it wait for one."""
        now = asyncio.get_running_loop().time()
        while self._idle:
            connection = self._idle.pop()
            if now - connection.since < IDLE:
                connection.take(pending)
                return
            connection.close()
        if self._room:
            self._room -= 1
            task = asyncio.create_task(self._open(pending))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)
        else:
            self._waiting.append(pending)

    async def _open(self, pending: _Pending) -> None:
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: _Connection(self, self._netloc), self._host, self._port
            )
        except OSError as error:
            self._room += 1
            if not pending.ended:
                self.ended(pending, status=0, failure=type(error).__name__, headers={}, body=b"")
            return
        if pending.ended:
            self.free(connection)
        else:
            connection.take(pending)

    def _give_up(self, pending: _Pending) -> None:
        if pending in self._waiting:
            self._waiting.remove(pending)
        if pending.connection:
            pending.connection.abandon("timeout")
        else:
            self.ended(pending, status=0, failure="timeout", headers={}, body=b"")

    async def _close(self) -> None:
        await asyncio.gather(*self._opening, return_exceptions=True)
        for connection in tuple(self._idle):
            connection.close()
        await asyncio.sleep(0)


@dataclass(kw_only=True)
class _Arriving:
    status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)


class _Connection(asyncio.Protocol):
    """One request at a time; `since` is when it was last used."""

    def __init__(self, generator: Generator, netloc: str) -> None:
        self._generator, self._netloc = generator, netloc
        self._transport: asyncio.Transport | None = None
        self._pending: _Pending | None = None
        self._arriving = _Arriving()
        self._parser = httptools.HttpResponseParser(self)
        self.since = 0.0

    def take(self, pending: _Pending) -> None:
        assert self._transport
        if self._transport.is_closing():
            self._generator.place(pending)
            return
        self._pending, pending.connection = pending, self
        self._arriving = _Arriving()
        self._transport.write(pending.request.encode(self._netloc))

    def close(self) -> None:
        if self._transport:
            self._transport.close()

    def abandon(self, failure: str) -> None:
        """The request has failed, and with it the connection."""
        self._end(failure)
        if self._transport:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.abandon("garbage")

    def connection_lost(self, exc: Exception | None) -> None:
        self._end("cut")
        self._generator.gone(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._arriving.headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        self._arriving.body += body

    def on_headers_complete(self) -> None:
        self._arriving.status = self._parser.get_status_code()

    def on_message_complete(self) -> None:
        goes_on = self._parser.should_keep_alive()
        self._end("")
        self.since = asyncio.get_running_loop().time()
        if goes_on:
            self._generator.free(self)
        else:
            self.close()

    def _end(self, failure: str) -> None:
        pending, self._pending = self._pending, None
        if pending:
            came = self._arriving
            pending.connection = None
            self._generator.ended(pending, status=came.status, failure=failure, headers=came.headers, body=bytes(came.body))


async def offered(url: str, requests: Iterable[Request], *, rate: float, patience: float = 10, connections: int = 2000) -> Load:
    """What became of these requests, offered at this constant rate."""
    return await Generator(url, rate=rate, patience=patience, connections=connections).run(requests)
