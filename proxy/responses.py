"""Answers that are bytes: pictures and what describes them, whole or in part, with their validators."""

import hashlib
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TypeAlias

import anyio
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from proxy.http import Headers, Terms, byte_range, encoded, json_headers, matches
from services.values import ETAG_LENGTH
from storage.base import StorageUnavailable

CHUNK = 256 * 1024

# The first byte, and the one after the last.
Part: TypeAlias = tuple[int, int]


class BytesResponse(Response):
    """Bytes with headers that are encoded already: a hit should not encode them anew each time."""

    def __init__(self, status: int, data: bytes, headers: Headers) -> None:
        self.status_code, self.body, self.raw_headers, self.background = status, data, list(headers), None


class FileResponse(Response):
    """A part of a file, sent as fast as the client reads and never held whole; the context makes the file."""

    def __init__(self, status: int, part: Part, headers: Headers, file: AbstractAsyncContextManager[Path]) -> None:
        self.status_code, self.raw_headers, self.background = status, list(headers), None
        self._part, self._file = part, file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        first, end = self._part
        async with self._file as path, await _opened(path) as file:
            await file.seek(first)
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            while first < end:
                chunk = await file.read(min(CHUNK, end - first))
                first += len(chunk)
                if not chunk:
                    raise StorageUnavailable("The original is shorter than it was.")
                await send({"type": "http.response.body", "body": chunk, "more_body": first < end})


async def _opened(path: Path) -> anyio.AsyncFile[bytes]:
    try:
        return await anyio.open_file(path, "rb")
    except OSError as error:
        raise StorageUnavailable("The original cannot be read at the moment.") from error


def unchanged(headers: Headers) -> Response:
    return BytesResponse(304, b"", tuple(header for header in headers if header[0] != b"content-type"))


def bytes_answer(request: Request, data: bytes, etag: str, headers: Headers) -> Response:
    """The bytes, or the part of them that was asked for; nothing when the client has them."""
    if matches(request.headers.get("if-none-match"), etag):
        return unchanged(headers)
    status, part, told = asked_part(request, len(data), etag, headers)
    return BytesResponse(status, data if status == 200 else data[slice(*part)], told)


def described(request: Request, model: BaseModel, terms: Terms, name: str) -> Response:
    """A value about a picture, as JSON that may be kept for as long as the picture."""
    data = model.model_dump_json().encode()
    etag = hashlib.sha256(data).hexdigest()[:ETAG_LENGTH]
    return bytes_answer(request, data, etag, json_headers(name, etag, terms))


def asked_part(request: Request, length: int, etag: str, headers: Headers) -> tuple[int, Part, Headers]:
    """Status, part and headers of the answer about so many bytes; Unsatisfiable."""
    asked = request.headers.get("range") if request.method == "GET" else None
    part = byte_range(asked, request.headers.get("if-range"), etag, length)
    if part is None:
        return 200, (0, length), (*headers, *encoded(content_length=str(length)))
    first, end = part
    return 206, part, (*headers, *encoded(content_range=f"bytes {first}-{end - 1}/{length}", content_length=str(end - first)))
