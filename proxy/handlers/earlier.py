"""The interfaces that ProgImage grew from (urls.md, last table): they keep working."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from time import time

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from proxy import pages
from proxy.bodies import pictures
from proxy.endpoint import Endpoint, Parameter, Reply
from proxy.errors import NoSuchAddress
from proxy.handlers.common import answer, image_id, services, shell
from proxy.handlers.contract import (
    ACCEPT,
    CATALOG,
    COMMIT,
    CONDITIONAL,
    HTML,
    ONE_PICTURE,
    PICTURES,
    READ,
    RENDER,
    SIGNATURE,
    SIGNED,
    SOURCE,
    SOURCE_URL,
    TRANSFORM,
    UPLOAD,
    VARIANT_HEADERS,
    json_reply,
    picture_replies,
)
from proxy.handlers.images import presented, store_pictures, stored
from proxy.handlers.pictures import TEXT, check_source, variant_elsewhere
from proxy.handlers.posted import REPLIES, transformed
from proxy.handlers.queries import next_url
from proxy.http import Unsatisfiable, prefers
from proxy.named import FORMAT, NAMED, arguments, plan_of
from proxy.picture_query import NAMES, parse_query
from proxy.schemas import EarlierFormOut, EarlierUploadOut
from services import known
from services.errors import BadRequest, BadSignature, TooManyVariants, UnknownImage
from services.ids import checked_id
from services.origins.source_url import parse as parse_source
from services.transform import posted
from transforms.errors import ImpossibleOutput, PlanError
from transforms.formats import by_extension

MAX_SHOWN = 100


async def upload(request: Request) -> Response:
    image = (await store_pictures(request))[0]
    return answer(EarlierUploadOut(id=image.id), 201, location=f"/images/{image.id}/")


async def form(request: Request) -> Response:
    return pages.render("earlier.html")


async def form_upload(request: Request) -> Response:
    image = (await store_pictures(request))[0]
    return answer(EarlierFormOut(id=image.id), 201, location=f"/images/{image.id}/")


async def named(request: Request) -> Response:
    """A stored or staged image, transformed as a name and its arguments say; ASCII by Accept where no format is named."""
    image = await known.find(services(request), image_id(request))
    plan = plan_of(request.path_params["transform"], request.query_params, _format(request, image.facts.format))
    return await variant_elsewhere(request, image, plan)


async def on_demand(request: Request) -> Response:
    """A posted picture, or that of a `url`, transformed as a name and its arguments say; ASCII by Accept where no format is named."""
    async with _sent(request) as sent, posted(services(request), sent) as picture:
        plan = plan_of(request.path_params["transform"], _own(request.query_params), _format(request, picture.format))
        return await transformed(request, plan, picture, negotiated=True)


def _own(query: QueryParams) -> QueryParams:
    """The arguments of the transform: without a `url` and what signs it."""
    return QueryParams([(name, value) for name, value in query.multi_items() if name not in NAMES]) if query.get("url") else query


@asynccontextmanager
async def _sent(request: Request) -> AsyncIterator[AsyncIterator[AsyncIterator[bytes]]]:
    """The pictures in the body, or the one that `url` names."""
    query = parse_query(request.scope["query_string"])
    if not query.url:
        yield pictures(request)
        return
    source = parse_source(query.url)
    signed = shell(request).admission.signer.verified(request.url.path, str(source), query, time())
    check_source(request, source, signed=signed)
    async with services(request).origins.get(source, signed=signed) as fetched:
        yield _alone(fetched.chunks)


async def _alone(chunks: AsyncIterator[bytes] | None) -> AsyncIterator[AsyncIterator[bytes]]:
    if chunks is not None:
        yield chunks


def _format(request: Request, source: str) -> str:
    """That of the source, unless somebody can read nothing but text; an argument that names one is looked at later."""
    return TEXT if prefers(request.headers.get("accept"), "image/*", "text/plain") == "text/plain" else source


async def download(request: Request) -> Response:
    """A page with one image, or with all stored images of some types; a click downloads."""
    wanted, extensions = request.query_params.get("id"), request.query_params.get("exts")
    thumbnail = shell(request).presenter.thumbnail
    if wanted:
        shown = await presented(request, [await stored(request, checked_id(wanted))])
        return pages.render("download.html", images=shown, more=None, thumbnail=thumbnail)
    if not extensions:
        raise BadRequest("Say which images: ?id=… or ?exts=jpeg,png.", expected="id or exts")
    page = await services(request).catalog.list_images(
        limit=MAX_SHOWN, cursor=request.query_params.get("cursor"), formats=_formats(extensions)
    )
    more = next_url(request, page.next_cursor)
    return pages.render("download.html", images=await presented(request, page.items), more=more, thumbnail=thumbnail)


def _formats(extensions: str) -> list[str]:
    formats = [by_extension(extension.strip().lower()) for extension in extensions[:200].split(",")]
    if None in formats:
        raise BadRequest("exts names a format that there is not.", expected="jpeg, jpg, png, gif, webp, avif or tiff, with commas between")
    return [format.name for format in formats if format]


TRANSFORM_NAME = Parameter(
    name="transform", place="path", description="what to do", schema={"type": "string", "enum": list(NAMED)}, example="thumbnail"
)
ARGUMENTS = (
    *(Parameter(name=name, description=f"of {', '.join(users)}") for name, users in arguments().items()),
    Parameter(name=FORMAT[0], description="the format of the answer; without it, the source's", example="webp"),
)
ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/",
        handler=upload,
        tag="earlier",
        summary="Store a picture",
        body=PICTURES,
        responses={201: json_reply(EarlierUploadOut, "It is stored durably.", Location="the image")},
        errors=(*UPLOAD, *COMMIT),
    ),
    Endpoint(
        method="GET",
        path="/images/{id}/{transform}/",
        handler=named,
        tag="earlier",
        summary="An image, transformed by name",
        parameters=(TRANSFORM_NAME, *ARGUMENTS, *CONDITIONAL),
        responses=picture_replies(VARIANT_HEADERS),
        errors=(NoSuchAddress, BadRequest, BadSignature, TooManyVariants, PlanError, ImpossibleOutput, *READ, *RENDER, Unsatisfiable),
    ),
    Endpoint(
        method="POST",
        path="/on_demand/{transform}/",
        handler=on_demand,
        tag="earlier",
        summary="A picture that comes with the request, transformed by name",
        parameters=(TRANSFORM_NAME, *ARGUMENTS, replace(SOURCE_URL, required=False), *SIGNATURE, ACCEPT),
        body=ONE_PICTURE,
        responses=REPLIES,
        errors=(NoSuchAddress, *SIGNED, *SOURCE, *TRANSFORM),
    ),
    Endpoint(
        method="GET",
        path="/upload-image",
        handler=form,
        tag="earlier",
        summary="A form",
        responses={200: Reply(description="A page.", content=HTML)},
    ),
    Endpoint(
        method="POST",
        path="/upload-image",
        handler=form_upload,
        tag="earlier",
        summary="Store the picture of the form",
        body=PICTURES,
        responses={201: json_reply(EarlierFormOut, "It is stored durably.", Location="the image")},
        errors=(*UPLOAD, *COMMIT),
    ),
    Endpoint(
        method="GET",
        path="/download",
        handler=download,
        tag="earlier",
        summary="A page from which originals can be downloaded",
        parameters=(
            Parameter(name="id", description="one image"),
            Parameter(name="exts", description="all images of these types", example="jpeg,png"),
        ),
        responses={200: Reply(description="A page.", content=HTML)},
        errors=(BadRequest, UnknownImage, *CATALOG),
    ),
)
