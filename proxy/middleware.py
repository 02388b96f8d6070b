"""The edge of the application: what every request passes and every answer carries, in one pure ASGI class."""

import asyncio
import random
import re
import time
from collections.abc import Callable, MutableSequence
from dataclasses import dataclass, field

import structlog
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.typing import FilteringBoundLogger

from proxy import errors, metrics
from proxy.arriving import Arriving
from proxy.errors import Stopping, UriTooLong
from proxy.logs import redacted, request_id
from transforms import deadline

log = structlog.get_logger(__name__)

MAX_URI = 2048
# An address with another address inside (`url=`) may be longer.
MAX_URI_WITH_URL = 8192
SANE_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")
NO_BODY = frozenset({"GET", "HEAD"})
CLIENT_LEFT = 499

# For answers that say nothing about it themselves: nothing in them may be run, sniffed or framed.
SAFE_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)


@dataclass(kw_only=True)
class _Exchange:
    """One request on its way: what the line in the log will say. It may be the `last` one of its connection."""

    scope: Scope
    id: bytes
    last: bool
    began: float = field(default_factory=time.perf_counter)
    status: int = 0

    def begin(self, message: Message) -> None:
        """Complete the headers of the answer, and remember its status."""
        self.status = message["status"]
        headers: MutableSequence[tuple[bytes, bytes]] = message.setdefault("headers", [])
        given = {name for name, _ in headers}
        headers.append((b"x-request-id", self.id))
        headers.extend(header for header in SAFE_HEADERS if header[0] not in given)
        if self.last:
            headers.append((b"connection", b"close"))

    def record(self, access: FilteringBoundLogger) -> None:
        """The line in the log and the numbers. Paths are logged as they came, percent-encoded, so that none can begin a line of its own."""
        seconds, method = time.perf_counter() - self.began, self.scope["method"]
        route = getattr(self.scope.get("route"), "path", metrics.NO_ROUTE)
        metrics.request_answered(route, method, self.status, seconds)
        path, query = self.scope["raw_path"].decode("latin-1"), self.scope["query_string"].decode("latin-1")
        target = f"{path}?{redacted(query)}" if query else path
        access.info("request", method=method, path=target[:MAX_URI], status=self.status, ms=round(seconds * 1000, 1), route=route)


class Edge:
    """Request id, deadline, limits on URI and body, headers that make answers safe, problems for errors, a line in the log, metrics."""

    def __init__(self, app: ASGIApp, *, max_body: int, deadline: float, draining: Callable[[], bool] = lambda: False) -> None:
        """A process that is `draining` ends its connections with their answers: one that ends idle might swallow a request."""
        self._app, self._draining = app, draining
        self._max_body, self._deadline = max_body, deadline
        # Bound now, after logging was configured: binding takes a third of the time of a line.
        self._access: FilteringBoundLogger = structlog.get_logger("progimage.access").bind()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # Without an application in the scope the router would answer 404 and 405 by itself, not raise them.
        scope.setdefault("app", self)
        exchange = _Exchange(scope=scope, id=_request_id(scope), last=self._draining())
        request_id.set(exchange.id.decode())
        deadline.start(self._deadline)

        async def send_complete(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.begin(message)
            await send(message)

        try:
            await self._answer(exchange, receive, send_complete)
        finally:
            exchange.status = exchange.status or CLIENT_LEFT
            exchange.record(self._access)

    async def _answer(self, exchange: _Exchange, receive: Receive, send: Send) -> None:
        scope = exchange.scope
        try:
            _check_uri(scope)
            await self._app(scope, receive if scope["method"] in NO_BODY else self._body(scope, receive), send)
        except ClientDisconnect:
            return
        except asyncio.CancelledError:
            # uvicorn does this to what is still under way when the drain is over, and would answer 500 itself.
            if not exchange.status:
                await errors.response_to(Stopping("The server is stopping."), None)(scope, receive, send)
        except Exception as error:
            if errors.is_bug(error):
                log.exception("bug", path=scope["raw_path"].decode("latin-1")[:MAX_URI])
            # An answer that has begun cannot become another one: uvicorn cuts the connection when we just stop.
            if not exchange.status:
                response = errors.response_to(error, Headers(scope=scope).get("accept"))
                await response(scope, receive, send)

    def _body(self, scope: Scope, receive: Receive) -> Receive:
        arriving = Arriving(scope, receive, maximum=self._max_body)

        async def receive_in_time() -> Message:
            message = await arriving()
            # Whoever sends on a slow line is not late: the time is for what comes after.
            deadline.start(self._deadline)
            return message

        return receive_in_time


def _request_id(scope: Scope) -> bytes:
    given: bytes = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    return given if SANE_ID.fullmatch(given) else made_request_id()


def made_request_id() -> bytes:
    return b"%020x" % random.getrandbits(80)


def _check_uri(scope: Scope) -> None:
    query: bytes = scope["query_string"]
    length = len(scope["raw_path"]) + len(query) + bool(query)
    if length <= MAX_URI:
        return
    maximum = MAX_URI_WITH_URL if b"&url=" in b"&" + query else MAX_URI
    if length > maximum:
        raise UriTooLong(f"Path and query are {length} bytes long; at most {maximum} are read.", maximum=maximum)
