"""Fetching: one picture from one judged address, within bytes and seconds."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network


@dataclass(frozen=True, kw_only=True)
class SourceUrl:
    """The address of a remote picture in its normal spelling: lower-case host, no default port, a path, no fragment."""

    scheme: str
    host: str
    port: int
    target: str

    def __str__(self) -> str:
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Validators:
    """What a host said of the bytes it sent, as it said it; empty when it said nothing."""

    etag: str = ""
    last_modified: str = ""


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """What a host sends. `chunks` is None when it is what it was (304). `max_age` is the host's, in seconds, within our bounds."""

    chunks: AsyncIterator[bytes] | None
    validators: Validators
    max_age: int


class Origins:
    """The other hosts. Every address is judged before anything is sent to it; `sources`, `ports` and `networks` are the settings."""

    def __init__(
        self,
        *,
        sources: Sequence[str],
        ports: Sequence[int],
        networks: Sequence[IPv4Network | IPv6Network],
        own_host: str,
        max_bytes: int,
        deadline: float,
    ) -> None:
        pass

    def check(self, text: str, *, signed: bool, host: str = "") -> SourceUrl:
        """The source that a request names; `host` is what the request calls us. BadSourceUrl, SourceNotAllowed, RemoteOff."""
        raise NotImplementedError

    @asynccontextmanager
    async def get(self, source: SourceUrl, *, signed: bool, known: Validators | None = None) -> AsyncIterator[Fetched]:
        """SourceMissing, SourceUnavailable, SourceTooSlow, SourceBusy; LimitExceeded while reading when there is too much of it."""
        raise NotImplementedError
        yield
LOOP = "progimage"
