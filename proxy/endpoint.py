"""The registry of routes: what an address does, and everything that the OpenAPI document says of it, in one value."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from transforms.errors import ProgImageError

Handler: TypeAlias = Callable[[Request], Awaitable[Response]]
# A model, or a JSON schema where there is no model: `{}` stands for bytes.
Content: TypeAlias = type[BaseModel] | Mapping[str, object]

BYTES: Mapping[str, object] = {}


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """`place` is path, query or header."""

    name: str
    place: str = "query"
    description: str
    schema: Mapping[str, object] = field(default_factory=lambda: {"type": "string"})
    required: bool = False
    example: object = None


@dataclass(frozen=True, kw_only=True)
class Body:
    """What a request carries, by media type."""

    content: Mapping[str, Content]
    description: str = ""
    required: bool = True


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer that is no error: its content by media type, and its headers with what they say."""

    description: str
    content: Mapping[str, Content] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A method of an address. `path` is Starlette's, with convertors.

    `template` is what the document calls the path, when one route stands for several shapes of it: `/img/{path:path}` for
    `/img/{id}` and `/img/{id}/{plan}.{ext}`. All of them name the same handler then.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    description: str = ""
    tag: str
    template: str = ""
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    responses: Mapping[int, Reply]
    errors: tuple[type[ProgImageError], ...] = ()


def routes(endpoints: Sequence[Endpoint]) -> list[Route]:
    """One route for each path, so that a 405 names all of its methods; in the order in which the paths first appear."""
    paths: dict[str, dict[str, Handler]] = {}
    for endpoint in endpoints:
        handlers = paths.setdefault(endpoint.path, {})
        if handlers.setdefault(endpoint.method, endpoint.handler) is not endpoint.handler:
            raise ValueError(f"{endpoint.method} {endpoint.path} has two handlers")
    return [Route(path, _Methods(handlers), methods=list(handlers)) for path, handlers in paths.items()]


@dataclass(frozen=True)
class _Methods:
    """The handlers of one path, as an ASGI application: errors pass through it, to the one place that answers them."""

    handlers: Mapping[str, Handler]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        response = await self.handlers[method](Request(scope, receive, send))
        await response(scope, receive, send)
