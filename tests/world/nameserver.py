"""A DNS server over UDP and TCP that answers from the zone, and tells what it was asked."""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable

import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from tests.world.zone import answer

ADDRESS = ("127.0.0.53", 53)
KINDS = {dns.rdatatype.A: lambda address: ":" not in address, dns.rdatatype.AAAA: lambda address: ":" in address}


class Nameserver:
    """`asked` is called with the name and the kind of each question."""

    def __init__(self, asked: Callable[[str, str], None]) -> None:
        self._asked = asked
        self._counts = Counter[tuple[str, str]]()
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.setblocking(False)
        self._udp.bind(ADDRESS)

    async def start(self) -> None:
        asyncio.get_running_loop().add_reader(self._udp, self._over_udp)
        await asyncio.start_server(self._over_tcp, *ADDRESS)

    def _over_udp(self) -> None:
        data, address = self._udp.recvfrom(4096)
        if reply := self.reply(data):
            self._udp.sendto(reply, address)

    async def _over_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = int.from_bytes(await reader.readexactly(2), "big")
        if reply := self.reply(await reader.readexactly(length)):
            writer.write(len(reply).to_bytes(2, "big") + reply)
        writer.close()

    def reply(self, data: bytes) -> bytes | None:
        question = dns.message.from_wire(data)
        asked = question.question[0]
        name, kind = asked.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(asked.rdtype)
        self._asked(name, kind)
        self._counts[name, kind] += 1
        response = dns.message.make_response(question)
        response.flags |= dns.flags.RA
        while (found := answer(name, nth=self._counts[name, kind])) and found.alias:
            response.answer.append(dns.rrset.from_text(f"{name}.", 0, "IN", "CNAME", f"{found.alias}."))
            name = found.alias
        if found is None:
            return None
        response.set_rcode(dns.rcode.from_text(found.code))
        fitting = [address for address in found.addresses if asked.rdtype in KINDS and KINDS[asked.rdtype](address)]
        if fitting:
            response.answer.append(dns.rrset.from_text(f"{name}.", 0, "IN", kind, *fitting))
        return response.to_wire()
