"""Queries of lists: limits, filters and keyset pages."""

from typing import Annotated, TypeVar
from urllib.parse import urlencode

from pydantic import Field
from starlette.requests import Request

from proxy.bodies import checked
from proxy.handlers.common import shell
from proxy.handlers.contract import MAX_LIMIT
from proxy.schemas import PRINTABLE, Price, Schema


class ImagesQuery(Schema):
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = 20
    cursor: Annotated[str, Field(max_length=200)] | None = None


class ProductsQuery(ImagesQuery):
    name: Annotated[str, Field(max_length=200, pattern=PRINTABLE)] | None = None
    min_price: Price | None = None
    max_price: Price | None = None


Q = TypeVar("Q", bound=ImagesQuery)


def query(request: Request, model: type[Q]) -> Q:
    """The known parameters, checked; others are ignored (urls.md)."""
    return checked(model, {name: value for name, value in request.query_params.items() if name in model.model_fields})


def next_url(request: Request, cursor: str | None) -> str | None:
    """The URL of this request, turned to the next page."""
    if cursor is None:
        return None
    return f"{shell(request).presenter.base}{request.url.path}?{urlencode({**request.query_params, 'cursor': cursor})}"
