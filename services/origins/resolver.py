"""From a name to addresses: DNS alone, asked without threads. /etc/hosts is not looked at: what it names lies inside."""

import asyncio
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address

from dns.asyncbackend import get_backend
from dns.asyncresolver import Resolver
from dns.exception import DNSException, Timeout
from dns.rdatatype import AAAA, A, RdataType
from dns.resolver import NoAnswer

from services.origins.addresses import Address, Network, allowed
from services.origins.source_url import SourceUrl
from services.origins.trouble import too_slow, unavailable

# After this many seconds a question is asked again: datagrams get lost.
AGAIN = 0.7


async def resolve(source: SourceUrl, networks: Sequence[Network], *, seconds: float, system: Resolver | None = None) -> list[Address]:
    """The addresses of the source's host, IPv4 first. SourceUnavailable when one is not allowed or there is none; SourceTooSlow."""
    literal = source.address
    found = [literal] if literal else await _look_up(source.host, seconds, system)
    if not found:
        raise unavailable(source.host, "no address")
    if inside := [str(address) for address in found if not allowed(address, networks)]:
        raise unavailable(source.host, f"not an allowed address: {', '.join(inside)}")
    return found


async def _look_up(host: str, seconds: float, system: Resolver | None) -> list[Address]:
    try:
        asked = system or Resolver()
        asked.timeout, asked.lifetime = AGAIN, seconds
        answers = await asyncio.gather(_ask(asked, host, A), _ask(asked, host, AAAA), return_exceptions=True)
        found = [address for answer in answers if not isinstance(answer, BaseException) for address in answer]
        # Servers that fail for AAAA alone are many, and what they say for A will do.
        for answer in answers:
            if isinstance(answer, BaseException) and not found:
                raise answer
    except Timeout as error:
        raise too_slow(host, "DNS does not answer") from error
    except (DNSException, OSError, ValueError) as error:
        raise unavailable(host, f"DNS: {type(error).__name__}") from error
    return found


async def _ask(asked: Resolver, host: str, kind: RdataType) -> list[Address]:
    make = IPv4Address if kind == A else IPv6Address
    try:
        # The dot: a name that is not there is not looked for below our own domain.
        answer = await asked.resolve(f"{host}.", kind, backend=get_backend("asyncio"))
    except NoAnswer:
        return []
    return [make(record.address) for record in answer]
