"""What runs inside the namespace: DNS, the origin, and the eyes on the wire. `python -m tests.world.inside FOLDER`.

All that happened is told over a Unix socket, which works across the border: to a line with a number it answers the events from that one on.
"""

import asyncio
import json
import ssl
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

from tests.world import certificates, nameserver, origin
from tests.world.sniffer import Peer, Sniffer
from tests.world.zone import OLD_TLS

# Where an attacker would like us to go: something listens, and nothing must ever arrive. 3128 is the proxy of the environment.
OPEN_PORTS = (22, 25, 1900, 3128, 6379, 8080, 9000, 11211)
HTTP, HTTPS = 80, 443


class World:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._events = list[dict[str, object]]()
        self._counts = Counter[str]()
        self._sniffer = Sniffer(self._sent)
        self._contexts = {name: certificates.context(folder / f"{name}.pem") for name in ("good", "expired", "selfsigned", "wronghost")}
        self._contexts["good"].sni_callback = self._by_name
        self._old = certificates.context(folder / "good.pem")
        # The library knows this version with these ciphers only.
        self._old.set_ciphers("ALL:@SECLEVEL=0")
        self._old.minimum_version = self._old.maximum_version = ssl.TLSVersion.TLSv1

    async def run(self) -> None:
        asyncio.get_running_loop().add_reader(self._sniffer.socket, self._sniffer.drain)
        await nameserver.Nameserver(lambda name, kind: self._tell("question", name=name, kind=kind)).start()
        for port in (HTTP, HTTPS, *OPEN_PORTS):
            await asyncio.start_server(self._welcome, None, port, backlog=1024)
        await asyncio.start_unix_server(self._report, self._folder / "events.sock")
        await asyncio.Event().wait()

    def _tell(self, what: str, **facts: object) -> None:
        self._events.append({"what": what, **facts})

    def _sent(self, source: Peer, to: Peer) -> None:
        if nameserver.ADDRESS not in (source, to):
            address, port = to
            self._tell("connection", peer=f"[{address}]:{port}" if ":" in address else f"{address}:{port}")

    def _by_name(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        connection.context = self._contexts.get((name or "").split(".")[0], context)

    async def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address, port, *_ = writer.get_extra_info("sockname")
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ssl.SSLError):
            if port == HTTPS:
                await writer.start_tls(self._old if address == OLD_TLS else self._contexts["good"])
            head = await reader.readuntil(b"\r\n\r\n")
            if port in (HTTP, HTTPS):
                await self._answer(head.decode("latin-1"), writer)
        with suppress(OSError, ssl.SSLError):
            writer.close()
            await writer.wait_closed()

    async def _answer(self, head: str, writer: asyncio.StreamWriter) -> None:
        first, *lines = head.rstrip().split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        host = headers.get("host", "")
        self._counts[host + target] += 1
        self._tell("request", method=method, host=host, target=target[:100], headers=headers)
        behave, rest = origin.behaviour(target)
        await behave(origin.Asked(target=rest, headers=headers, nth=self._counts[host + target], writer=writer))

    async def _report(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        since = int(await reader.readline())
        # What arrived before this question may not have been looked at yet.
        await asyncio.sleep(0)
        self._sniffer.drain()
        writer.write(json.dumps(self._events[since:]).encode())
        writer.close()


if __name__ == "__main__":
    asyncio.run(World(Path(sys.argv[1])).run())
