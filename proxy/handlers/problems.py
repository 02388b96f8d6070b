"""The pages to which the `type` of a problem leads."""

from starlette.requests import Request
from starlette.responses import Response

from proxy import errors, pages
from proxy.http import prefers


async def problem_page(request: Request) -> Response:
    """What a kind of error means: the page to which `type` leads."""
    slug = request.path_params["slug"]
    known = next((answer for kind, answer in errors.ANSWERS.items() if kind.slug == slug), None)
    if known is None:
        raise errors.NoSuchAddress("There is no such kind of problem.")
    headers = {"cache-control": "max-age=3600", "vary": "Accept"}
    if prefers(request.headers.get("accept"), "text/plain", "text/html") == "text/html":
        return pages.render("meaning.html", headers=headers, kind=known)
    return Response(f"{known.status} {known.title}\n\n{known.meaning}\n", media_type="text/plain", headers=headers)
