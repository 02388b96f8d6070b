"""Pictures: `/img/…`, from the text of the URL to the bytes of the answer (http.md, the order of a request)."""

from functools import partial
from time import perf_counter, time

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from proxy import metrics
from proxy.admission import Asked
from proxy.described import PictureOut, original_out, variant_out
from proxy.endpoint import Endpoint, Parameter
from proxy.handlers.common import image_id, services, shell
from proxy.handlers.contract import (
    CONDITIONAL,
    PICTURE_HEADERS,
    READ,
    RENDER,
    SIGNATURE,
    SIGNED,
    SOURCE,
    SOURCE_URL,
    VARIANT_HEADERS,
    described_replies,
    url_replies,
)
from proxy.handlers.transforms import plan_help
from proxy.http import FOCAL, REDIRECT, Terms, Unsatisfiable, encoded, freshness, matches, picture_headers
from proxy.image_path import DESCRIBED, ImagePath, path_of
from proxy.responses import BytesResponse, FileResponse, asked_part, bytes_answer, described, unchanged
from services import deliver, known, remote
from services.errors import BadRequest, BadSignature, SourceNotAllowed, TooManyVariants
from services.origins.headers import LOOP
from services.origins.source_url import SourceUrl
from services.resolving import resolve
from services.sources import original_path
from services.values import KnownImage, Timings
from transforms.errors import ImpossibleOutput, PlanError, TooMuchWork
from transforms.formats import FORMATS
from transforms.grammar import parse
from transforms.plan import NOTHING, Plan, Resolved

# The format for those who accept nothing but text.
TEXT = "txt"
REMOTE_NAME = "picture"


async def picture(request: Request) -> Response:
    """What a path behind `/img/` names: an image of ours, or with `url` one of another host."""
    held, scope = shell(request), request.scope
    asked = held.admission.admitted(request.path_params["path"], scope["raw_path"], scope["query_string"], time())
    if not asked.spelled_right:
        return RedirectResponse(asked.canonical, 308, {"cache-control": REDIRECT})
    if asked.source:
        return await _remote(request, asked, asked.source)
    image = await known.find(held.services, asked.path.image_id)
    if asked.path.steered:
        return RedirectResponse(asked.address(asked.path.with_point(image.focal).accepted), 307, {"cache-control": FOCAL})
    return await (_original(request, image, asked) if asked.path.plan is None else variant(request, asked, image))


async def _remote(request: Request, asked: Asked, source: SourceUrl) -> Response:
    """A variant of another host's picture, which is an image of ours from then on."""
    check_source(request, source, signed=asked.signed)
    found = await remote.find(services(request), source, signed=asked.signed)
    return await variant(request, asked, found.image, fresh=found.fresh)


def check_source(request: Request, source: SourceUrl, *, signed: bool) -> None:
    """RemoteOff or SourceNotAllowed, also for a request that we have sent ourselves."""
    services(request).origins.check(source, signed=signed, host=request.url.hostname or "")
    if LOOP in request.headers.get("cdn-loop", "").lower():
        raise SourceNotAllowed(
            "This request comes from ProgImage itself: the source leads in a circle.", expected="the picture's own address"
        )


async def original(request: Request) -> Response:
    """The original of the image that the path names as `id`."""
    _only_signed(request)
    image = await known.find(services(request), image_id(request))
    return await _original(request, image, Asked(path=ImagePath(image_id=image.id)))


async def as_text(request: Request) -> Response:
    """The same image as ASCII."""
    return await variant_elsewhere(request, await known.find(services(request), image_id(request)), parse(NOTHING, TEXT))


async def variant_elsewhere(request: Request, image: KnownImage, plan: Plan) -> Response:
    """A variant at another address than its own, where Accept decides."""
    _only_signed(request)
    plan = shell(request).admission.ladder.applied(plan)
    path = ImagePath(image_id=image.id, plan=plan, extension=plan.format)
    return await variant(request, Asked(path=path), image, elsewhere=True)


def _only_signed(request: Request) -> None:
    if shell(request).admission.signer.required == "all":
        raise BadSignature("This server gives pictures at signed addresses only.", expected="a signed URL that begins with /img/")


