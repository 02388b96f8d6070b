"""Requests that no client of good will sends, byte for byte; `docs/tables/requests.toml` has those that a library could send."""

from collections.abc import Iterator
from dataclasses import dataclass

BAD = frozenset({400})
# A coding that nginx does not know: RFC 9112 6.1 wants this status.
BAD_CODING = frozenset({400, 501})
UNREADABLE = frozenset({415, 422})
GONE = frozenset({404})
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: pictures.example\r\n\r\n"
HOST = b"Host: pictures.example\r\n"
CLOSE = b"Connection: close\r\n"


@dataclass(frozen=True, kw_only=True)
class Abuse:
    """What is sent, and the statuses that may answer it. `reaches` the app: how many requests the app may see."""

    name: str
    sent: bytes
    statuses: frozenset[int] = BAD
    reaches: int = 0


def refused() -> Iterator[Abuse]:
    """What ends at nginx, with an answer, after which the connection is closed."""
    for name, headers, body in TWO_ENDS:
        yield Abuse(name=name, sent=_posted(headers, body), statuses=BAD_CODING)
    for name, body in BAD_CHUNKS:
        yield Abuse(name=f"chunk {name}", sent=_posted(b"Transfer-Encoding: chunked\r\n", body))
    for name, line in BAD_LINES:
        yield Abuse(name=f"header {name}", sent=b"GET /nothing HTTP/1.1\r\n" + HOST + CLOSE + line + b"\r\n\r\n")
    for name, line in BAD_HOSTS:
        yield Abuse(name=f"host {name}", sent=b"GET /nothing HTTP/1.1\r\n" + line + CLOSE + b"\r\n")
    for name, line in BAD_REQUEST_LINES:
        yield Abuse(name=name, sent=line + b"\r\n" + HOST + b"\r\n", statuses=frozenset({400, 405, 505}))
    for name, sent in NO_HTTP:
        yield Abuse(name=name, sent=sent)
    for name, target in LONG_TARGETS:
        yield Abuse(name=name, sent=b"GET /" + target + b" HTTP/1.1\r\n" + HOST + b"\r\n", statuses=frozenset({414}))
    for name, lines in LARGE_HEADERS:
        yield Abuse(name=name, sent=b"GET /nothing HTTP/1.1\r\n" + HOST + lines + b"\r\n", statuses=frozenset({431}))


def cleaned() -> Iterator[Abuse]:
    """What nginx understands and writes anew: the app sees one request, and it is an orderly one."""
    for name, body in ODD_CHUNKS:
        yield Abuse(name=name, sent=_posted(b"Transfer-Encoding: chunked\r\n", body), statuses=UNREADABLE, reaches=1)
    yield Abuse(name="CHUNKED", sent=_posted(b"Transfer-Encoding: CHUNKED\r\n", b"1\r\nx\r\n0\r\n\r\n"), statuses=UNREADABLE, reaches=1)
    for name, line in ODD_LINES:
        yield Abuse(name=name, sent=b"GET /nothing HTTP/1.1\r\n" + HOST + CLOSE + line + b"\r\n\r\n", statuses=GONE, reaches=1)
    for name, line in ODD_REQUEST_LINES:
        yield Abuse(name=name, sent=line + b"\r\n" + HOST + CLOSE + b"\r\n", statuses=GONE, reaches=1)
    for host in (b"evil.example", b"a:b", b"user@evil.example", b"[::1", b"x" * 5000):
        yield Abuse(
            name=f"host {host[:20]!r}", sent=b"GET /nothing HTTP/1.1\r\nHost: " + host + b"\r\n" + CLOSE + b"\r\n", statuses=GONE, reaches=1
        )
    yield Abuse(name="line feeds alone", sent=b"GET /nothing HTTP/1.1\nHost: x\nConnection: close\n\n", statuses=GONE, reaches=1)


