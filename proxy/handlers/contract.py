"""The words in which handlers describe themselves: bodies, replies, parameters and errors that several of them share."""

from collections.abc import Mapping

from pydantic import BaseModel

from catalog.errors import CatalogUnavailable, ImageBusy
from proxy.endpoint import BYTES, Body, Content, Parameter, Reply
from services.errors import BadRequest, BodyTooLarge, EmptyUpload, ExpiredImage, UncommittableImage, UnknownImage, UnsupportedBody
from storage.base import StagingFull, StorageUnavailable
from transforms.errors import (
    BrokenImage,
    DecoderCrashed,
    LimitExceeded,
    PoolBusy,
    RenderTimeout,
    RenderUnavailable,
    TooManyBytes,
    UnsupportedFormat,
)
from transforms.formats import FORMATS

MAX_LIMIT = 100

TEXT: Content = {"type": "string"}
JSON_OBJECT: Mapping[str, Content] = {"application/json": {"type": "object"}}
HTML: Mapping[str, Content] = {"text/html": TEXT}
PICTURE_TYPES: Mapping[str, Content] = {format.media_type: BYTES for format in FORMATS.values()}
PICTURES = Body(
    description="One or many parts named `image`, or the bytes of one picture.",
    content={
        "multipart/form-data": {
            "type": "object",
            "properties": {"image": {"type": "array", "items": {"type": "string", "contentMediaType": "application/octet-stream"}}},
            "required": ["image"],
        },
        "application/octet-stream": BYTES,
        **PICTURE_TYPES,
    },
)

AWAY = (StorageUnavailable, CatalogUnavailable)
READ = (UnknownImage, ExpiredImage, *AWAY)
RENDER = (BrokenImage, DecoderCrashed, PoolBusy, RenderTimeout, RenderUnavailable)
UPLOAD = (
    *(BadRequest, EmptyUpload, TooManyBytes, BodyTooLarge, UnsupportedFormat, UnsupportedBody, LimitExceeded),
    *(StagingFull, StorageUnavailable, *RENDER),
)
COMMIT = (UncommittableImage, ExpiredImage, ImageBusy, *AWAY)

VALIDATORS = {"ETag": "strong: a digest of the bytes", "Cache-Control": "immutable for a year; staged pictures are private for a minute"}
PICTURE_HEADERS = {
    **VALIDATORS,
    "Content-Disposition": "inline, or attachment for types that browsers could execute",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Access-Control-Allow-Origin": "*",
    "Accept-Ranges": "bytes",
}
VARIANT_HEADERS = {
    **PICTURE_HEADERS,
    "Content-Location": "the canonical URL of these bytes, when it is another one",
    "Vary": "Accept, for the extension `auto` only",
    "X-Cache": "hit, miss, or coalesced: built for another request at the same time",
    "Server-Timing": "the stages that it took",
}
CONDITIONAL = (
    Parameter(name="If-None-Match", place="header", description="etags that the client has"),
    Parameter(name="Range", place="header", description="one range of bytes", example="bytes=0-1023"),
    Parameter(name="If-Range", place="header", description="the etag of which the range is wanted"),
)
ACCEPT = Parameter(name="Accept", place="header", description="decides between JSON, a page or a picture")
NEVER_CACHED = {"Cache-Control": "no-store"}


def picture_replies(headers: Mapping[str, str]) -> dict[int, Reply]:
    return {
        200: Reply(description="The picture.", content=PICTURE_TYPES, headers=headers),
        206: Reply(description="A part of it.", content=PICTURE_TYPES, headers={**headers, "Content-Range": "which part"}),
        304: Reply(description="The client has it.", headers=VALIDATORS),
        308: Reply(description="The canonical spelling of this URL.", headers={"Location": "the canonical URL", "Cache-Control": "a day"}),
    }


def json_reply(model: type[BaseModel], description: str, **headers: str) -> Reply:
    return Reply(description=description, content={"application/json": model}, headers={**NEVER_CACHED, **headers})


def page_parameters(*more: Parameter) -> tuple[Parameter, ...]:
    limit = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": 20}
    return (
        Parameter(name="limit", description="how many at most", schema=limit),
        Parameter(name="cursor", description="from `next` of the page before"),
        *more,
    )
