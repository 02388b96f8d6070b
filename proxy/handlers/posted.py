"""Pictures that come with the request: transformed and given back, and nothing is kept of them."""

from starlette.requests import Request
from starlette.responses import Response

from proxy import metrics
from proxy.bodies import pictures
from proxy.endpoint import Endpoint, Reply
from proxy.handlers.common import services
from proxy.handlers.contract import NEVER_CACHED, ONE_PICTURE, PICTURE_TYPES, RENDERED_HEADERS, SAFETY_HEADERS, TRANSFORM
from proxy.handlers.pictures import EXTENSION, PLAN, timing
from proxy.http import NO_STORE, Freshness, Terms, encoded, picture_headers
from proxy.image_path import parse_posted, posted_path_of
from proxy.responses import BytesResponse
from services.transform import Posted, posted, transform
from transforms.plan import Plan

RECEIVED_NAME = "picture"


async def create(request: Request) -> Response:
    plan = parse_posted(request.path_params["path"])
    async with posted(services(request), pictures(request)) as picture:
        return await transformed(request, plan, picture, plan.auto)


async def transformed(request: Request, plan: Plan, picture: Posted, negotiated: bool) -> Response:
    """The answer to a posted picture; its Content-Location is what the plan came down to on it."""
    made, timings = await transform(services(request), plan, picture, request.headers.get("accept"))
    metrics.rendered(timings)
    resolved, data = made.resolved, made.rendition.data
    location = posted_path_of(resolved.plan)
    terms = Terms(
        freshness=Freshness(control=NO_STORE),
        location=location if location.encode() != request.scope["raw_path"] else None,
        negotiated=negotiated,
        warning=" ".join(resolved.warnings),
    )
    headers = picture_headers(f"{RECEIVED_NAME}.{resolved.plan.format}", resolved.plan.format, None, terms)
    return BytesResponse(200, data, (*headers, *encoded(content_length=str(len(data)), server_timing=timing(timings))))


REPLIES = {
    200: Reply(
        description="The picture. Nothing of it is kept.",
        content=PICTURE_TYPES,
        headers={**NEVER_CACHED, **SAFETY_HEADERS, **RENDERED_HEADERS},
    )
}
ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/transform/{path:path}",
        template="/transform/{plan}.{ext}",
        handler=create,
        tag="pictures",
        summary="Transform a picture that comes with the request",
        description="The plan `_` changes nothing but the format. A plan that is not canonical is carried out; `g_focal` is the middle.",
        parameters=(PLAN, EXTENSION),
        body=ONE_PICTURE,
        responses=REPLIES,
        errors=TRANSFORM,
    ),
)
