"""Uploads: pictures are staged here, in a request of their own."""

from starlette.requests import Request
from starlette.responses import Response

from proxy import metrics, pages
from proxy.bodies import pictures
from proxy.endpoint import Endpoint, Reply
from proxy.handlers.common import answer, image_id, services, shell, wants_page
from proxy.handlers.contract import ACCEPT, HTML, PICTURES, READ, UPLOAD, json_reply
from proxy.schemas import UploadOut, UploadsOut
from services.errors import EmptyUpload, UnknownImage
from services.stage import Upload, stage, staged_image
from storage.base import StorageUnavailable
from transforms.errors import ImageError


async def receive(request: Request) -> list[Upload]:
    """Stage all pictures of a request."""
    uploads = []
    async for chunks in pictures(request):
        try:
            uploads.append(await stage(services(request), chunks))
        except (ImageError, EmptyUpload) as error:
            error.facts["picture"] = len(uploads) + 1
            raise
    metrics.staged(sum(upload.staged.bytes for upload in uploads))
    return uploads


async def create(request: Request) -> Response:
    uploads = await receive(request)
    presenter, currency = shell(request).presenter, shell(request).settings.currency
    images = [presenter.upload(upload) for upload in uploads]
    if wants_page(request):
        return pages.render("product.html", uploads=images, currency=currency, thumbnail=presenter.thumbnail)
    return answer(UploadsOut(images=images, id=images[0].id if len(images) == 1 else None), 202)


async def show(request: Request) -> Response:
    held, presenter = services(request), shell(request).presenter
    record = await held.catalog.image(image_id(request))
    if record and record.state == "ready":
        return answer(presenter.committed(record))
    return answer(presenter.staged(await staged_image(held, image_id(request))))


async def drop(request: Request) -> Response:
    dropped = image_id(request)
    if not await services(request).staging.drop(dropped):
        raise UnknownImage(f"There is no upload {dropped}.", image=dropped)
    services(request).memory.forget(dropped)
    return Response(status_code=204)


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/uploads",
        handler=create,
        tag="uploads",
        summary="Stage pictures",
        body=PICTURES,
        parameters=(ACCEPT,),
        description="They wait for a product, and can be seen at once. The same bytes always have the same id.",
        responses={
            202: json_reply(UploadsOut, "All pictures arrived whole and are staged."),
            200: Reply(description="The next step of the form.", content=HTML),
        },
        errors=UPLOAD,
    ),
    Endpoint(
        method="GET",
        path="/uploads/{id}",
        handler=show,
        tag="uploads",
        summary="Where an upload stands",
        responses={200: json_reply(UploadOut, "The upload.")},
        errors=READ,
    ),
    Endpoint(
        method="DELETE",
        path="/uploads/{id}",
        handler=drop,
        tag="uploads",
        summary="Forget an upload",
        responses={204: Reply(description="It is gone.")},
        errors=(UnknownImage, StorageUnavailable),
    ),
)
