"""Pages for people: plain HTML that works without JavaScript, made from the templates beside this file."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from starlette.requests import Request
from starlette.responses import Response

HERE = Path(__file__).parent
# Pictures may come from the host of PROGIMAGE_PUBLIC_URL.
POLICY = "default-src 'none'; img-src *; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"


@cache
def _template(name: str) -> Template:
    return Environment(loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True).get_template(name)


def render(name: str, status: int = 200, headers: Mapping[str, str] | None = None, **values: object) -> Response:
    """A page, with headers beside those that all pages have."""
    own = {"content-security-policy": POLICY, "cache-control": "no-store", "vary": "Accept", **(headers or {})}
    return Response(_template(name).render(values), status, own, media_type="text/html")


async def style(request: Request) -> Response:
    return Response((HERE / "style.css").read_bytes(), headers={"cache-control": "public, max-age=3600"}, media_type="text/css")
