"""A proxy between ProgImage and what it stands on, told at run time what to do to the traffic (rules.py has the vocabulary).

`with proxy(redis.url) as between:` gives `between.url` to use instead; `with between.broken(Stall()):` breaks it for a while.
It speaks HTTP where the URL says so, and passes the bytes of anything else.
"""

import asyncio
import socket
from collections import Counter
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from random import Random
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

from tests.faults.exchange import Exchanges
from tests.faults.rules import Down, Fired, Rule, Rules
from tests.faults.way import Lost, Wire, copied

BACKLOG = 1024


class Proxy:
    """`asked` counts requests by method (with HTTP), `connections` those ever made, `open` those of now; `fired` is the log."""

    def __init__(self, upstream: str, *, seed: int = 0) -> None:
        self._upstream = urlsplit(upstream)
        self._rules = Rules(random=Random(seed))
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._wires: dict[Wire, asyncio.Task[None]] = {}
        self._keeper = _bound(0)
        self.port: int = self._keeper.getsockname()[1]
        self.asked: Counter[str] = Counter()
        self.connections = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The upstream's URL with this proxy's address in it."""
        user, at, _ = self._upstream.netloc.rpartition("@")
        return self._upstream._replace(netloc=f"{user}{at}{self.address}").geturl()

    @property
    def open(self) -> int:
        return len(self._wires)

    @property
    def fired(self) -> list[Fired]:
        return self._rules.fired

    def set(self, *rules: Rule) -> None:
        """These rules and no others, from the moment that this returns; each counts its `times` anew."""
        self._call(self._set(rules))

    @contextmanager
    def broken(self, *rules: Rule) -> Iterator[None]:
        self.set(*rules)
        try:
            yield
        finally:
            self.set()

    def cut_all(self) -> None:
        """Every connection of this moment ends with a reset, as when a server is killed."""
        self._call(self._cut_all())

    @contextmanager
    def running(self) -> Iterator["Proxy"]:
        thread = Thread(target=self._loop.run_forever, name=f"proxy of {self._upstream.netloc}", daemon=True)
        thread.start()
        try:
            self.set()
            yield self
        finally:
            self._call(self._end())
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()
            self._keeper.close()

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        done: Future[None] = asyncio.run_coroutine_threadsafe(work, self._loop)
        done.result(10)

    async def _set(self, rules: tuple[Rule, ...]) -> None:
        self._rules.replace(rules)
        down = next((rule for rule in rules if isinstance(rule, Down)), None)
        if down:
            await self._cut_all()
        if down and down.refuse:
            self._stop_listening()
        else:
            await self._listen()

    async def _listen(self) -> None:
        if not self._server:
            self._server = await asyncio.start_server(self._accepted, sock=self._keeper, backlog=BACKLOG)

    def _stop_listening(self) -> None:
        if self._server:
            self._server.close()
            self._server = None
            # Bound and not listening: connections are refused, and nobody else gets the port.
            self._keeper = _bound(self.port)

    async def _cut_all(self) -> None:
        cut = dict(self._wires)
        for wire, task in cut.items():
            wire.reset()
            task.cancel()
        await asyncio.gather(*cut.values(), return_exceptions=True)

    async def _end(self) -> None:
        self._stop_listening()
        await self._cut_all()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self.connections += 1
        wire = Wire(rules=self._rules, client=(reader, writer))
        self._wires[wire] = task
        try:
            # Of 3.11, asyncio prints a traceback for a handler that ends cancelled.
            with suppress(Lost, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
                await self._connected(wire)
        finally:
            wire.close()
            del self._wires[wire]

    async def _connected(self, wire: Wire) -> None:
        if self._rules.fire(Down, "", ""):
            raise Lost
        host, port = self._upstream.hostname or "", self._upstream.port or 80
        wire.server = await asyncio.open_connection(host, port)
        if self._upstream.scheme == "http":
            await Exchanges(wire=wire, asked=self.asked).run()
        else:
            await copied(wire)


@contextmanager
def proxy(upstream: str, *, seed: int = 0) -> Iterator[Proxy]:
    """A proxy in a thread of its own, healthy at first."""
    with Proxy(upstream, seed=seed).running() as running:
        yield running


def _bound(port: int) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    return sock
