"""Pictures: `/img/…`, from the text of the URL to the bytes of the answer (http.md, the order of a request)."""

from functools import partial
from time import perf_counter

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from proxy import metrics
from proxy.described import PictureOut, original_out, variant_out
from proxy.endpoint import Endpoint, Parameter
from proxy.handlers.common import image_id, services, shell
from proxy.handlers.contract import CONDITIONAL, PICTURE_HEADERS, READ, RENDER, VARIANT_HEADERS, described_replies, url_replies
from proxy.handlers.transforms import plan_help
from proxy.http import FOCAL, IMMUTABLE, PRESET, REDIRECT, STAGED, Headers, Terms, Unsatisfiable, encoded, matches, picture_headers
from proxy.image_path import DESCRIBED, ImagePath, parse_path
from proxy.responses import BytesResponse, FileResponse, asked_part, bytes_answer, described, unchanged
from services import deliver, known
from services.errors import BadRequest, RemoteOff
from services.ids import is_image_id
from services.resolving import resolve
from services.sources import original_path
from services.values import KnownImage, Timings
from transforms.errors import ImpossibleOutput, PlanError, TooMuchWork
from transforms.formats import FORMATS
from transforms.grammar import parse
from transforms.plan import NOTHING, Plan

# The format for those who accept nothing but text.
TEXT = "txt"


async def picture(request: Request) -> Response:
    path, query = request.path_params["path"], request.scope["query_string"]
    if b"url" in query and "url" in request.query_params:
        raise _no_remote(path)
    asked = parse_path(path)
    if request.scope["raw_path"] != asked.accepted.encode():
        return RedirectResponse(asked.accepted, 308, {"cache-control": REDIRECT})
    image = await known.find(services(request), asked.image_id)
    if asked.steered:
        return RedirectResponse(asked.with_point(image.focal).accepted, 307, {"cache-control": FOCAL})
    return await (_original(request, image, asked) if asked.plan is None else variant(request, asked, asked.plan, image))


def _no_remote(path: str) -> BadRequest | RemoteOff:
    if is_image_id(path.partition("/")[0].partition(".")[0]):
        return BadRequest("A path with an id takes no `url`: a picture is stored or remote, not both.", expected="an id or a url")
    return RemoteOff("Remote pictures are off on this server.")


async def original(request: Request) -> Response:
    """The original of the image that the path names as `id`."""
    image = await known.find(services(request), image_id(request))
    return await _original(request, image, ImagePath(image_id=image.id))


async def as_text(request: Request) -> Response:
    """The same image as ASCII."""
    image = await known.find(services(request), image_id(request))
    plan = parse(NOTHING, TEXT)
    return await variant(request, ImagePath(image_id=image.id, plan=plan, extension=TEXT), plan, image, elsewhere=True)


async def _original(request: Request, image: KnownImage, asked: ImagePath) -> Response:
    terms = Terms(cache_control=STAGED if image.staged else IMMUTABLE)
    if asked.described:
        return described(request, original_out(shell(request).presenter, image), terms, f"{image.id}.json")
    headers = picture_headers(f"{image.id}.{image.facts.format}", image.facts.format, image.etag, terms)
    if matches(request.headers.get("if-none-match"), image.etag):
        return unchanged(headers)
    status, part, told = asked_part(request, image.bytes, image.etag, headers)
    if request.method == "HEAD":
        return BytesResponse(status, b"", told)
    return FileResponse(status, part, told, original_path(services(request), image))


async def variant(request: Request, asked: ImagePath, plan: Plan, image: KnownImage, *, elsewhere: bool = False) -> Response:
    """What the path asks for, with the plan in it; `elsewhere` tells that it came to another address, where Accept decides."""
    began, held = perf_counter(), services(request)
    resolved = await resolve(held, plan, image, request.headers.get("accept"))
    format = resolved.plan.format
    terms = Terms(
        cache_control=STAGED if image.staged else FOCAL if asked.steered else PRESET if asked.named else IMMUTABLE,
        location=asked.location_of(resolved.plan) or (asked.accepted if elsewhere else None),
        negotiated=plan.auto or elsewhere,
        warning=" ".join(resolved.warnings),
    )

    def headers(etag: str) -> Headers:
        return picture_headers(f"{image.id}.{format}", format, etag, terms)

    tags = None if asked.described else request.headers.get("if-none-match")
    if tags and (etag := await deliver.etag(held, image, resolved)) and matches(tags, etag):
        return unchanged(headers(etag))
    delivery = await deliver.deliver(held, image, resolved)
    metrics.variant_answered(delivery.how, dict(delivery.timings).get("render"))
    data, etag = delivery.variant.data, delivery.variant.etag
    if asked.described:
        return described(request, variant_out(shell(request).presenter, image, resolved, len(data)), terms, f"{image.id}.json")
    stages = delivery.timings or (("cache", perf_counter() - began),)
    return bytes_answer(request, data, etag, (*headers(etag), *encoded(x_cache=delivery.how, server_timing=timing(stages))))


def timing(stages: Timings) -> str:
    return ", ".join(f"{stage};dur={seconds * 1000:.1f}" for stage, seconds in stages)


PLAN = Parameter(name="plan", place="path", description=plan_help(), example="w256")
EXTENSION = Parameter(
    name="ext",
    place="path",
    description="the format of the answer",
    example="webp",
    schema={"type": "string", "enum": [*(name for name, format in FORMATS.items() if format.writable), "auto"]},
)
VARIANT_ERRORS = (PlanError, BadRequest, ImpossibleOutput, TooMuchWork, *READ, *RENDER)
TEMPLATES = (
    ("/img/{id}", "The original, byte for byte", (), PICTURE_HEADERS, (BadRequest, *READ)),
    ("/img/{id}.{ext}", "The whole picture in another format", (EXTENSION,), VARIANT_HEADERS, (RemoteOff, *VARIANT_ERRORS)),
    ("/img/{id}/{plan}.{ext}", "A variant", (PLAN, EXTENSION), VARIANT_HEADERS, VARIANT_ERRORS),
)
ENDPOINTS = tuple(
    Endpoint(
        method="GET",
        path="/img/{path:path}",
        template=template + ending,
        handler=picture,
        tag="pictures",
        summary=summary + about,
        parameters=(*parameters, *CONDITIONAL),
        responses=replies(headers),
        errors=(*kinds, Unsatisfiable),
    )
    for template, summary, parameters, headers, kinds in TEMPLATES
    for ending, about, replies in (("", "", url_replies), (DESCRIBED, ": what it is, as JSON", partial(described_replies, PictureOut)))
)
