"""Names become addresses through DNS alone, and all of them are judged."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import cast

import pytest
from dns.asyncresolver import Resolver
from dns.flags import AA
from dns.message import Message, from_wire, make_response
from dns.rcode import NXDOMAIN, SERVFAIL
from dns.rrset import from_text
from structlog.testing import capture_logs

from services.errors import SourceTooSlow, SourceUnavailable
from services.origins.resolver import resolve
from services.origins.source_url import parse
from transforms.errors import ProgImageError

pytestmark = pytest.mark.anyio

ZONE: Mapping[str, Mapping[str, list[str]]] = {
    "public.example.": {"A": ["93.184.216.34", "93.184.216.35"], "AAAA": ["2606:4700::1"]},
    "four.example.": {"A": ["93.184.216.34"]},
    "six.example.": {"AAAA": ["2606:4700::1"]},
    "half.example.": {"A": ["93.184.216.34"], "AAAA": ["SERVFAIL"]},
    "private.example.": {"A": ["10.0.0.1"]},
    "mixed.example.": {"A": ["93.184.216.34", "127.0.0.1"]},
    "mixed-six.example.": {"A": ["93.184.216.34"], "AAAA": ["::ffff:7f00:1"]},
    "nat64.example.": {"AAAA": ["64:ff9b::7f00:1"]},
    "empty.example.": {},
    "broken.example.": {"A": ["SERVFAIL"], "AAAA": ["SERVFAIL"]},
    "silent.example.": {"A": ["SILENT"], "AAAA": ["SILENT"]},
    "lossy.example.": {"A": ["LOST ONCE", "93.184.216.34"]},
}


class Stub(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.asked: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        answer = self._answer(from_wire(data))
        if answer:
            self.transport.sendto(answer.to_wire(), address)

    def _answer(self, query: Message) -> Message | None:
        question = query.question[0]
        name, kind = str(question.name), question.rdtype.name
        self.asked.append(f"{name} {kind}")
        answer = make_response(query)
        answer.flags |= AA
        found = list(ZONE.get(name, {}).get(kind, []))
        if name not in ZONE:
            answer.set_rcode(NXDOMAIN)
        elif found == ["SERVFAIL"]:
            answer.set_rcode(SERVFAIL)
        elif found == ["SILENT"] or (found[:1] == ["LOST ONCE"] and self.asked.count(f"{name} {kind}") == 1):
            return None
        elif found:
            answer.answer.append(from_text(question.name, 0, "IN", kind, *(text for text in found if text != "LOST ONCE")))
        return answer


@asynccontextmanager
async def dns() -> AsyncIterator[tuple[Resolver, Stub]]:
    loop = asyncio.get_running_loop()
    transport, stub = await loop.create_datagram_endpoint(Stub, local_addr=("127.0.0.1", 0))
    system = Resolver(configure=False)
    system.nameservers, system.port = ["127.0.0.1"], transport.get_extra_info("sockname")[1]
    try:
        yield system, stub
    finally:
        transport.close()


async def look_up(system: Resolver, host: str) -> list[str]:
    return [str(address) for address in await resolve(parse(f"http://{host}/"), (), seconds=1.5, system=system)]


@pytest.mark.parametrize(
    ("host", "addresses"),
    [
        ("public.example", ["93.184.216.34", "93.184.216.35", "2606:4700::1"]),
        ("four.example", ["93.184.216.34"]),
        ("six.example", ["2606:4700::1"]),
        ("half.example", ["93.184.216.34"]),
        ("lossy.example", ["93.184.216.34"]),
        ("1.1.1.1", ["1.1.1.1"]),
        ("[2606:4700::1]", ["2606:4700::1"]),
    ],
)
async def test_a_public_name_has_addresses(host: str, addresses: list[str]) -> None:
    async with dns() as (system, stub):
        assert sorted(await look_up(system, host)) == sorted(addresses)
    assert set(stub.asked) == ({f"{host}. A", f"{host}. AAAA"} if host[-1].isalpha() else set())
    assert len(stub.asked) == len(set(stub.asked)) + (host == "lossy.example")


@pytest.mark.parametrize(
    ("host", "error", "reason"),
    [
        ("private.example", SourceUnavailable, "10.0.0.1"),
        ("mixed.example", SourceUnavailable, "127.0.0.1"),
        ("mixed-six.example", SourceUnavailable, "::ffff:7f00:1"),
        ("nat64.example", SourceUnavailable, "64:ff9b::7f00:1"),
        ("127.0.0.1", SourceUnavailable, "127.0.0.1"),
        ("localhost", SourceUnavailable, "NXDOMAIN"),
        ("missing.example", SourceUnavailable, "NXDOMAIN"),
        ("empty.example", SourceUnavailable, "no address"),
        ("broken.example", SourceUnavailable, "NoNameservers"),
        ("silent.example", SourceTooSlow, "DNS does not answer"),
    ],
)
async def test_one_bad_address_is_enough_and_none_too(host: str, error: type[ProgImageError], reason: str) -> None:
    began = time.monotonic()
    async with dns() as (system, _):
        with capture_logs() as lines, pytest.raises(error):
            await look_up(system, host)
    assert [reason in line["reason"] for line in lines] == [True], lines
    assert time.monotonic() - began < 2
