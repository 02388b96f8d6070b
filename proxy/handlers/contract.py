"""The words in which handlers describe themselves: bodies, replies, parameters and errors that several of them share."""

from collections.abc import Mapping
from dataclasses import replace

from pydantic import BaseModel

from catalog.errors import CatalogUnavailable, ImageBusy
from proxy.endpoint import BYTES, Body, Content, Parameter, Reply
from services.errors import (
    BadRequest,
    BadSignature,
    BadSourceUrl,
    BodyTooLarge,
    EmptyUpload,
    ExpiredImage,
    ExpiredSignature,
    RemoteOff,
    SourceBusy,
    SourceMissing,
    SourceNotAllowed,
    SourceTooSlow,
    SourceUnavailable,
    UncommittableImage,
    UnknownImage,
    UnsupportedBody,
)
from storage.base import StagingFull, StorageUnavailable
from transforms.errors import (
    BrokenImage,
    DecoderCrashed,
    ImpossibleOutput,
    LimitExceeded,
    NoThreads,
    OutOfTime,
    PlanError,
    PoolBusy,
    RenderTimeout,
    RenderUnavailable,
    TooManyBytes,
    TooMuchWork,
    UnsupportedFormat,
)
from transforms.formats import FORMATS

MAX_LIMIT = 100

TEXT: Content = {"type": "string"}
JSON_OBJECT: Mapping[str, Content] = {"application/json": {"type": "object"}}
HTML: Mapping[str, Content] = {"text/html": TEXT}
PICTURE_TYPES: Mapping[str, Content] = {format.media_type: TEXT if format.text else BYTES for format in FORMATS.values()}
SENT_TYPES: Mapping[str, Content] = {format.media_type: BYTES for format in FORMATS.values() if format.loaders}
ONE_FILE: Mapping[str, object] = {"type": "string", "contentMediaType": "application/octet-stream"}


def _upload(description: str, image: Mapping[str, object]) -> Body:
    form = {"type": "object", "properties": {"image": image}, "required": ["image"]}
    return Body(description=description, content={"multipart/form-data": form, "application/octet-stream": BYTES, **SENT_TYPES})


PICTURES = _upload("One or many parts named `image`, or the bytes of one picture.", {"type": "array", "items": ONE_FILE})
ONE_PICTURE = _upload("The bytes of one picture, or a form with one part named `image`.", ONE_FILE)

CATALOG = (CatalogUnavailable, NoThreads)
AWAY = (StorageUnavailable, *CATALOG)
READ = (UnknownImage, ExpiredImage, *AWAY)
RENDER = (BrokenImage, DecoderCrashed, NoThreads, PoolBusy, OutOfTime, RenderTimeout, RenderUnavailable)
UPLOAD = (
    *(BadRequest, EmptyUpload, TooManyBytes, BodyTooLarge, UnsupportedFormat, UnsupportedBody, LimitExceeded),
    *(StagingFull, StorageUnavailable, *RENDER),
)
TRANSFORM = (
    *(PlanError, BadRequest, EmptyUpload, TooManyBytes, BodyTooLarge, UnsupportedFormat, UnsupportedBody, LimitExceeded),
    *(ImpossibleOutput, TooMuchWork, *READ, *RENDER),
)
SIGNED = (BadSignature, ExpiredSignature)
SOURCE = (
    *(BadSourceUrl, RemoteOff, SourceNotAllowed, SourceMissing, SourceUnavailable, SourceTooSlow, SourceBusy),
    *(UnsupportedFormat, LimitExceeded, StagingFull),
)
COMMIT = (UncommittableImage, ExpiredImage, ImageBusy, *AWAY)

VALIDATORS = {
    "ETag": "strong: a digest of the bytes",
    "Cache-Control": "immutable for a year; with a preset an hour; remote pictures as long as their source says; signed URLs until they "
    "expire; staged pictures are private for a minute",
}
SAFETY_HEADERS = {
    "Content-Disposition": "inline, or attachment for types that browsers could execute",
    "Content-Security-Policy": "default-src 'none'; sandbox; for html also style-src 'unsafe-inline'",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Access-Control-Allow-Origin": "*",
}
PICTURE_HEADERS = {**VALIDATORS, **SAFETY_HEADERS, "Accept-Ranges": "bytes"}
RENDERED_HEADERS = {
    "Content-Location": "the canonical path of what the plan came down to, when it is another one",
    "Vary": "Accept, for the extension `auto` only",
    "X-Warning": "sentences, when something is not as one might expect: a moving picture in a format that does not move",
    "Server-Timing": "the stages that it took, in milliseconds: docs/urls.md names them",
}
VARIANT_HEADERS = {
    **PICTURE_HEADERS,
    **RENDERED_HEADERS,
    "X-Cache": "hit, miss, or coalesced: built for another request at the same time",
}
CONDITIONAL = (
    Parameter(name="If-None-Match", place="header", description="etags that the client has"),
    Parameter(name="Range", place="header", description="one range of bytes", example="bytes=0-1023"),
    Parameter(name="If-Range", place="header", description="the etag of which the range is wanted"),
)
SOURCE_URL = Parameter(
    name="url",
    description="the address of the picture, percent-encoded; redirects to the one spelling in which all but unreserved characters are",
    required=True,
    example="https://example.com/picture.jpg",
)
SIGNATURE = (
    Parameter(name="s", description="the signature of this URL (`progimage sign`), where URLs are signed"),
    Parameter(name="exp", description="the last second, in Unix time, in which the signed URL is good", example="1800000000"),
    Parameter(name="k", description="the id of the key that it is signed by"),
)
ACCEPT = Parameter(name="Accept", place="header", description="decides between JSON, a page or a picture")
NEVER_CACHED = {"Cache-Control": "no-store"}


REDIRECTS = {
    307: Reply(
        description="The URL with the point that is stored with the image, where the plan says `g_focal`.",
        headers={"Location": "the URL with the point", "Cache-Control": "a minute"},
    ),
    308: Reply(description="The canonical spelling of this URL.", headers={"Location": "the canonical URL", "Cache-Control": "a day"}),
}


def picture_replies(headers: Mapping[str, str]) -> dict[int, Reply]:
    return {
        200: Reply(description="The picture.", content=PICTURE_TYPES, headers=headers),
        206: Reply(description="A part of it.", content=PICTURE_TYPES, headers={**headers, "Content-Range": "which part"}),
        304: Reply(description="The client has it.", headers=VALIDATORS),
    }


def url_replies(headers: Mapping[str, str]) -> dict[int, Reply]:
    """Of an address whose spellings are sent to one of them."""
    return {**picture_replies(headers), **REDIRECTS}


def described_replies(model: type[BaseModel], headers: Mapping[str, str]) -> dict[int, Reply]:
    """The same with JSON in it."""
    content = {"application/json": model}
    told = {name: text for name, text in headers.items() if name not in ("X-Cache", "Server-Timing")}
    return {
        status: replace(reply, content=content if reply.content else {}, headers=told if status == 200 else reply.headers)
        for status, reply in url_replies(headers).items()
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
