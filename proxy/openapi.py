"""The OpenAPI 3.1 document, made from the registry of routes, the models and the table of errors."""

import re
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Literal, TypeAlias, cast

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from proxy.endpoint import Content, Endpoint, Parameter
from proxy.errors import (
    PROBLEM_JSON,
    InternalError,
    MethodNotAllowed,
    NoSuchAddress,
    Problem,
    SlowBody,
    UriTooLong,
    answer_to,
    problem_type,
)
from transforms.errors import ProgImageError

Json: TypeAlias = dict[str, Any]
Mode: TypeAlias = Literal["validation", "serialization"]
Schemas: TypeAlias = Mapping[tuple[type[BaseModel], Mode], Json]

CONVERTOR = re.compile(r"{([a-zA-Z_][a-zA-Z0-9_]*)(?::([a-z]+))?}")
CONVERTED = {"int": "integer", "float": "number"}
# What any address may answer.
EVERYWHERE = (UriTooLong, InternalError)
HEADERS = {
    "X-Request-ID": "the id of the request in the log: the caller's own, when it is 8 to 64 characters of A-Z a-z 0-9 . _ -",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "how long the answer may be kept",
    "Retry-After": "seconds after which to try again",
    "Allow": "the methods that the address takes",
}
ALWAYS = ("X-Request-ID", "X-Content-Type-Options")


def document(endpoints: Sequence[Endpoint], *, title: str, version: str, server: str = "/") -> Json:
    """The whole document; `server` is the URL before all paths."""
    schemas, definitions = _schemas(endpoints)
    paths: dict[str, Json] = {}
    for endpoint in endpoints:
        operations = paths.setdefault(_template(endpoint), {})
        operations[endpoint.method.lower()] = _operation(endpoint, schemas)
        if endpoint.method == "GET":
            operations["head"] = _without_content(operations["get"])
    headers = {name: {"description": text, "schema": {"type": "string"}} for name, text in HEADERS.items()}
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, "license": {"name": "MIT", "identifier": "MIT"}},
        "servers": [{"url": server}],
        "tags": [{"name": tag} for tag in dict.fromkeys(endpoint.tag for endpoint in endpoints)],
        "paths": paths,
        "components": {"schemas": definitions, "headers": headers, "responses": _off_the_map(schemas)},
    }


def _schemas(endpoints: Sequence[Endpoint]) -> tuple[Schemas, Json]:
    """The schema of each model, as a reference, and the definitions referred to. What comes in and what goes out may differ."""
    wanted: dict[tuple[type[BaseModel], Mode], None] = {(Problem, "serialization"): None}
    for endpoint in endpoints:
        taken = endpoint.body.content.values() if endpoint.body else ()
        wanted |= {(content, "validation"): None for content in taken if isinstance(content, type)}
        given = (content for reply in endpoint.responses.values() for content in reply.content.values())
        wanted |= {(content, "serialization"): None for content in given if isinstance(content, type)}
    schemas, definitions = models_json_schema(list(wanted), ref_template="#/components/schemas/{model}")
    return cast(Schemas, schemas), definitions["$defs"]


def _template(endpoint: Endpoint) -> str:
    return endpoint.template or CONVERTOR.sub(r"{\1}", endpoint.path)


def _operation(endpoint: Endpoint, schemas: Schemas) -> Json:
    operation: Json = {
        "operationId": _operation_id(endpoint.method.lower(), _template(endpoint)),
        "summary": endpoint.summary,
        "tags": [endpoint.tag],
        "responses": _responses(endpoint, schemas),
    }
    if endpoint.description:
        operation["description"] = endpoint.description
    if parameters := [*_path_parameters(endpoint), *map(_parameter, endpoint.parameters)]:
        operation["parameters"] = parameters
    if endpoint.body:
        content = _content(endpoint.body.content, "validation", schemas)
        operation["requestBody"] = {"description": endpoint.body.description, "required": endpoint.body.required, "content": content}
    return operation


def _operation_id(method: str, template: str) -> str:
    """`/images` and `/images/` are two addresses."""
    return "_".join((method, *re.findall("[a-zA-Z0-9]+", template), *(["slash"] if template.endswith("/") else [])))


def _path_parameters(endpoint: Endpoint) -> Iterator[Json]:
    """Those that the path names and nobody described."""
    described = {parameter.name for parameter in endpoint.parameters if parameter.place == "path"}
    for name, convertor in CONVERTOR.findall(endpoint.template or endpoint.path):
        if name not in described:
            yield {"name": name, "in": "path", "required": True, "schema": {"type": CONVERTED.get(convertor, "string")}}


def _parameter(parameter: Parameter) -> Json:
    in_path = parameter.place == "path"
    described: Json = {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.description,
        "required": parameter.required or in_path,
        "schema": dict(parameter.schema),
    }
    return described if parameter.example is None else {**described, "example": parameter.example}


def _content(content: Mapping[str, Content], mode: Mode, schemas: Schemas) -> Json:
    return {media_type: {"schema": schemas[what, mode] if isinstance(what, type) else dict(what)} for media_type, what in content.items()}


def _responses(endpoint: Endpoint, schemas: Schemas) -> Json:
    responses: Json = {}
    for status, reply in endpoint.responses.items():
        own = {name: {"description": text, "schema": {"type": "string"}} for name, text in reply.headers.items()}
        responses[str(status)] = {"description": reply.description, "headers": _shared_headers(*ALWAYS) | own}
        if reply.content:
            responses[str(status)]["content"] = _content(reply.content, "serialization", schemas)
    everywhere = (*EVERYWHERE, SlowBody) if endpoint.body else EVERYWHERE
    kinds = dict.fromkeys((*endpoint.errors, *everywhere))
    for status in sorted({answer_to(kind).status for kind in kinds}):
        same = [kind for kind in kinds if answer_to(kind).status == status]
        responses[str(status)] = _problem_response(status, same, schemas)
    return responses


def _off_the_map(schemas: Schemas) -> Json:
    """What is answered where there is no operation."""
    return {kind.__name__: _problem_response(answer_to(kind).status, [kind], schemas) for kind in (NoSuchAddress, MethodNotAllowed)}


def _problem_response(status: int, kinds: Sequence[type[ProgImageError]], schemas: Schemas) -> Json:
    meanings = "\n".join(f"- `{problem_type(kind)}`: {answer_to(kind).title}" for kind in kinds)
    extra = ("Retry-After",) if any(answer_to(kind).retry for kind in kinds) else ("Allow",) if MethodNotAllowed in kinds else ()
    content = {PROBLEM_JSON: {"schema": schemas[Problem, "serialization"]}, "text/html": {"schema": {"type": "string"}}}
    return {
        "description": f"{HTTPStatus(status).phrase}\n\n{meanings}",
        "headers": _shared_headers(*ALWAYS, "Cache-Control", *extra),
        "content": content,
    }


def _shared_headers(*names: str) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _without_content(operation: Json) -> Json:
    """The same as a HEAD request: all headers and no body."""
    responses = {
        status: {name: value for name, value in response.items() if name != "content"}
        for status, response in operation["responses"].items()
    }
    return {**operation, "operationId": operation["operationId"].replace("get", "head", 1), "responses": responses}
