"""The front door: a page for people, a list of addresses for programs."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from proxy import pages
from proxy.handlers.common import services, shell, wants_page
from proxy.handlers.products import presented

NEWEST = 8


async def home(request: Request) -> Response:
    if not wants_page(request):
        return JSONResponse(_addresses(shell(request).presenter.base), headers={"vary": "Accept", "cache-control": "no-store"})
    page = await services(request).catalog.list_products(limit=NEWEST)
    limits = services(request).limits
    return pages.render(
        "home.html",
        products=await presented(request, page.items),
        formats=", ".join(sorted(name.upper() for name in limits.accepted)),
        megabytes=limits.upload_bytes // 1024**2,
    )


def _addresses(base: str) -> dict[str, str]:
    return {
        "uploads": f"{base}/uploads",
        "images": f"{base}/images",
        "products": f"{base}/products",
        "image": f"{base}/img/{{id}}/{{plan}}.{{ext}}",
        "transform": f"{base}/transform/{{plan}}.{{ext}}",
        "transforms": f"{base}/transforms",
        "openapi": f"{base}/openapi.json",
    }