async def _original(request: Request, image: KnownImage, asked: Asked) -> Response:
    terms = original_terms(asked, image)
    if asked.path.described:
        out = original_out(shell(request).presenter.base + asked.address(path_of(image.id)), image)
        return described(request, out, terms, f"{image.id}.json")
    headers = picture_headers(f"{image.id}.{image.facts.format}", image.facts.format, image.etag, terms)
    if matches(request.headers.get("if-none-match"), image.etag):
        return unchanged(headers)
    status, part, told = asked_part(request, image.bytes, image.etag, headers)
    if request.method == "HEAD":
        return BytesResponse(status, b"", told)
    return FileResponse(status, part, told, original_path(services(request), image))


async def variant(request: Request, asked: Asked, image: KnownImage, *, fresh: int | None = None, elsewhere: bool = False) -> Response:
    """What the path asks for, with the plan in it. `fresh` is how long its remote source is believed.

    `elsewhere` tells that it came to another address, where Accept decides.
    """
    began, held, path = perf_counter(), services(request), asked.path
    plan = path.plan or parse(NOTHING, image.facts.format)
    resolved = await resolve(held, plan, image, request.headers.get("accept"))
    terms = variant_terms(asked, image, resolved, fresh=fresh, elsewhere=elsewhere)
    name = file_stem(image, fresh)
    headers = partial(picture_headers, f"{name}.{resolved.plan.format}", resolved.plan.format, terms=terms)
    tags = None if path.described else request.headers.get("if-none-match")
    if tags and (etag := await deliver.etag(held, image, resolved)) and matches(tags, etag):
        return unchanged(headers(etag))
    delivery = await deliver.deliver(held, image, resolved, trusted=asked.signed)
    metrics.variant_answered(delivery.how, delivery.timings)
    data, etag = delivery.variant.data, delivery.variant.etag
    if path.described:
        url = shell(request).presenter.base + asked.address(path.with_plan(resolved.plan).accepted.removesuffix(DESCRIBED))
        return described(request, variant_out(url, resolved, len(data)), terms, f"{name}.json")
    stages = delivery.timings or (("cache", perf_counter() - began),)
    return bytes_answer(request, data, etag, (*headers(etag), *encoded(x_cache=delivery.how, server_timing=timing(stages))))


def file_stem(image: KnownImage, fresh: int | None) -> str:
    """What a client may call the file. A remote picture's id is not told: by it the whole original is shown, for ever and unsigned."""
    return image.id if fresh is None else REMOTE_NAME


def variant_terms(asked: Asked, image: KnownImage, resolved: Resolved, *, fresh: int | None = None, elsewhere: bool = False) -> Terms:
    """On what terms the variant is given that the path came down to."""
    path = asked.path
    came_to = path.with_plan(resolved.plan).accepted
    return Terms(
        freshness=freshness(time(), staged=image.staged, steered=path.steered, named=path.named, fresh=fresh, exp=asked.expires),
        location=asked.address(came_to) if elsewhere or came_to != path.accepted else None,
        negotiated=elsewhere or (path.plan is not None and path.plan.auto),
        warning=" ".join(resolved.warnings),
    )


def original_terms(asked: Asked, image: KnownImage) -> Terms:
    return Terms(freshness=freshness(time(), staged=image.staged, exp=asked.expires))


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
VARIANT_ERRORS = (PlanError, BadRequest, ImpossibleOutput, TooMuchWork, TooManyVariants, *SIGNED, *READ, *RENDER)
TEMPLATES = (
    ("/img/{id}", "The original, byte for byte", (), PICTURE_HEADERS, (BadRequest, *SIGNED, *READ)),
    ("/img/{id}.{ext}", "The whole picture in another format", (EXTENSION,), VARIANT_HEADERS, VARIANT_ERRORS),
    ("/img/{id}/{plan}.{ext}", "A variant", (PLAN, EXTENSION), VARIANT_HEADERS, VARIANT_ERRORS),
    ("/img/{plan}.{ext}", "A variant of a remote picture", (PLAN, EXTENSION, SOURCE_URL), VARIANT_HEADERS, (*SOURCE, *VARIANT_ERRORS)),
)
ENDPOINTS = tuple(
    Endpoint(
        method="GET",
        path="/img/{path:path}",
        template=template + ending,
        handler=picture,
        tag="pictures",
        summary=summary + about,
        parameters=(*parameters, *SIGNATURE, *CONDITIONAL),
        responses=replies(headers),
        errors=(*kinds, Unsatisfiable),
    )
    for template, summary, parameters, headers, kinds in TEMPLATES
    for ending, about, replies in (("", "", url_replies), (DESCRIBED, ": what it is, as JSON", partial(described_replies, PictureOut)))
)
