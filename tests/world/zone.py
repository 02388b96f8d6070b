"""What the stub DNS answers: every name that the tables and tests of this folder use.

`10-0-0-1.ip.example` has the address 10.0.0.1, everything below `origin.example` that of the origin; other names do not exist.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

ORIGIN = "93.184.216.34"
# Where TLS is as old as it gets, where nothing answers, and the other origins.
OLD_TLS = "93.184.216.35"
FILTERED = "151.101.0.2"
ORIGIN_6 = "2606:4700::34"

BELOW_ORIGIN = ("origin.example", "cdn.example", "tls.example")
WRITTEN = re.compile(r"(?:.+\.)?(\d+)-(\d+)-(\d+)-(\d+)\.ip\.example")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """`addresses` of both kinds, or another name; `code` when there is neither. No answer at all is None, not this."""

    addresses: Sequence[str] = ()
    alias: str = ""
    code: str = "NOERROR"


HERE = Answer(addresses=[ORIGIN])
NAMES = {
    "allowed.example": HERE,
    "public.example": HERE,
    "old.tls.example": Answer(addresses=[OLD_TLS]),
    "filtered.example": Answer(addresses=[FILTERED]),
    "six.example": Answer(addresses=[ORIGIN_6]),
    "mixed.example": Answer(addresses=[ORIGIN, "127.0.0.1"]),
    "mixed6.example": Answer(addresses=[ORIGIN, "::1"]),
    "nat64.example": Answer(addresses=["64:ff9b::7f00:1"]),
    "6to4.example": Answer(addresses=["2002:7f00:1::"]),
    "mapped.example": Answer(addresses=["::ffff:127.0.0.1"]),
    "alias.example": Answer(alias="alias-of-alias.example"),
    "alias-of-alias.example": Answer(alias="10-0-0-1.ip.example"),
    "own.example": HERE,
    "empty.example": Answer(),
    "servfail.example": Answer(code="SERVFAIL"),
}


def answer(name: str, *, nth: int) -> Answer | None:
    """The answer to the nth question, from 1, for this name (its two kinds of addresses counted apart); None: silence."""
    if name.endswith("silent.example"):
        return None
    if name.endswith("rebinding.example"):
        return HERE if nth == 1 else Answer(addresses=["127.0.0.1"])
    if name in NAMES:
        return NAMES[name]
    if written := WRITTEN.fullmatch(name):
        return Answer(addresses=[".".join(written.groups())])
    return HERE if name.endswith(tuple(f".{parent}" for parent in BELOW_ORIGIN)) else Answer(code="NXDOMAIN")
