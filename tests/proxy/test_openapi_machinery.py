"""From the registry to routes, and to a document that is valid and leaves nothing out."""

import httpx2
import pytest
from openapi_spec_validator import validate
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Router

from proxy.endpoint import BYTES, Body, Endpoint, Parameter, Reply, routes
from proxy.middleware import Edge
from proxy.openapi import document
from services.errors import BadRequest, UnknownImage
from transforms.errors import PoolBusy, UnsupportedFormat

pytestmark = pytest.mark.anyio


class Inner(BaseModel):
    size: int


class Thing(BaseModel):
    name: str
    inner: Inner
    note: str = "none"


async def show(request: Request) -> Response:
    return PlainTextResponse(f"show {request.path_params.get('id', '')}")


async def make(_: Request) -> Response:
    return PlainTextResponse("make")


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/things/{id:int}",
        handler=show,
        summary="A thing",
        description="In full.",
        tag="things",
        parameters=(Parameter(name="deep", description="how deep", schema={"type": "integer", "minimum": 1}, example=2),),
        responses={200: Reply(description="The thing.", content={"application/json": Thing}, headers={"ETag": "its version"})},
        errors=(UnknownImage, PoolBusy),
    ),
    Endpoint(
        method="POST",
        path="/things/{id:int}",
        handler=make,
        summary="Make one",
        tag="things",
        body=Body(content={"application/json": Thing, "image/png": BYTES}, description="The thing, or its picture."),
        responses={201: Reply(description="Made.", headers={"Location": "where it is"}), 204: Reply(description="Was there.")},
        errors=(BadRequest, UnsupportedFormat),
    ),
    *(
        Endpoint(method="GET", path="/img/{path:path}", template=template, handler=show, summary="A picture", tag="img", responses={})
        for template in ("/img/{id}", "/img/{id}/{plan}.{ext}")
    ),
)


@pytest.fixture
def client() -> httpx2.AsyncClient:
    app = Edge(Router(routes(ENDPOINTS)), max_body=1000, deadline=15)
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://test")


def test_the_document_is_valid() -> None:
    validate(document(ENDPOINTS, title="Test", version="1", server="https://a.example"))


def test_every_route_method_header_and_error_is_in_it() -> None:
    paths = document(ENDPOINTS, title="Test", version="1")["paths"]
    assert paths.keys() == {"/things/{id}", "/img/{id}", "/img/{id}/{plan}.{ext}"}
    assert paths["/things/{id}"].keys() == {"get", "head", "post"}
    get, post = paths["/things/{id}"]["get"], paths["/things/{id}"]["post"]
    assert get["responses"].keys() == {"200", "404", "414", "500", "503"}
    assert post["responses"].keys() == {"201", "204", "400", "408", "414", "415", "500"}
    assert {"ETag", "X-Request-ID"} <= get["responses"]["200"]["headers"].keys()
    assert "Retry-After" in get["responses"]["503"]["headers"]
    assert "/problems/unknown-image" in get["responses"]["404"]["description"]


def test_path_parameters_come_from_the_path_with_their_types() -> None:
    paths = document(ENDPOINTS, title="Test", version="1")["paths"]
    by_name = {parameter["name"]: parameter for parameter in paths["/things/{id}"]["get"]["parameters"]}
    assert by_name["id"]["schema"] == {"type": "integer"}
    assert by_name["deep"]["example"] == 2
    assert [parameter["name"] for parameter in paths["/img/{id}/{plan}.{ext}"]["get"]["parameters"]] == ["id", "plan", "ext"]


def test_a_head_request_is_described_like_the_get_without_content() -> None:
    head = document(ENDPOINTS, title="Test", version="1")["paths"]["/things/{id}"]["head"]
    assert all("content" not in response for response in head["responses"].values())
    assert "ETag" in head["responses"]["200"]["headers"]


async def test_a_405_names_the_methods_of_all_endpoints_of_the_path(client: httpx2.AsyncClient) -> None:
    answer = await client.delete("/things/1")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD, POST"


async def test_each_method_reaches_its_handler_and_head_that_of_get(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/things/1")).text == "show 1"
    assert (await client.post("/things/1")).text == "make"
    assert (await client.head("/things/1")).headers["content-length"] == str(len("show 1"))
    assert (await client.get("/things/x")).status_code == 404


def test_two_handlers_for_the_same_method_and_path_are_refused() -> None:
    other = Endpoint(method="GET", path="/things/{id:int}", handler=make, summary="", tag="", responses={})
    with pytest.raises(ValueError, match="two handlers"):
        routes((*ENDPOINTS, other))
