"""What settings are made of: their types, with the words in which each says what it takes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, ByteSize, Field, InstanceOf
from pydantic_settings import NoDecode

from transforms.errors import PlanError
from transforms.formats import FORMATS
from transforms.grammar import parse
from transforms.operations.preset import NAME
from transforms.operations.resize import SIDE
from transforms.plan import AUTO, Plan
from transforms.rewrites import has_preset

HOST_PATTERN = re.compile(r"\*|(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*|\[[0-9a-f:.]+\]", re.ASCII)
NEGOTIABLE = ("avif", "webp")
KEY_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)
# HMAC-SHA256 gains nothing from longer keys, and loses strength with shorter ones (RFC 2104, 3).
KEY_BYTES = 32

PRESETS: Mapping[str, Plan] = {"thumbnail": parse("w128,h128,fit_cover", AUTO)}


@dataclass(frozen=True, kw_only=True)
class Words:
    """What people are told about a field beside its description."""

    accepted: str = ""
    default: str = ""


def _names(text: object) -> object:
    return tuple(name.strip().lower() for name in text.split(",") if name.strip()) if isinstance(text, str) else text


def _plans(text: object) -> object:
    if not isinstance(text, str):
        return text
    # A comma also stands between the operations of a plan: a name is over where its extension is.
    names = re.findall(r"(.+?)(?:\.([a-z]+[0-9]*)(?:,|$)|$)", text.replace(" ", ""))
    if bare := next((plan for plan, extension in names if not extension), None):
        raise ValueError(f"{bare[:60]!r} has no extension like .webp")
    try:
        return tuple(parse(plan, extension) for plan, extension in names)
    except PlanError as error:
        raise ValueError(str(error)) from error


def _presets(text: object) -> object:
    """`name=plan` with semicolons between, and those that are there anyway."""
    if not isinstance(text, str):
        return text
    found: dict[str, Plan] = {}
    for item in filter(None, (item.strip() for item in text.split(";"))):
        name, _, plan = (part.strip() for part in item.partition("="))
        if name in found or not NAME.fullmatch(name) or not plan:
            raise ValueError(f"{item[:60]!r} is not name=plan, or its name stands there twice")
        found[name] = _preset(name, plan)
    return {**PRESETS, **found}


def _preset(name: str, text: str) -> Plan:
    try:
        plan = parse(text, AUTO)
    except PlanError as error:
        raise ValueError(f"{name}: {error}") from error
    if has_preset(plan):
        raise ValueError(f"{name}: a preset is made of operations, not of other presets")
    return plan


def _widths(text: object) -> object:
    if not isinstance(text, str):
        return text
    names = [name.strip() for name in text.split(",")]
    if not all(name.isascii() and name.isdigit() and len(name) <= 5 and SIDE.lowest <= int(name) <= SIDE.highest for name in names):
        raise ValueError("no such width")
    return tuple(sorted({int(name) for name in names}))


def _readable(name: str) -> str:
    if name not in FORMATS or not FORMATS[name].loaders:
        raise ValueError("no such format")
    return name


def _negotiable(name: str) -> str:
    """What nginx tells apart in an Accept header; all browsers have the rest."""
    if name not in NEGOTIABLE:
        raise ValueError("no such format")
    return name


def _words(text: object) -> object:
    return tuple(filter(None, (word.strip() for word in text.split(",")))) if isinstance(text, str) else text


def _host(pattern: str) -> str:
    """`*`, a host, or `*.` and a host, in lower case and ASCII."""
    if not HOST_PATTERN.fullmatch(pattern := pattern.lower()):
        raise ValueError(f"{pattern[:60]!r} is neither a host nor *.host")
    return pattern


def _network(text: object) -> object:
    return ip_network(text) if isinstance(text, str) else text


def _keys(text: object) -> object:
    """`id=secret` with commas between; the secrets as bytes."""
    if not isinstance(text, str):
        return text
    found: dict[str, bytes] = {}
    for item in filter(None, (item.strip() for item in text.split(","))):
        name, _, secret = item.partition("=")
        if name in found or not KEY_ID.fullmatch(name):
            raise ValueError("one of them has no id of a to z, 0 to 9 and -, or its id stands there twice")
        if len(secret.encode()) < KEY_BYTES:
            raise ValueError(f"the key {name} has fewer than {KEY_BYTES} bytes; `openssl rand -hex 32` makes a good one")
        found[name] = secret.encode()
    return found


def plain(folder: Path) -> Path:
    """Other settings are URLs made from this path."""
    if set(":?#%") & set(str(folder)):
        raise ValueError("it has one of : ? # % in it")
    return folder


def _without_slash(url: str) -> str:
    return url.rstrip("/")


Bytes = Annotated[ByteSize, Field(ge=1), Words(accepted="a number of bytes, or one with a unit like 512MiB")]
Readable = Annotated[
    tuple[Annotated[str, AfterValidator(_readable)], ...],
    NoDecode,
    BeforeValidator(_names),
    Field(min_length=1),
    Words(accepted=f"a comma list of {', '.join(known.name for known in FORMATS.values() if known.loaders)}"),
]
Negotiable = Annotated[
    tuple[Annotated[str, AfterValidator(_negotiable)], ...],
    NoDecode,
    BeforeValidator(_names),
    Words(accepted=f"a comma list of {' and '.join(NEGOTIABLE)}, or nothing"),
]
Widths = Annotated[
    tuple[int, ...],
    NoDecode,
    BeforeValidator(_widths),
    Words(accepted=f"a comma list of widths from {SIDE.lowest} to {SIDE.highest}"),
]
Hosts = Annotated[
    tuple[Annotated[str, AfterValidator(_host)], ...],
    NoDecode,
    BeforeValidator(_words),
    Words(accepted="a comma list of hosts such as img.example.com, *.example.com (every host below it) or * (every one)", default="none"),
]
Ports = Annotated[
    tuple[Annotated[int, Field(ge=1, le=65_535)], ...],
    NoDecode,
    BeforeValidator(_words),
    Field(min_length=1),
    Words(accepted="a comma list of ports from 1 to 65535", default="`80,443`"),
]
Networks = Annotated[
    tuple[Annotated[InstanceOf[IPv4Network] | InstanceOf[IPv6Network], BeforeValidator(_network)], ...],
    NoDecode,
    BeforeValidator(_words),
    Words(accepted="a comma list of networks such as 10.1.0.0/16", default="none"),
]
Keys = Annotated[
    Mapping[str, bytes],
    NoDecode,
    BeforeValidator(_keys),
    Words(accepted="id=secret with commas between, each secret of 32 bytes or more: k1=…, made by `openssl rand -hex 32`", default="none"),
]
Urls = Annotated[
    tuple[Annotated[str, Field(pattern=r"^https?://[^\s/?#]+$")], ...],
    NoDecode,
    BeforeValidator(_words),
    Words(accepted="a comma list of http(s)://host:port", default="none"),
]
Plans = Annotated[
    tuple[InstanceOf[Plan], ...],
    NoDecode,
    BeforeValidator(_plans),
    Words(accepted="a comma list of plans with an extension like w256.webp, or nothing"),
]
Presets = Annotated[
    Mapping[str, InstanceOf[Plan]],
    NoDecode,
    BeforeValidator(_presets),
    Words(
        accepted="name=plan with ; between, like card=w400,h300,fit_cover;hero=w1600,q70",
        default="`" + "`, `".join(f"{name}={plan}" for name, plan in PRESETS.items()) + "`, which can be redefined and is there anyway",
    ),
]
DatabaseUrl = Annotated[
    str,
    Field(pattern=r"^(sqlite:///.|postgresql(\+asyncpg)?://.)", repr=False),
    Words(accepted="sqlite:///path or postgresql://user:password@host/database", default="SQLite in the data folder"),
]
StorageUrl = Annotated[
    str,
    Field(pattern=r"^(s3://[a-z0-9][a-z0-9.-]+(/.*)?|file://.+|[^:]+)$"),
    Words(accepted="a folder or s3://bucket/prefix", default="the folder `store` in the data folder"),
]
RedisUrl = Annotated[
    str,
    Field(pattern=r"^((rediss?|unix)://.+)?$", repr=False),
    Words(accepted="redis://host:6379/0, rediss://… or unix:///path", default="a server of our own, on a socket in the data folder"),
]
HttpUrl = Annotated[str, Field(pattern=r"^(https?://[^\s/?#]+[^\s?#]*)?$"), AfterValidator(_without_slash)]
