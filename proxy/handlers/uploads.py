"""Uploads: pictures are staged here, in a request of their own."""

from starlette.requests import Request
from starlette.responses import Response

from proxy import pages
from proxy.bodies import pictures
from proxy.handlers.common import answer, services, shell
from proxy.http import prefers
from proxy.schemas import UploadsOut
from services.errors import UnknownImage
from services.stage import Upload, stage, staged_image


async def receive(request: Request) -> list[Upload]:
    """Stage all pictures of a request."""
    return [await stage(services(request), chunks) async for chunks in pictures(request)]


async def create(request: Request) -> Response:
    uploads = await receive(request)
    presenter = shell(request).presenter
    if prefers(request.headers.get("accept"), "application/json", "text/html") == "text/html":
        return pages.render(
            "product.html", uploads=[presenter.upload(upload) for upload in uploads], currency=shell(request).settings.currency
        )
    images = [presenter.upload(upload) for upload in uploads]
    return answer(UploadsOut(images=images, id=images[0].id if len(images) == 1 else None), 202)


async def show(request: Request) -> Response:
    upload = await staged_image(services(request), request.path_params["id"])
    return answer(shell(request).presenter.upload_state(upload))


async def drop(request: Request) -> Response:
    image_id = request.path_params["id"]
    if not await services(request).staging.drop(image_id):
        raise UnknownImage(f"There is no upload {image_id}.", image=image_id)
    services(request).memory.forget(image_id)
    return Response(status_code=204)
