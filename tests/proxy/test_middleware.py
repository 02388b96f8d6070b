"""The edge: what every request passes, what every answer carries, and what the log says."""

import io
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx2
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Message

from proxy import logs, metrics
from proxy.middleware import Edge
from proxy.settings import Settings
from services.errors import UnknownImage
from transforms.errors import PoolBusy

pytestmark = pytest.mark.anyio

MAX_BODY = 1000


async def hello(_: Request) -> Response:
    return PlainTextResponse("hello")


async def framed(_: Request) -> Response:
    return PlainTextResponse("page", headers={"content-security-policy": "default-src 'self'"})


async def missing(_: Request) -> Response:
    raise UnknownImage("There is no such image.")


async def busy(_: Request) -> Response:
    raise PoolBusy("Busy.")


async def bug(_: Request) -> Response:
    raise RuntimeError("hunter2")


async def bug_on_the_way(_: Request) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"begun"
        raise RuntimeError("hunter2")

    return StreamingResponse(chunks())


async def length(request: Request) -> Response:
    return PlainTextResponse(str(sum([len(chunk) async for chunk in request.stream()])))


HANDLERS = {"/hello": hello, "/framed": framed, "/missing": missing, "/busy": busy, "/bug": bug, "/cut": bug_on_the_way}


@pytest.fixture
def app() -> Starlette:
    table = [Route(path, handler) for path, handler in HANDLERS.items()]
    app = Starlette(routes=[*table, Route("/items/{id}", hello), Route("/length", length, methods=["POST"])])
    app.add_middleware(Edge, max_body=MAX_BODY, deadline=15)
    return app


@pytest.fixture
def client(app: Starlette) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://test")


def lines(log: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


async def test_an_answer_says_nothing_that_may_be_run_or_sniffed(client: httpx2.AsyncClient) -> None:
    for path in ("/hello", "/missing", "/bug", "/nowhere"):
        headers = (await client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'none'")


async def test_a_handler_may_have_a_policy_of_its_own(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/framed")).headers.get_list("content-security-policy") == ["default-src 'self'"]


@pytest.mark.parametrize(("given_id", "kept"), [("order-4711.a_b", True), ("short", False), ("a" * 65, False), ("with space", False)])
async def test_a_sane_request_id_is_kept_and_another_replaced(client: httpx2.AsyncClient, given_id: str, kept: bool) -> None:
    answer = await client.get("/missing", headers={"x-request-id": given_id})
    assert (answer.headers["x-request-id"] == given_id) is kept
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


async def test_each_request_without_an_id_gets_another(client: httpx2.AsyncClient) -> None:
    ids = {(await client.get("/hello")).headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/hello?" + "a" * 2041, 200),
        ("/hello?" + "a" * 2042, 414),
        ("/hello?url=" + "a" * 8181, 200),
        ("/hello?url=" + "a" * 8182, 414),
        ("/hello?x=1&url=" + "a" * 3000, 200),
        ("/hello?curl=" + "a" * 3000, 414),
    ],
)
async def test_a_uri_has_a_limit_and_a_higher_one_with_an_address_in_it(client: httpx2.AsyncClient, target: str, status: int) -> None:
    assert (await client.get(target)).status_code == status


async def test_a_body_has_a_limit_whether_it_is_announced_or_not(client: httpx2.AsyncClient) -> None:
    async def chunks(size: int) -> AsyncIterator[bytes]:
        for _ in range(size // 100):
            yield bytes(100)

    assert (await client.post("/length", content=bytes(MAX_BODY))).text == str(MAX_BODY)
    assert (await client.post("/length", content=bytes(MAX_BODY + 1))).status_code == 413
    assert (await client.post("/length", content=chunks(MAX_BODY))).text == str(MAX_BODY)
    answer = await client.post("/length", content=chunks(MAX_BODY + 100))
    assert answer.status_code == 413
    assert answer.json()["maximum"] == MAX_BODY


async def test_a_bug_is_a_500_without_its_reason_and_logged_with_it(client: httpx2.AsyncClient, log: io.StringIO) -> None:
    answer = await client.get("/bug")
    assert answer.status_code == 500
    assert "hunter2" not in answer.text
    bugs = [line for line in lines(log) if line["level"] == "error"]
    assert len(bugs) == 1
    assert "RuntimeError: hunter2" in bugs[0]["exception"]
    assert bugs[0]["request_id"] == answer.json()["request_id"]


async def test_a_bug_on_the_way_is_logged_and_the_answer_stays_unfinished(app: Starlette, log: io.StringIO) -> None:
    """uvicorn cuts the connection then, so that the client knows."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        await anyio.sleep_forever()
        raise AssertionError

    scope = {"type": "http", "method": "GET", "path": "/cut", "raw_path": b"/cut", "query_string": b"", "headers": [], "root_path": ""}
    await app(scope, receive, send)
    assert [message.get("more_body") for message in sent] == [None, True]
    assert [line["event"] for line in lines(log)] == ["bug", "request"]


async def test_each_request_is_one_line_with_route_status_and_time(client: httpx2.AsyncClient, log: io.StringIO) -> None:
    answer = await client.get("/items/7?v=1")
    (line,) = lines(log)
    assert (line["event"], line["method"], line["path"], line["route"], line["status"]) == (
        "request",
        "GET",
        "/items/7?v=1",
        "/items/{id}",
        200,
    )
    assert line["ms"] >= 0
    assert line["request_id"] == answer.headers["x-request-id"]


async def test_the_log_has_no_signature_and_no_line_of_a_strangers_making(client: httpx2.AsyncClient, log: io.StringIO) -> None:
    await client.get("/items/a%0Ab?x=1&s=topsecret&exp=5&s=again", headers={"x-request-id": "fine-1234"})
    assert "topsecret" not in log.getvalue()
    assert "again" not in log.getvalue()
    (line,) = lines(log)
    assert line["path"] == "/items/a%0Ab?x=1&s=***&exp=5&s=***"


async def test_what_is_turned_away_is_counted_and_logged_with_its_cause(client: httpx2.AsyncClient, log: io.StringIO) -> None:
    before = shed()
    assert (await client.get("/busy")).status_code == 503
    assert shed() == before + 1
    assert [line["problem"] for line in lines(log) if line["event"] == "turned_away"] == ["busy"]


def shed() -> float:
    found = re.search(r'^progimage_shed_total{problem="busy"} (\S+)$', metrics.exposition().decode(), re.MULTILINE)
    return float(found[1]) if found else 0.0


async def test_a_stranger_cannot_make_new_series(client: httpx2.AsyncClient) -> None:
    for path in ("/nowhere1", "/nowhere2", "/items/secret"):
        await client.request("BREW", path)
        await client.get(path)
    counted = metrics.exposition().decode()
    assert 'method="other"' in counted
    assert 'route="/items/{id}"' in counted
    assert not re.search("BREW|nowhere|secret", counted)


@given(before=st.text(max_size=20), secret=st.text("abcXYZ019-_", min_size=6), after=st.text(max_size=20))
def test_no_signature_survives_redaction(before: str, secret: str, after: str) -> None:
    assert logs.redacted(f"{before}&s={secret}&{after}") == f"{logs.redacted(before)}&s=***&{after}" or secret in f"{before}{after}"


def test_text_on_a_terminal_cannot_move_its_cursor() -> None:
    stream = io.StringIO()
    logs.configure(Settings(log_format="console"), stream)
    structlog.get_logger("fresh").warning("odd", path="/a\x1b[2J\nforged")
    structlog.reset_defaults()
    assert "\x1b" not in stream.getvalue()
    assert len(stream.getvalue().splitlines()) == 1
