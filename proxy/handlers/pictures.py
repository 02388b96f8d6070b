"""Pictures: `/img/…`, from the text of the URL to the bytes of the answer (http.md, the order of a request)."""

import time
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TypeAlias

import anyio
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from proxy import metrics
from proxy.endpoint import Endpoint, Parameter
from proxy.handlers.common import image_id, services
from proxy.handlers.contract import CONDITIONAL, PICTURE_HEADERS, READ, RENDER, VARIANT_HEADERS, picture_replies
from proxy.http import REDIRECT, Headers, Unsatisfiable, byte_range, encoded, matches, picture_headers
from proxy.image_path import ImagePath, parse_path
from services import deliver, known
from services.container import Services
from services.errors import BadRequest, RemoteOff
from services.ids import is_image_id
from services.values import KnownImage, Timings
from storage.base import StorageUnavailable
from transforms.errors import ImpossibleOutput, PlanError
from transforms.formats import FORMATS
from transforms.plan import Plan

CHUNK = 256 * 1024

# The first byte, and the one after the last.
Part: TypeAlias = tuple[int, int]


async def picture(request: Request) -> Response:
    path, query = request.path_params["path"], request.scope["query_string"]
    if b"url" in query and "url" in request.query_params:
        raise _no_remote(path)
    asked = parse_path(path)
    if request.scope["raw_path"] != asked.accepted.encode():
        return RedirectResponse(asked.accepted, 308, {"cache-control": REDIRECT})
    held = services(request)
    image = await known.find(held, asked.image_id)
    return await (_original(held, request, image) if asked.plan is None else _variant(held, request, asked, asked.plan, image))


def _no_remote(path: str) -> BadRequest | RemoteOff:
    if is_image_id(path.partition("/")[0].partition(".")[0]):
        return BadRequest("A path with an id takes no `url`: a picture is stored or remote, not both.", expected="an id or a url")
    return RemoteOff("Remote pictures are off on this server.")


async def original(request: Request) -> Response:
    """The original of the image that the path names as `id`."""
    held = services(request)
    return await _original(held, request, await known.find(held, image_id(request)))


async def _original(held: Services, request: Request, image: KnownImage) -> Response:
    headers = picture_headers(f"{image.id}.{image.facts.format}", image.facts.format, image.etag, staged=image.staged)
    if matches(request.headers.get("if-none-match"), image.etag):
        return unchanged(headers)
    status, part, told = _part(request, image.bytes, image.etag, headers)
    if request.method == "HEAD":
        return PictureResponse(status, b"", told)
    return FileResponse(status, part, told, deliver.original_path(held, image))


async def _variant(held: Services, request: Request, asked: ImagePath, plan: Plan, image: KnownImage) -> Response:
    began = time.perf_counter()
    resolved = deliver.resolve(held, plan, image, request.headers.get("accept"))
    location = asked.location_of(resolved.plan)

    def headers(etag: str) -> Headers:
        format = resolved.plan.format
        return picture_headers(f"{image.id}.{format}", format, etag, staged=image.staged, location=location, negotiated=plan.auto)

    tags = request.headers.get("if-none-match")
    if tags and (etag := await deliver.etag(held, image, resolved)) and matches(tags, etag):
        return unchanged(headers(etag))
    delivery = await deliver.deliver(held, image, resolved)
    metrics.variant_answered(delivery.how, dict(delivery.timings).get("render"))
    etag, stages = delivery.variant.etag, delivery.timings or (("cache", time.perf_counter() - began),)
    told = (*headers(etag), *encoded(x_cache=delivery.how, server_timing=_timing(stages)))
    return unchanged(told) if matches(tags, etag) else bytes_answer(request, delivery.variant.data, etag, told)


def _timing(stages: Timings) -> str:
    return ", ".join(f"{stage};dur={seconds * 1000:.1f}" for stage, seconds in stages)


class PictureResponse(Response):
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
        async with self._file as path, await anyio.open_file(path, "rb") as file:
            await file.seek(first)
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            while first < end:
                chunk = await file.read(min(CHUNK, end - first))
                first += len(chunk)
                if not chunk:
                    raise StorageUnavailable("The original is shorter than it was.")
                await send({"type": "http.response.body", "body": chunk, "more_body": first < end})


def unchanged(headers: Headers) -> Response:
    return PictureResponse(304, b"", tuple(header for header in headers if header[0] != b"content-type"))


def bytes_answer(request: Request, data: bytes, etag: str, headers: Headers) -> Response:
    """The bytes, or the part of them that was asked for."""
    status, part, told = _part(request, len(data), etag, headers)
    return PictureResponse(status, data if status == 200 else data[slice(*part)], told)


def _part(request: Request, length: int, etag: str, headers: Headers) -> tuple[int, Part, Headers]:
    """Status, part and headers of the answer about so many bytes; Unsatisfiable."""
    asked = request.headers.get("range") if request.method == "GET" else None
    part = byte_range(asked, request.headers.get("if-range"), etag, length)
    if part is None:
        return 200, (0, length), (*headers, *encoded(content_length=str(length)))
    first, end = part
    return 206, part, (*headers, *encoded(content_range=f"bytes {first}-{end - 1}/{length}", content_length=str(end - first)))


PLAN = Parameter(name="plan", place="path", description="what to do: operations with commas, stages with slashes", example="w256")
EXTENSION = Parameter(
    name="ext",
    place="path",
    description="the format of the answer",
    example="webp",
    schema={"type": "string", "enum": [*(name for name, format in FORMATS.items() if format.writable), "auto"]},
)
ENDPOINTS = tuple(
    Endpoint(
        method="GET",
        path="/img/{path:path}",
        template=template,
        handler=picture,
        tag="pictures",
        summary=summary,
        parameters=(*parameters, *CONDITIONAL),
        responses=picture_replies(headers),
        errors=(*kinds, Unsatisfiable),
    )
    for template, summary, parameters, headers, kinds in (
        ("/img/{id}", "The original, byte for byte", (), PICTURE_HEADERS, (BadRequest, *READ)),
        (
            "/img/{id}.{ext}",
            "The whole picture in another format",
            (EXTENSION,),
            VARIANT_HEADERS,
            (PlanError, BadRequest, RemoteOff, ImpossibleOutput, *READ, *RENDER),
        ),
        (
            "/img/{id}/{plan}.{ext}",
            "A variant",
            (PLAN, EXTENSION),
            VARIANT_HEADERS,
            (PlanError, BadRequest, ImpossibleOutput, *READ, *RENDER),
        ),
    )
)
