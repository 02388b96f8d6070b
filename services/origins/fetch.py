"""Fetching: one picture from one judged address, within bytes and seconds."""

import re
import ssl
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urldefrag, urljoin

import httpcore2

from services.errors import BadSourceUrl, RemoteOff, SourceBusy, SourceMissing, SourceNotAllowed, SourceTooSlow, SourceUnavailable
from services.origins.addresses import Network
from services.origins.body import body_of
from services.origins.gates import Gates
from services.origins.headers import Head, Validators, request_headers
from services.origins.network import JudgedNetwork
from services.origins.pace import Pace
from services.origins.policy import Policy
from services.origins.source_url import SourceUrl, parse
from services.origins.trouble import translated, unavailable
from transforms import deadline as requests

REDIRECTS = (301, 302, 303, 307, 308)
MOST_REDIRECTS = 3
VISIBLE = re.compile(r"[!-~]+")


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """What a host sends. `chunks` is None when it is what it was (304). `max_age` is the host's, in seconds, within our bounds."""

    chunks: AsyncIterator[bytes] | None
    validators: Validators
    max_age: int


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The head of what a source answered; the rest of it can be read while the connection is open."""

    source: SourceUrl
    head: Head
    response: httpcore2.Response
    pace: Pace


class Origins:
    """The other hosts. Every address is judged before anything is sent to it; `sources`, `ports` and `networks` are the settings."""

    def __init__(
        self,
        *,
        sources: Sequence[str],
        ports: Sequence[int],
        networks: Sequence[Network],
        own_host: str,
        max_bytes: int,
        deadline: float,
    ) -> None:
        self._policy = Policy(sources=sources, ports=ports, networks=networks, own_host=own_host)
        self._networks, self._max_bytes, self._seconds = networks, max_bytes, deadline
        self._gates = Gates()

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    def check(self, source: SourceUrl, *, signed: bool, host: str = "") -> None:
        """RemoteOff or SourceNotAllowed for a source that a request names; `host` is what the request calls us."""
        self._policy.check(source, signed=signed, host=host)

    @asynccontextmanager
    async def get(self, source: SourceUrl, *, signed: bool, known: Validators | None = None) -> AsyncIterator[Fetched]:
        """SourceMissing, SourceUnavailable, SourceTooSlow, SourceBusy, PoolBusy, OutOfTime; LimitExceeded when too much is read."""
        async with AsyncExitStack() as stack:
            answer = await self._follow(stack, source, signed=signed, known=known)
            yield await self._fetched(stack, answer, known)

    async def _follow(self, stack: AsyncExitStack, source: SourceUrl, *, signed: bool, known: Validators | None) -> Answer:
        """The first answer that is no redirect; its connection closes with the stack."""
        deadline = time.monotonic() + self._seconds
        for _ in range(MOST_REDIRECTS + 1):
            async with AsyncExitStack() as hop:
                answer = await self._ask(hop, source, known, deadline)
                if answer.head.status not in REDIRECTS:
                    stack.push_async_exit(hop.pop_all())
                    return answer
            source = self._next(answer, signed=signed)
        raise unavailable(source.host, "too many redirects")

    async def _ask(self, stack: AsyncExitStack, source: SourceUrl, known: Validators | None, deadline: float) -> Answer:
        breaker = await stack.enter_async_context(self._gates.enter(source))
        requests.check()
        pace = Pace(deadline)
        url = httpcore2.URL(scheme=source.scheme, host=source.name, port=source.port, target=source.target)
        network = JudgedNetwork(source, networks=self._networks, pace=pace)
        tls = self._tls if source.scheme == "https" else None
        connection = httpcore2.AsyncHTTPConnection(url.origin, ssl_context=tls, network_backend=network)
        stack.push_async_callback(connection.aclose)
        try:
            with translated(source.host):
                response = await connection.handle_async_request(httpcore2.Request("GET", url, headers=request_headers(source, known)))
        except (SourceUnavailable, SourceTooSlow):
            # Only what says that the host is down: by its own answers to odd paths anybody could close it for all others.
            breaker.failed()
            raise
        breaker.succeeded()
        pace.headed()
        return Answer(source=source, head=Head(response.status, response.headers), response=response, pace=pace)

    def _next(self, answer: Answer, *, signed: bool) -> SourceUrl:
        """Where a redirect leads: judged as if the request had named it."""
        here, location = answer.source, answer.head.value("location")
        try:
            # Without what urllib would repair, and judged after it has joined the two.
            target = parse(urldefrag(urljoin(str(here), location)).url) if VISIBLE.fullmatch(location) else None
            if not target or (here.scheme == "https" and target.scheme == "http"):
                raise unavailable(here.host, "a redirect to no place, or to one without TLS")
            self._policy.check(target, signed=signed)
        except (BadSourceUrl, SourceNotAllowed, RemoteOff, ValueError) as error:
            raise unavailable(here.host, f"a redirect that is not followed: {error}") from error
        return target

    async def _fetched(self, stack: AsyncExitStack, answer: Answer, known: Validators | None) -> Fetched:
        head, host = answer.head, answer.source.host
        if head.status == 304 and known and (known.etag or known.last_modified):
            said = head.validators
            still = Validators(etag=said.etag or known.etag, last_modified=said.last_modified or known.last_modified)
            return Fetched(chunks=None, validators=still, max_age=head.max_age)
        _check_status(head.status, host)
        raw = await stack.enter_async_context(aclosing(answer.response.aiter_stream()))
        body = body_of(head, raw, answer.pace, host=host, maximum=self._max_bytes)
        chunks = await stack.enter_async_context(aclosing(body))
        return Fetched(chunks=chunks, validators=head.validators, max_age=head.max_age)


def _check_status(status: int, host: str) -> None:
    if status in (404, 410):
        raise SourceMissing("The host of the picture says that there is none.")
    if status in (429, 503):
        raise SourceBusy("The host of the picture says that it is busy: try again.")
    if status != 200:
        raise unavailable(host, f"it answered {status}")
