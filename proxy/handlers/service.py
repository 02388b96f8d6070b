"""What operators and programs ask of the service itself."""

from proxy import errors, metrics, pages
from proxy.endpoint import Endpoint, Reply
from proxy.handlers import health, home, problems
from proxy.handlers.contract import ACCEPT, CATALOG, HTML, JSON_OBJECT, NEVER_CACHED, TEXT

ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/",
        handler=home.home,
        tag="service",
        summary="The front door",
        parameters=(ACCEPT,),
        responses={
            200: Reply(description="A page, or the list of addresses.", content={**JSON_OBJECT, **HTML}, headers={"Vary": "Accept"})
        },
        errors=CATALOG,
    ),
    Endpoint(
        method="GET",
        path="/livez",
        handler=health.live,
        tag="service",
        summary="Whether the process lives",
        responses={200: Reply(description="It does.", content={"text/plain": TEXT}, headers=NEVER_CACHED)},
    ),
    Endpoint(
        method="GET",
        path="/readyz",
        handler=health.ready,
        tag="service",
        summary="Whether it can render and is not draining",
        responses={
            200: Reply(description="It is ready.", content=JSON_OBJECT, headers=NEVER_CACHED),
            503: Reply(description="It is not; `status` says why.", content=JSON_OBJECT, headers=NEVER_CACHED),
        },
    ),
    Endpoint(
        method="GET",
        path="/metrics",
        handler=metrics.metrics_page,
        tag="service",
        summary="Figures for Prometheus",
        responses={200: Reply(description="The exposition format.", content={"text/plain": TEXT}, headers=NEVER_CACHED)},
    ),
    Endpoint(
        method="GET",
        path="/problems/{slug}",
        handler=problems.problem_page,
        tag="service",
        summary="What a kind of error means",
        parameters=(ACCEPT,),
        responses={200: Reply(description="A sentence or two.", content={"text/plain": TEXT, **HTML}, headers={"Vary": "Accept"})},
        errors=(errors.NoSuchAddress,),
    ),
    Endpoint(
        method="GET",
        path="/style.css",
        handler=pages.style,
        tag="service",
        summary="How the pages look",
        responses={200: Reply(description="A style sheet.", content={"text/css": TEXT})},
    ),
)
