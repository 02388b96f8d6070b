"""What uvicorn answers by itself, without asking the application: told like every other error."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from proxy.errors import response_to
from proxy.logs import request_id
from proxy.middleware import SAFE_HEADERS, made_request_id
from services.errors import BadRequest


class HttpProtocol(HttpToolsProtocol):
    """HTTP/1.1 as uvicorn reads it; what it cannot read is a problem (RFC 9457) and the end of the connection."""

    def send_400_response(self, msg: str) -> None:
        made = made_request_id()
        request_id.set(made.decode())
        answer = response_to(BadRequest("This is no HTTP/1.1 request.", expected="a request line and headers as in RFC 9112"), None)
        headers = (*answer.raw_headers, *SAFE_HEADERS, (b"x-request-id", made), (b"connection", b"close"))
        lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\n%b\r\n%b" % (lines, bytes(answer.body)))
        self.transport.close()
