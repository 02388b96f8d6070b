"""A connection through the proxy: two streams, and the ways between them on which rules apply."""

import asyncio
import socket
import struct
from collections import Counter
from dataclasses import dataclass, field
from time import monotonic

from tests.faults.messages import PIECE
from tests.faults.rules import Bandwidth, Cut, DropAnswer, Flip, Garble, Latency, Rule, Rules, Stall, Way

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
# What follows so soon belongs to what was late already.
BURST = 0.005
RESET = struct.pack("ii", 1, 0)


class Lost(Exception):
    """A rule ends this connection."""


@dataclass(kw_only=True, eq=False)
class Wire:
    """`method` and `target` are of the message that is under way."""

    rules: Rules
    client: Stream
    server: Stream | None = None
    method: str = ""
    target: str = ""
    passed: Counter[Rule] = field(default_factory=Counter)
    _sent: dict[Way, float] = field(default_factory=dict)

    def reader(self, of: Way) -> asyncio.StreamReader:
        return self._stream(of)[0]

    async def send(self, data: bytes, to: Way) -> None:
        """Write after all that delays it."""
        await self._held(to)
        late = self.rules.fire(Latency, self.method, self.target, to)
        if late and monotonic() - self._sent.get(to, 0) > BURST:
            await asyncio.sleep(max(0.0, late.seconds + self.rules.random.uniform(-late.jitter, late.jitter)))
        narrow = self.rules.fire(Bandwidth, self.method, self.target, to)
        if narrow:
            await asyncio.sleep(len(data) / narrow.per_second)
        writer = self._stream(to)[1]
        writer.write(data)
        await writer.drain()
        self._sent[to] = monotonic()

    async def cut(self, cut: Cut, data: bytes) -> None:
        """Send what the rule lets through; Lost where that is not all."""
        room = max(0, cut.after - self.passed[cut])
        self.passed[cut] += len(data)
        if room < len(data):
            await self.send(data[:room], cut.to)
            self.reset()
            raise Lost
        await self.send(data, cut.to)

    async def drop(self, drop: DropAnswer) -> None:
        """Silence until the client gives up, or the end at once; Lost in either case."""
        while not drop.close and await self.reader("client").read(PIECE):
            """What it still has to say."""
        self.reset()
        raise Lost

    def reset(self) -> None:
        """End both connections, with a reset and not in good order."""
        for stream in filter(None, (self.client, self.server)):
            transport = stream[1].transport
            sock = transport.get_extra_info("socket")
            if sock and sock.fileno() >= 0:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            transport.abort()

    def close(self) -> None:
        for stream in filter(None, (self.client, self.server)):
            stream[1].close()

    async def _held(self, to: Way) -> None:
        stall = self.rules.fire(Stall, self.method, self.target, to)
        if stall:
            await self.rules.gone(stall)

    def _stream(self, of: Way) -> Stream:
        if of == "client":
            return self.client
        assert self.server
        return self.server


def flipped(data: bytes, at: int) -> bytes:
    """The bytes with one bit changed; as they are when they are shorter."""
    changed = bytearray(data)
    if -len(data) <= at < len(data):
        changed[at] ^= 0x10
    return bytes(changed)


async def copied(wire: Wire) -> None:
    """Pass bytes both ways until one side ends."""
    ways = [asyncio.create_task(_copied(wire, "client", "server")), asyncio.create_task(_copied(wire, "server", "client"))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def _copied(wire: Wire, source: Way, to: Way) -> None:
    while data := await wire.reader(source).read(PIECE * 4):
        if to == "server":
            wire.target = data.decode("latin-1")
        await _passed(wire, data, to)


async def _passed(wire: Wire, data: bytes, to: Way) -> None:
    fire = wire.rules.fire
    if to == "client" and (drop := fire(DropAnswer, "", wire.target)):
        if drop.close:
            wire.reset()
            raise Lost
        return
    if to == "client" and (garble := fire(Garble, "", wire.target)):
        data = garble.data
    if flip := fire(Flip, "", wire.target, to):
        data = flipped(data, flip.at)
    if cut := fire(Cut, "", wire.target, to):
        await wire.cut(cut, data)
    else:
        await wire.send(data, to)
