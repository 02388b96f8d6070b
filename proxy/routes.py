"""Every address of ProgImage: the application and the OpenAPI document are both made from this list."""

from functools import cache
from importlib.metadata import version

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from proxy import openapi
from proxy.endpoint import Endpoint, Reply
from proxy.handlers import earlier, images, pictures, posted, products, service, transforms, uploads
from proxy.handlers.common import shell
from proxy.handlers.contract import JSON_OBJECT


async def describe(request: Request) -> Response:
    return JSONResponse(document(shell(request).presenter.base), headers={"cache-control": "max-age=300"})


@cache
def document(base: str = "") -> openapi.Json:
    """The OpenAPI document of this version; `base` is the URL before all paths."""
    return openapi.document(ENDPOINTS, title="ProgImage", version=version("progimage"), server=base or "/")


DESCRIPTION = Endpoint(
    method="GET",
    path="/openapi.json",
    handler=describe,
    tag="service",
    summary="This document",
    responses={200: Reply(description="OpenAPI 3.1.", content=JSON_OBJECT)},
)
ENDPOINTS = (
    # First, because routes are tried one after the other, and this is what most requests are for.
    *pictures.ENDPOINTS,
    *posted.ENDPOINTS,
    *uploads.ENDPOINTS,
    *products.ENDPOINTS,
    *images.ENDPOINTS,
    *transforms.ENDPOINTS,
    *earlier.ENDPOINTS,
    *service.ENDPOINTS,
    DESCRIPTION,
)
