"""Stored images as JSON, and their deletion."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from catalog.errors import BadCursor, ImageInUse, NotFound
from catalog.records import ImageRecord
from proxy.bodies import json_body
from proxy.endpoint import Body, Endpoint, Reply
from proxy.handlers.common import answer, deleted, image_id, services, shell
from proxy.handlers.contract import (
    ACCEPT,
    AWAY,
    CATALOG,
    COMMIT,
    CONDITIONAL,
    PICTURE_HEADERS,
    PICTURE_TYPES,
    PICTURES,
    READ,
    RENDER,
    UPLOAD,
    json_reply,
    page_parameters,
    picture_replies,
)
from proxy.handlers.pictures import as_text, original
from proxy.handlers.queries import ImagesQuery, next_url, query
from proxy.handlers.uploads import receive
from proxy.http import Unsatisfiable, prefers
from proxy.schemas import DeletedOut, ImageOut, ImagePatch, ImagesOut, StoredOut
from services.commit import commit_images
from services.erase import delete_image
from services.errors import BadRequest, BodyTooLarge, UnknownImage, UnsupportedBody
from services.focal import set_focal


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
    """JSON, the original or its ASCII picture by Accept; the address with a slash at its end prefers the original."""
    asked = ("image/*", "application/json") if request.url.path.endswith("/") else ("application/json", "image/*")
    match prefers(request.headers.get("accept"), *asked, "text/plain"):
        case "image/*":
            shown = await original(request)
        case "text/plain":
            shown = await as_text(request)
        case _:
            image = await stored(request, image_id(request))
            shown = answer((await presented(request, [image]))[0])
    shown.headers["vary"] = "Accept"
    return shown


async def stored(request: Request, wanted: str) -> ImageRecord:
    image = await services(request).catalog.image(wanted)
    if image is None or image.state != "ready":
        raise UnknownImage(f"There is no stored image {wanted}.", image=wanted)
    return image


async def change(request: Request) -> Response:
    wanted = await json_body(request, ImagePatch)
    image = await set_focal(services(request), image_id(request), wanted.focal)
    return answer((await presented(request, [image]))[0])


async def delete(request: Request) -> Response:
    return deleted(await delete_image(services(request), image_id(request)))


SHOWN = {"application/json": ImageOut, **PICTURE_TYPES}
ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/images",
        handler=store,
        tag="images",
        summary="Store pictures without a product",
        body=PICTURES,
        responses={201: json_reply(StoredOut, "All of them are stored durably.", Location="the image, when it is one")},
        errors=(*UPLOAD, *COMMIT),
    ),
    *(
        Endpoint(
            method="GET",
            path=path,
            handler=listing,
            tag=tag,
            summary="List stored images, newest first",
            parameters=page_parameters(),
            responses={200: json_reply(ImagesOut, "A page of images.")},
            errors=(BadRequest, BadCursor, *CATALOG),
        )
        for path, tag in (("/images", "images"), ("/images/", "earlier"))
    ),
    *(
        Endpoint(
            method="GET",
            path=path,
            handler=show,
            tag=tag,
            summary="A stored image, as JSON, as bytes or as ASCII",
            parameters=(ACCEPT, *CONDITIONAL),
            errors=(*READ, *RENDER, Unsatisfiable),
            responses={
                **picture_replies(PICTURE_HEADERS),
                200: Reply(description="The image.", content=SHOWN, headers={**PICTURE_HEADERS, "Vary": "Accept"}),
            },
        )
        for path, tag in (("/images/{id}", "images"), ("/images/{id}/", "earlier"))
    ),
    Endpoint(
        method="PATCH",
        path="/images/{id}",
        handler=change,
        tag="images",
        summary="Set the focal point of a stored image",
        description="Crops by `g_focal` keep what is there. Everybody sees the new point within a second.",
        body=Body(content={"application/json": ImagePatch}),
        responses={200: json_reply(ImageOut, "The image as it is now.")},
        errors=(BadRequest, BodyTooLarge, UnsupportedBody, UnknownImage, NotFound, *AWAY),
    ),
    Endpoint(
        method="DELETE",
        path="/images/{id}",
        handler=delete,
        tag="images",
        summary="Delete a stored image",
        description="Within a second nobody is shown it any more, and its objects are removed. The answer is a receipt.",
        responses={200: json_reply(DeletedOut, "It is gone.")},
        errors=(NotFound, ImageInUse, *AWAY),
    ),
)
