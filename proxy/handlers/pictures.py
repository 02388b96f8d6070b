"""Pictures: `/img/…`, from the text of the URL to the bytes of the answer (http.md, the order of a request)."""

import time

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from proxy import metrics
from proxy.endpoint import Endpoint, Parameter
from proxy.handlers.common import image_id, services
from proxy.handlers.contract import CONDITIONAL, PICTURE_HEADERS, READ, RENDER, VARIANT_HEADERS, picture_replies
from proxy.http import NO_STORE, REDIRECT, Headers, Unsatisfiable, byte_range, encoded, matches, picture_headers
from proxy.image_path import ImagePath, parse_path
from services import deliver, known
from services.container import Services
from services.errors import BadRequest, RemoteOff
from services.values import KnownImage, Timings
from transforms.errors import ImpossibleOutput, PlanError
from transforms.formats import FORMATS
from transforms.plan import Plan


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
    if "/" in path:
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
    return bytes_answer(request, await deliver.original(held, image), image.etag, headers)


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
    """Bytes with headers that are encoded already: Starlette's own way of making them costs a tenth of a hit."""

    def __init__(self, status: int, data: bytes, headers: Headers) -> None:
        length = encoded(content_length=str(len(data))) if status != 304 else ()
        self.status_code, self.body, self.raw_headers, self.background = status, data, [*headers, *length], None


def unchanged(headers: Headers) -> Response:
    return PictureResponse(304, b"", tuple(header for header in headers if header[0] != b"content-type"))


def bytes_answer(request: Request, data: bytes, etag: str, headers: Headers) -> Response:
    """The bytes, or the part of them that was asked for."""
    asked = request.headers.get("range")
    if asked is None or request.method != "GET":
        return PictureResponse(200, data, headers)
    try:
        part = byte_range(asked, request.headers.get("if-range"), etag, len(data))
    except Unsatisfiable:
        return PictureResponse(416, b"", encoded(content_range=f"bytes */{len(data)}", cache_control=NO_STORE))
    if part is None:
        return PictureResponse(200, data, headers)
    first, end = part
    return PictureResponse(206, data[first:end], (*headers, *encoded(content_range=f"bytes {first}-{end - 1}/{len(data)}")))


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
        errors=kinds,
    )
    for template, summary, parameters, headers, kinds in (
        ("/img/{id}", "The original, byte for byte", (), PICTURE_HEADERS, (RemoteOff, *READ)),
        (
            "/img/{id}.{ext}",
            "The whole picture in another format",
            (EXTENSION,),
            VARIANT_HEADERS,
            (PlanError, RemoteOff, ImpossibleOutput, *READ, *RENDER),
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
