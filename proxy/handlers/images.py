"""Stored images as JSON, and their deletion."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from catalog.records import ImageRecord
from proxy.handlers.common import answer, services, shell
from proxy.handlers.pictures import original
from proxy.handlers.queries import ImagesQuery, next_url, query
from proxy.handlers.uploads import receive
from proxy.http import prefers
from proxy.schemas import DeletedOut, ImageOut, ImagesOut, StoredOut
from services.commit import commit_images
from services.erase import delete_image
from services.errors import UnknownImage


async def store(request: Request) -> Response:
    """Stage and commit in one request, for those who have no product."""
    images = await presented(request, await store_pictures(request))
    one = {"location": f"/images/{images[0].id}"} if len(images) == 1 else {}
    return answer(StoredOut(images=images, id=images[0].id if one else None), 201, **one)


async def store_pictures(request: Request) -> list[ImageRecord]:
    uploads = await receive(request)
    return await commit_images(services(request), list(dict.fromkeys(upload.staged.image_id for upload in uploads)))


async def presented(request: Request, images: Sequence[ImageRecord]) -> list[ImageOut]:
    variants = await services(request).catalog.variants([image.id for image in images])
    return [shell(request).presenter.image(image, variants.get(image.id, ())) for image in images]


async def listing(request: Request) -> Response:
    asked = query(request, ImagesQuery)
    page = await services(request).catalog.list_images(limit=asked.limit, cursor=asked.cursor)
    return answer(ImagesOut(images=await presented(request, page.items), next=next_url(request, page.next_cursor)))


async def show(request: Request) -> Response:
    """JSON, or the original by Accept."""
    if prefers(request.headers.get("accept"), "application/json", "image/*") == "image/*":
        return await original(request)
    return await as_json(request)


async def as_json(request: Request) -> Response:
    image_id = request.path_params["id"]
    image = await services(request).catalog.image(image_id)
    if image is None or image.state != "ready":
        raise UnknownImage(f"There is no stored image {image_id}.", image=image_id)
    return answer((await presented(request, [image]))[0], vary="Accept")


async def delete(request: Request) -> Response:
    return answer(DeletedOut(images=await delete_image(services(request), request.path_params["id"])))
