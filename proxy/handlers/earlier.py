"""The interfaces that ProgImage grew from (urls.md, last table): they keep working."""

from starlette.requests import Request
from starlette.responses import Response

from proxy import pages
from proxy.handlers.common import answer, services
from proxy.handlers.images import as_json, presented, store_pictures
from proxy.handlers.pictures import original
from proxy.http import prefers
from proxy.schemas import EarlierFormOut, EarlierUploadOut
from services.errors import BadRequest, UnknownImage
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
    image_id, extensions = request.query_params.get("id"), request.query_params.get("exts")
    if image_id:
        record = await services(request).catalog.image(image_id)
        if record is None or record.state != "ready":
            raise UnknownImage(f"There is no stored image {image_id[:60]}.", image=image_id[:60])
        return pages.render("download.html", images=await presented(request, [record]))
    if not extensions:
        raise BadRequest("Say which images: ?id=… or ?exts=jpeg,png.", expected="id or exts")
    page = await services(request).catalog.list_images(limit=MAX_SHOWN, formats=_formats(extensions))
    return pages.render("download.html", images=await presented(request, page.items))


def _formats(extensions: str) -> list[str]:
    formats = [by_extension(extension.strip().lower()) for extension in extensions[:200].split(",")]
    if None in formats:
        raise BadRequest("exts names a format that there is not.", expected="jpeg, jpg, png, gif, webp, avif or tiff, with commas between")
    return [format.name for format in formats if format]
