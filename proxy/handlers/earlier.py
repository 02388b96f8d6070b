"""The interfaces that ProgImage grew from (urls.md, last table): they keep working."""

from starlette.requests import Request
from starlette.responses import Response

from catalog.errors import CatalogUnavailable
from proxy import pages
from proxy.endpoint import Endpoint, Parameter, Reply
from proxy.handlers.common import answer, services
from proxy.handlers.contract import (
    ACCEPT,
    COMMIT,
    CONDITIONAL,
    HTML,
    PICTURE_HEADERS,
    PICTURE_TYPES,
    PICTURES,
    READ,
    UPLOAD,
    json_reply,
    picture_replies,
)
from proxy.handlers.images import as_json, presented, store_pictures, stored
from proxy.handlers.pictures import original
from proxy.handlers.queries import next_url
from proxy.http import Unsatisfiable, prefers
from proxy.schemas import EarlierFormOut, EarlierUploadOut, ImageOut
from services.errors import BadRequest, UnknownImage
from services.ids import checked_id
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


async def image(request: Request) -> Response:
    """The original's bytes, or JSON by Accept."""
    if prefers(request.headers.get("accept"), "image/*", "application/json") == "application/json":
        return await as_json(request)
    answer = await original(request)
    answer.headers["vary"] = "Accept"
    return answer


async def download(request: Request) -> Response:
    """A page with one image, or with all stored images of some types; a click downloads."""
    wanted, extensions = request.query_params.get("id"), request.query_params.get("exts")
    if wanted:
        return pages.render("download.html", images=await presented(request, [await stored(request, checked_id(wanted))]), more=None)
    if not extensions:
        raise BadRequest("Say which images: ?id=… or ?exts=jpeg,png.", expected="id or exts")
    page = await services(request).catalog.list_images(
        limit=MAX_SHOWN, cursor=request.query_params.get("cursor"), formats=_formats(extensions)
    )
    more = next_url(request, page.next_cursor)
    return pages.render("download.html", images=await presented(request, page.items), more=more)


def _formats(extensions: str) -> list[str]:
    formats = [by_extension(extension.strip().lower()) for extension in extensions[:200].split(",")]
    if None in formats:
        raise BadRequest("exts names a format that there is not.", expected="jpeg, jpg, png, gif, webp, avif or tiff, with commas between")
    return [format.name for format in formats if format]


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
        path="/images/{id}/",
        handler=image,
        tag="earlier",
        summary="A stored image, as bytes or as JSON",
        parameters=(ACCEPT, *CONDITIONAL),
        errors=(*READ, Unsatisfiable),
        responses={
            **picture_replies(PICTURE_HEADERS),
            200: Reply(description="The image.", content={**PICTURE_TYPES, "application/json": ImageOut}, headers={"Vary": "Accept"}),
        },
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
        errors=(BadRequest, UnknownImage, CatalogUnavailable),
    ),
)
