"""Reading requests: pictures as streams, JSON and forms as checked values."""

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData
from starlette.requests import Request

from proxy.handlers.common import services
from proxy.multipart import parts
from services.errors import BadRequest, BodyTooLarge, EmptyUpload, UnsupportedBody

MAX_JSON = 1024 * 1024
FIELD = "image"
MAX_ERRORS = 20

M = TypeVar("M", bound=BaseModel)


def media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def pictures(request: Request) -> AsyncIterator[AsyncIterator[bytes]]:
    """The pictures in a body, each to be read before the next: the parts named `image` of a form, else the body itself."""
    if "content-encoding" in request.headers:
        raise UnsupportedBody("Send pictures as they are, without Content-Encoding.", expected="no Content-Encoding")
    if media_type(request) != "multipart/form-data":
        announced = request.headers.get("content-length", "")
        if announced.isascii() and announced.isdecimal():
            services(request).limits.check_bytes(int(announced[:20]))
        yield request.stream()
        return
    found = False
    async for part in parts(request.headers["content-type"], request.stream()):
        if part.name == FIELD:
            found = True
            yield part.chunks
    if not found:
        raise EmptyUpload(f"The form has no part named {FIELD!r}.", expected=f"one or more parts named {FIELD!r}")


async def json_body(request: Request, model: type[M]) -> M:
    """The body as a checked value. Numbers stay as they are written: a price is never a float."""
    if media_type(request) not in ("application/json", ""):
        raise UnsupportedBody("This address takes JSON.", expected="Content-Type: application/json")
    try:
        values = json.loads(await _whole(request), parse_float=Decimal, parse_constant=_refuse_constant, object_pairs_hook=_without_repeats)
    except (ValueError, ArithmeticError, RecursionError) as error:
        reason = str(error) if isinstance(error, _Repeated) else "The body is not well-formed JSON."
        raise BadRequest(reason, expected="a JSON object") from error
    return checked(model, values)


def checked(model: type[M], values: object) -> M:
    """The value, or BadRequest that names the first field that is wrong and lists them all."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False, include_input=False)[:MAX_ERRORS]
        problems = [{"field": ".".join(map(str, item["loc"])) or "body", "message": _plain(item["msg"])} for item in wrong]
        first = problems[0]
        raise BadRequest(f"{first['field']}: {first['message']}.", errors=problems) from None


def _plain(message: str) -> str:
    return "an object is expected" if "valid dictionary" in message else message.removeprefix("Value error, ")


async def form(request: Request) -> FormData:
    """The fields of a small urlencoded form."""
    await _whole(request)
    return await request.form(max_files=0, max_fields=200)


async def _whole(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_JSON:
            raise BodyTooLarge(f"The body is larger than {MAX_JSON} bytes.", limit="bytes", maximum=MAX_JSON)
    request._body = bytes(body)  # noqa: SLF001  Starlette's own place for a body that has been read: form() finds it there
    return request._body  # noqa: SLF001


class _Repeated(ValueError):
    pass


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise _Repeated("The same name stands twice in one JSON object.")
    return values


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")