def _posted(headers: bytes, body: bytes) -> bytes:
    return b"POST /transform/w9.webp HTTP/1.1\r\n" + HOST + CLOSE + headers + b"\r\n" + body


# Where does the body end? Whoever reads it differently from his neighbour takes the rest for a request.
_LENGTHS = {
    "a plus": b"+3",
    "a minus": b"-1",
    "hexadecimal": b"0x3",
    "nothing": b"",
    "a list": b"3, 3",
    "two words": b"3 4",
    "an underscore": b"1_0",
    "too large": b"9" * 30,
    "other digits": "٣".encode(),
}
_CODINGS = {
    "unknown": b"xchunked",
    "identity": b"identity",
    "twice": b"chunked, chunked",
    "compressed": b"gzip, chunked",
    "quoted": b'"chunked"',
    "parameter": b"chunked;q=1",
    "none": b"",
    "tab": b"\tchunked",
    "vertical tab": b"\x0bchunked",
}
TWO_ENDS = (
    ("CL.TE", b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\nG" + SMUGGLED),
    ("TE.CL", b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", b"%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)),
    ("two lengths", b"Content-Length: 3\r\nContent-Length: 4\r\n", b"abc" + SMUGGLED),
    ("the same length twice", b"Content-Length: 3\r\nContent-Length: 3\r\n", b"abc" + SMUGGLED),
    ("a space before the colon of a length", b"Content-Length : 3\r\n", b"abc" + SMUGGLED),
    *((f"length {name}", b"Content-Length: " + value + b"\r\n", b"abc" + SMUGGLED) for name, value in _LENGTHS.items()),
    *((f"coding {name}", b"Transfer-Encoding: " + value + b"\r\n", b"0\r\n\r\n" + SMUGGLED) for name, value in _CODINGS.items()),
    ("two codings", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", b"0\r\n\r\n" + SMUGGLED),
    ("the same coding twice", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n" + SMUGGLED),
    ("a space before the colon of a coding", b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n" + SMUGGLED),
    ("a coding on the next line", b"Transfer-Encoding:\r\n chunked\r\n", b"0\r\n\r\n" + SMUGGLED),
)
BAD_CHUNKS = (
    ("of a negative size", b"-1\r\nx\r\n0\r\n\r\n" + SMUGGLED),
    ("of a size with 0x", b"0x1\r\nx\r\n0\r\n\r\n" + SMUGGLED),
    ("of a size beyond 64 bits", b"f" * 20 + b"\r\nx\r\n" + SMUGGLED),
    ("of no size", b"\r\nx\r\n0\r\n\r\n" + SMUGGLED),
    ("of letters", b"zz\r\nx\r\n" + SMUGGLED),
    ("after a space", b" 1\r\nx\r\n0\r\n\r\n" + SMUGGLED),
    ("longer than it says", b"1\r\nxx\r\n0\r\n\r\n" + SMUGGLED),
    ("that ends in a carriage return", b"1\rx\r0\r\r" + SMUGGLED),
)
ODD_CHUNKS = (
    ("chunk with an extension", b'1;name="value"\r\nx\r\n0\r\n\r\n'),
    ("chunk with a megabyte of extension", b"1;" + b"a" * 1_000_000 + b"\r\nx\r\n0\r\n\r\n"),
    ("chunks between line feeds", b"1\nx\n0\n\n"),
    ("chunks with a trailer", b"1\r\nx\r\n0\r\nTransfer-Encoding: identity\r\nContent-Length: 9\r\n\r\n"),
)
BAD_LINES = (
    ("with a space in its name", b"X A: 1"),
    ("with a space before its colon", b"X-A : 1"),
    ("with NUL in its name", b"X\0A: 1"),
    ("with NUL in its value", b"X-A: 1\0"),
    ("with a control character in its name", b"X\x01A: 1"),
    ("with a control character in its value", b"X-A: \x01"),
    ("with a carriage return in its value", b"X-A: 1\rX-B: 2"),
    ("without a name", b": 1"),
    ("on two lines", b"X-A: 1\r\n more"),
)
ODD_LINES = (
    ("header with an underscore", b"X_A: 1"),
    ("header with an underscore for a length", b"Content_Length: 5"),
    ("header without a colon", b"X-A"),
    ("header with a letter beyond ASCII", "Ä: 1".encode()),
    ("200 headers", b"\r\n".join(b"X-%d: 1" % number for number in range(200))),
)
BAD_HOSTS = (
    ("twice", b"Host: a.example\r\nHost: b.example\r\n"),
    ("missing", b""),
    ("empty", b"Host:\r\n"),
    ("with a path", b"Host: a/b\r\n"),
    ("of two words", b"Host: a b\r\n"),
    ("with NUL", b"Host: a\0b\r\n"),
    ("of dots", b"Host: ..\r\n"),
)
BAD_REQUEST_LINES = (
    ("a method in small letters", b"get /nothing HTTP/1.1"),
    ("a method after a space", b" GET /nothing HTTP/1.1"),
    ("a space in the target", b"GET /no thing HTTP/1.1"),
    ("NUL in the target", b"GET /nothing\0 HTTP/1.1"),
    ("an escaped NUL in the target", b"GET /nothing%00 HTTP/1.1"),
    ("half an escape", b"GET /nothing% HTTP/1.1"),
    ("no escape", b"GET /nothing%G1 HTTP/1.1"),
    ("a bare host", b"GET evil.example:80 HTTP/1.1"),
    ("an asterisk", b"GET * HTTP/1.1"),
    ("a URL without a host", b"GET http:///nothing HTTP/1.1"),
    ("CONNECT", b"CONNECT evil.example:80 HTTP/1.1"),
    ("TRACE", b"TRACE /nothing HTTP/1.1"),
    ("HTTP/2.0", b"GET /nothing HTTP/2.0"),
    ("HTTP/3.0", b"GET /nothing HTTP/3.0"),
    ("HTTP/1.1x", b"GET /nothing HTTP/1.1x"),
    ("no version", b"GET /nothing HTTP/"),
    ("HTTP/1.0 in chunks", b"POST /nothing HTTP/1.0\r\nTransfer-Encoding: chunked"),
)
ODD_REQUEST_LINES = (
    ("HTTP/1.2", b"GET /nothing HTTP/1.2"),
    ("a URL of another host", b"GET http://evil.example/nothing HTTP/1.1"),
    ("a URL of another scheme", b"GET ftp://evil.example/nothing HTTP/1.1"),
    ("a fragment", b"GET /nothing#evil.example HTTP/1.1"),
    ("an empty line before", b"\r\nGET /nothing HTTP/1.1"),
)
NO_HTTP = (
    ("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9)),
    ("the first bytes of TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)),
    ("all bytes there are", bytes(range(256)) * 4),
    ("SSH", b"SSH-2.0-OpenSSH_9.2\r\n"),
    ("JSON", b'{"jsonrpc": "2.0", "method": "mining.subscribe"}\n'),
)
LONG_TARGETS = (
    ("a target of 9,300 bytes", b"a" * 9_300),
    ("a target of 64 KiB", b"a" * 65_536),
    ("a target of a megabyte", b"a" * 1_000_000),
    ("10,000 parameters", b"nothing?" + b"a=1&" * 10_000),
)
LARGE_HEADERS = (
    ("a cookie of a megabyte", b"Cookie: " + b"a" * 1_000_000 + b"\r\n"),
    ("a header of 64 KiB", b"X-A: " + b"a" * 65_536 + b"\r\n"),
    ("a range of a megabyte", b"Range: bytes=" + b"0-0," * 250_000 + b"0-0\r\n"),
    ("5,000 headers", b"".join(b"X-%d: 1\r\n" % number for number in range(5_000))),
)
