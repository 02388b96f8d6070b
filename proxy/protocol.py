"""HTTP/1.1 as uvicorn speaks it, but what it answers by itself is told like every other error, and an answer leaves whole."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from proxy.errors import response_to
from proxy.logs import request_id
from proxy.middleware import SAFE_HEADERS, made_request_id
from services.errors import BadRequest


class WholeAnswers:
    """A transport that sends what is written in one turn of the event loop at once.

    uvicorn writes the head of an answer and its body one after the other. Who is killed between the two leaves a 200 without a picture,
    which a proxy has passed on by then and cannot ask for elsewhere.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport, self._written = transport, bytearray()
        self._loop = asyncio.get_running_loop()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

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
            self._transport.write(written)


class HttpProtocol(HttpToolsProtocol):
    """What it cannot read is a problem (RFC 9457) and the end of the connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.transport = WholeAnswers(transport)  # type: ignore[assignment]

    def send_400_response(self, msg: str) -> None:
        made = made_request_id()
        request_id.set(made.decode())
        answer = response_to(BadRequest("This is no HTTP/1.1 request.", expected="a request line and headers as in RFC 9112"), None)
        headers = (*answer.raw_headers, *SAFE_HEADERS, (b"x-request-id", made), (b"connection", b"close"))
        lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\n%b\r\n%b" % (lines, bytes(answer.body)))
        self.transport.close()
