"""What a picture may become: the registry of operations, as JSON."""

from starlette.requests import Request
from starlette.responses import Response

from proxy.endpoint import Endpoint
from proxy.handlers.common import answer, services
from proxy.handlers.contract import RENDER, json_reply
from proxy.schemas import FormatOut, OperationOut, TransformsOut
from transforms.engine import supported_formats
from transforms.formats import FORMATS
from transforms.operation import OutputOption, registry


async def transforms(request: Request) -> Response:
    """All operations in pipeline order, and the formats that the libvips of this server can handle."""
    supported = await services(request).pool.run(supported_formats)
    formats = [
        FormatOut(
            name=name,
            media_type=known.media_type,
            reads=supported[name].reads and name in services(request).limits.accepted,
            writes=supported[name].writes,
            alpha=known.alpha,
            animation=known.animation,
            quality=known.quality,
        )
        for name, known in FORMATS.items()
    ]
    return answer(TransformsOut(operations=operations(), formats=formats))


def operations() -> list[OperationOut]:
    found = []
    for name, kind in registry().items():
        parameter, default = kind.parameters()[name], kind.__dataclass_fields__[name].default
        found.append(
            OperationOut(
                name=name,
                summary=parameter.summary,
                expected=parameter.convertor.expected,
                minimum=getattr(parameter.convertor, "lowest", None),
                maximum=getattr(parameter.convertor, "highest", None),
                default=name + parameter.convertor.format(default) if default else None,
                example=parameter.example,
                formats=sorted(kind.formats) if issubclass(kind, OutputOption) else None,
            )
        )
    return found


def plan_help() -> str:
    """What a plan may hold, as Markdown."""
    rows = (f"- `{known.name}`: {known.summary}. After the name: {known.expected}." for known in operations())
    return "\n".join(("What to do: operations with commas between them, stages with slashes; `_` for nothing.\n", *rows))


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/transforms",
        handler=transforms,
        tag="pictures",
        summary="All operations and formats",
        responses={200: json_reply(TransformsOut, "What a picture may become.")},
        errors=RENDER,
    ),
)
