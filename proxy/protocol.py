"""HTTP/1.1 as uvicorn speaks it, but nobody is waited for without end, and an answer leaves whole.

What the protocol answers by itself is told like every other error.
"""

import asyncio
import fcntl
import socket
import struct
import sys
import termios
from typing import Any
from weakref import WeakSet

import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from proxy.errors import HeadersTooLarge, SlowHeaders, response_to
from proxy.logs import request_id
from proxy.middleware import SAFE_HEADERS, made_request_id
from services.errors import BadRequest
from transforms.errors import ProgImageError

log = structlog.get_logger(__name__)

# The request line and all headers. nginx reads at most 36 KB before it asks us.
MAX_HEADERS = 64 << 10
# From the first byte of a head, or the beginning of a connection, to the head's last byte.
HEADER_SECONDS = 15.0
# In which a client takes at least one byte more of its answer. A slow line is not late: however long it takes, it moves.
SEND_SECONDS = 10.0
LOOK_SECONDS = 1.0

_watched: WeakSet[ServerState] = WeakSet()


class WholeAnswers:
    """A transport that sends what is written in one turn of the event loop at once.

    uvicorn writes the head of an answer and its body one after the other. Who is killed between the two leaves a 200 without a picture,
    which a proxy has passed on by then and cannot ask for elsewhere.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport, self._written = transport, bytearray()
        self._sent = 0
        self._loop = asyncio.get_running_loop()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    @property
    def taken(self) -> int | None:
        """The bytes that have reached the client, while there are more than the system would take; else None."""
        if not (here := self._transport.get_write_buffer_size()):
            return None
        return self._sent - here - _in_the_system(self._transport.get_extra_info("socket").fileno())

    def drop(self) -> None:
        """End the connection, and let the system forget what it would go on to offer."""
        self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def write(self, data: bytes) -> None:
        if not self._written:
            self._loop.call_soon(self._flush)
        self._written += data

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._written and not self._transport.is_closing():
            written, self._written = self._written, bytearray()
            self._sent += len(written)
            self._transport.write(written)


class HttpProtocol(HttpToolsProtocol):
    """What it cannot read is a problem (RFC 9457) and the end of the connection, and so is what it would have to wait for too long."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._answers = WholeAnswers(transport)
        self.transport = self._answers  # type: ignore[assignment]
        # The bytes since the end of a head or a part of a body.
        self._unread = 0
        self._awaited: tuple[object, float] | None = None
        self._since = 0.0
        if self.server_state not in _watched:
            _watched.add(self.server_state)
            _look_forever(self.loop, self.server_state)

    def data_received(self, data: bytes) -> None:
        """In pieces that are not longer than a head may still become."""
        piece = data[: MAX_HEADERS - self._unread]
        self._unread += len(piece)
        super().data_received(piece)
        if self._unread >= MAX_HEADERS:
            sentence = f"The request line and the headers have more than {MAX_HEADERS} bytes."
            self._refuse(HeadersTooLarge(sentence, maximum=MAX_HEADERS))
        elif len(piece) < len(data) and not self.transport.is_closing():
            self.data_received(data[len(piece) :])

    def on_headers_complete(self) -> None:
        self._unread = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unread = 0
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        self._refuse(BadRequest("This is no HTTP/1.1 request.", expected="a request line and headers as in RFC 9112"))

    def look(self, now: float) -> None:
        """To be called now and then: end the connection when one thing has been waited for too long."""
        awaited = self._awaits()
        if awaited is None or awaited != self._awaited:
            self._awaited, self._since = awaited, now
        elif now - self._since >= awaited[1]:
            self._give_up()

    @property
    def _answered(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    @property
    def _asking(self) -> bool:
        """Whether something of a request has come, and not all of its head."""
        return self.scope is not None and (self.cycle is None or self.cycle.scope is not self.scope)

    def _awaits(self) -> tuple[object, float] | None:
        """What the client should do next, and in how many seconds; None while it may take its time.

        uvicorn's timer for idle connections ends with any byte, and is not there before the first answer.
        """
        if (taken := self._answers.taken) is not None:
            return taken, SEND_SECONDS
        if self._answered and self.timeout_keep_alive_task is None:
            return self.cycle, HEADER_SECONDS
        return None

    def _give_up(self) -> None:
        log.info("client_left_alone", client=self.client, asking=self._asking, taken=self._answers.taken)
        if self._answers.taken is not None:
            self._answers.drop()
        elif self._asking:
            self._refuse(SlowHeaders(f"The headers of the request did not come within {HEADER_SECONDS:.0f} seconds."))
        else:
            self.transport.close()

    def _refuse(self, error: ProgImageError) -> None:
        """Tell the client, unless it would take that for its answer to an earlier request or for a part of it; and hang up."""
        if self.transport.is_closing():
            return
        if self._answered or not (self.pipeline or self.cycle.response_started or self._asking or not self.cycle.more_body):
            self.transport.write(_told(error))
        self.transport.close()


def _told(error: ProgImageError) -> bytes:
    made = made_request_id()
    request_id.set(made.decode())
    answer = response_to(error, None)
    headers = (*answer.raw_headers, *SAFE_HEADERS, (b"x-request-id", made), (b"connection", b"close"))
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    return b"%b%b\r\n%b" % (STATUS_LINE[answer.status_code], lines, bytes(answer.body))


def _look_forever(loop: asyncio.AbstractEventLoop, state: ServerState) -> None:
    """One timer for all connections: one for each request would make hits dearer."""
    loop.call_later(LOOK_SECONDS, _look_forever, loop, state)
    now = loop.time()
    for connection in list(state.connections):
        if isinstance(connection, HttpProtocol):
            connection.look(now)


def _in_the_system(descriptor: int) -> int:
    """The bytes that a socket has taken and its other end has not; of a Unix socket the memory that they take, which moves alike."""
    if sys.platform != "linux":
        return 0
    return int(struct.unpack("i", fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(4)))[0])
