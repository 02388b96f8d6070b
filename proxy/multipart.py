"""Multipart bodies, one part after the other, without ever holding one whole."""

from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from python_multipart import MultipartParser
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import parse_options_header

from services.errors import BadRequest

MAX_PARTS = 100
MAX_HEADER_BYTES = 8 * 1024


@dataclass(kw_only=True)
class Part:
    """`chunks` must be read before the next part is asked for; what is not read is skipped."""

    name: str
    chunks: AsyncIterator[bytes]


@dataclass
class _Events:
    """What the parser saw: the headers of a part, a piece of its body, or its end."""

    seen: deque[dict[str, str] | bytes | None] = field(default_factory=deque)
    headers: dict[str, str] = field(default_factory=dict)
    field_name: bytes = b""
    value: bytes = b""
    header_bytes: int = 0
    ended: bool = False

    def parser(self, boundary: bytes) -> MultipartParser:
        return MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._field,
                "on_header_value": self._value,
                "on_header_end": self._header,
                "on_headers_finished": lambda: self.seen.append(self.headers),
                "on_part_data": lambda data, start, end: self.seen.append(data[start:end]),
                "on_part_end": lambda: self.seen.append(None),
                "on_end": self._end,
            },
        )

    def _begin(self) -> None:
        self.headers, self.header_bytes = {}, 0

    def _count(self, length: int) -> None:
        self.header_bytes += length
        if self.header_bytes > MAX_HEADER_BYTES:
            raise BadRequest(f"A part of the form has more than {MAX_HEADER_BYTES} bytes of headers.")

    def _field(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self.field_name += data[start:end]

    def _value(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self.value += data[start:end]

    def _header(self) -> None:
        self.headers[self.field_name.decode("latin-1").lower()] = self.value.decode("latin-1")
        self.field_name, self.value = b"", b""

    def _end(self) -> None:
        self.ended = True


async def parts(content_type: str, stream: AsyncIterator[bytes]) -> AsyncIterator[Part]:
    """The parts of a `multipart/form-data` body; BadRequest when it is not one, has too many parts or ends too early."""
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary or len(boundary) > 70:
        raise BadRequest("The Content-Type has no usable boundary.", expected="multipart/form-data; boundary=…")
    events = _Events()
    pieces = _pump(events.parser(boundary), events, stream)
    count = 0
    async for headers in pieces:
        if not isinstance(headers, dict):
            continue
        if (count := count + 1) > MAX_PARTS:
            raise BadRequest(f"A form has at most {MAX_PARTS} parts.", expected=f"at most {MAX_PARTS} parts")
        options = parse_options_header(headers.get("content-disposition", ""))[1]
        body = _body(pieces)
        yield Part(name=options.get(b"name", b"").decode("utf-8", "replace"), chunks=body)
        async for _ in body:
            pass
    if not events.ended:
        raise BadRequest("The form ends before its last boundary.", expected="a whole multipart/form-data body")


async def _pump(parser: MultipartParser, events: _Events, stream: AsyncIterator[bytes]) -> AsyncIterator[dict[str, str] | bytes | None]:
    async for chunk in stream:
        try:
            parser.write(chunk)
        except MultipartParseError as error:
            raise BadRequest("The body is not well-formed multipart/form-data.") from error
        while events.seen:
            yield events.seen.popleft()


async def _body(pieces: AsyncIterator[dict[str, str] | bytes | None]) -> AsyncIterator[bytes]:
    async for piece in pieces:
        if piece is None:
            return
        if isinstance(piece, bytes):
            yield piece
