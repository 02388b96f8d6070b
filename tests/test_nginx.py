"""nginx/progimage.conf, run by a real nginx in front of a tiny app that tells what reached it."""

import asyncio
import json
import re
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate, parsedate_to_datetime
from http import HTTPStatus
from http.client import HTTPResponse
from pathlib import Path

import httpx2
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from proxy.errors import ANSWERS, problem_type
from proxy.http import Freshness, freshness
from tests.servers import REPOSITORY, Server, free_port, nginx_server, wait_until

IMAGE = "/img/aaaaaaaaaaaaaaaaaaaaaaaaaa"
FOR_EVER = freshness()


def lifetime(target: str) -> Freshness:
    """What the app says of its pictures; some it gives for a second: with a preset, with a signature that ends, of another host."""
    now = time.time()
    brief = {"p_brief": freshness(now, fresh=1, named=True), "exp=1": freshness(now, exp=int(now) + 1), "brief": freshness(now, fresh=1)}
    return next((found for name, found in brief.items() if name in target), FOR_EVER)


pytestmark = pytest.mark.xdist_group("nginx")


@dataclass
class Upstream:
    """An app whose answers are made of what it was asked: `seen` counts the targets, `down` closes the door."""

    port: int = field(default_factory=free_port)
    seen: Counter[str] = field(default_factory=Counter)
    headers: dict[str, str] = field(default_factory=dict)

    async def answer(self, request: Request) -> Response:
        target = request.scope["raw_path"].decode() + (f"?{request.url.query}" if request.url.query else "")
        self.seen[target] += 1
        self.headers = dict(request.headers)
        body = b"".join([chunk async for chunk in request.stream()])
        if "slow" in target:
            await asyncio.sleep(0.3)
        if "redirect" in target:
            return Response(status_code=308, headers={"Location": f"{IMAGE}/w300.jpg", "Cache-Control": "public, max-age=86400"})
        if "missing" in target:
            return Response("none", status_code=404, headers={"Cache-Control": "public, max-age=60"})
        said = lifetime(target)
        headers = {
            "Cache-Control": said.control,
            **({} if said.until is None else {"Expires": formatdate(said.until, usegmt=True)}),
            "ETag": '"tag"',
            "Vary": "Accept",
            "X-Cache": "miss",
            "Server-Timing": "decode;dur=9",
        }
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        told = f"{target} accept={request.headers.get('accept')} body={len(body)} asked={self.seen[target]}"
        return Response(told, media_type="image/jpeg", headers={**headers, "X-Request-ID": request.headers["x-request-id"]})

    @contextmanager
    def up(self) -> Iterator[None]:
        app = Starlette(routes=[Route("/{path:path}", self.answer, methods=["GET", "HEAD", "POST"])])
        server = uvicorn.Server(uvicorn.Config(app, port=self.port, log_config=None, lifespan="off", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run)
        thread.start()
        wait_until(lambda: server.started, seconds=5, what="the app behind nginx")
        try:
            yield
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    upstream = Upstream()
    with upstream.up():
        yield upstream


@pytest.fixture(scope="module")
def nginx(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with nginx_server(tmp_path_factory.mktemp("nginx"), [f"127.0.0.1:{upstream.port}"]) as server:
        yield server


@pytest.fixture
def client(nginx: Server, upstream: Upstream) -> Iterator[httpx2.Client]:
    upstream.seen.clear()
    with httpx2.Client(base_url=nginx.url, trust_env=False) as client:
        yield client


def edge(response: httpx2.Response) -> str | None:
    return response.headers.get("X-Edge-Cache")


def raw(server: Server, request: bytes) -> HTTPResponse:
    """Send these very bytes, and return the answer (its body read) to them."""
    with socket.create_connection(("127.0.0.1", int(server.url.rsplit(":", 1)[1])), timeout=5) as connection:
        with suppress(ConnectionError):
            connection.sendall(request)
        response = HTTPResponse(connection)
        response.begin()
        response.read()
        return response


def get(server: Server, target: str) -> HTTPResponse:
    return raw(server, f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())


@pytest.mark.parametrize("site", ["site", "compose"])
def test_the_shipped_sites_are_complete_configurations(site: str, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "progimage.conf").write_text((REPOSITORY / "nginx/progimage.conf").read_text())
    for part in ("http.conf", "server.conf", "purge.conf"):
        text = (REPOSITORY / "nginx" / site / part).read_text()
        # The names of compose's containers exist only inside its network, and the folders only on a machine of its own.
        text = text.replace("app1:", "127.0.0.1:").replace("app2:", "127.0.0.2:").replace("/var/cache/nginx", str(tmp_path))
        text = (
            text.replace("/var/log/nginx", str(tmp_path))
            .replace("/dev/stdout", str(tmp_path / "log"))
            .replace("listen 80 ", "listen 8099 ")
            .replace("8090;", "8098;")
        )
        (tmp_path / "site" / part).write_text(text)
    command = ["nginx", "-t", "-p", str(tmp_path), "-c", str(tmp_path / "progimage.conf"), "-g", f"pid {tmp_path}/pid; error_log stderr;"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "[warn]" not in result.stderr.replace('the "user" directive', "")


def test_a_second_request_is_a_hit_that_does_not_repeat_how_the_first_was_made(client: httpx2.Client, upstream: Upstream) -> None:
    first, second = (client.get(f"{IMAGE}/w1.jpg", headers={"X-Request-ID": f"request-{n}"}) for n in (1, 2))
    assert (edge(first), edge(second)) == ("MISS", "HIT")
    assert first.content == second.content
    assert first.headers["X-Cache"] == "miss"
    assert "Server-Timing" in first.headers
    assert "X-Cache" not in second.headers
    assert "Server-Timing" not in second.headers
    assert second.headers["X-Request-ID"] == "request-2"
    assert upstream.seen.total() == 1


def test_a_hit_answers_conditions_ranges_and_head(client: httpx2.Client) -> None:
    whole = client.get(f"{IMAGE}/w2.jpg")
    assert client.get(f"{IMAGE}/w2.jpg", headers={"If-None-Match": whole.headers["ETag"]}).status_code == 304
    part = client.get(f"{IMAGE}/w2.jpg", headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, whole.content[:4])
    assert client.head(f"{IMAGE}/w2.jpg").headers["Content-Length"] == str(len(whole.content))


@pytest.mark.parametrize("query", ["?utm_source=mail", "?v=2", "?fbclid=x&v=1", "?exp", "?k=1"])
def test_what_means_nothing_is_not_in_the_key(client: httpx2.Client, query: str) -> None:
    client.get(f"{IMAGE}/w3.jpg")
    assert edge(client.get(f"{IMAGE}/w3.jpg{query}")) == "HIT"


def test_what_means_something_is_in_the_key(client: httpx2.Client, upstream: Upstream) -> None:
    queries = ["", "?url=a", "?url=b", "?s=x", "?s=y", "?s=x&exp=1", "?s=x&exp=2", "?s=x&k=1", "?s=x&k=2", "?url=a&s=x"]
    assert [edge(client.get(f"{IMAGE}/w4.jpg{query}")) for query in queries] == ["MISS"] * len(queries)
    assert [edge(client.get(f"{IMAGE}/w4.jpg{query}")) for query in queries] == ["HIT"] * len(queries)
    assert upstream.seen.total() == len(queries)


@pytest.mark.parametrize(
    ("accept", "token"),
    [
        ("image/avif,image/webp,image/apng,*/*;q=0.8", "image/avif,image/webp,*/*"),
        ("IMAGE/WEBP , image/avif;q=0.1", "image/avif,image/webp,*/*"),
        ("image/webp,*/*", "image/webp,*/*"),
        ("image/webp;q=0.8,image/avif;q=0", "image/webp,*/*"),
        ("image/avif;v=b3;q=0.000, image/webp;q=1", "image/webp,*/*"),
        ("image/avif", "image/avif,*/*"),
        ("image/avif,image/webp; q=0.0", "image/avif,*/*"),
        ("*/*", "*/*"),
        ("image/*", "*/*"),
        ("image/avifs,ximage/webp", "*/*"),
        ("text/html", "*/*"),
        ("", "*/*"),
    ],
)
def test_auto_has_four_classes_of_accept(client: httpx2.Client, accept: str, token: str) -> None:
    assert f"accept={token} " in client.get(f"{IMAGE}/w5.auto", headers={"Accept": accept}).text


def test_each_class_of_accept_has_one_entry_and_other_formats_have_one(client: httpx2.Client, upstream: Upstream) -> None:
    spellings = ["image/webp", "image/webp,*/*", "text/html, image/webp;q=0.9", "image/webp;q=0.4,image/avif;q=0"]
    for path in ("w6.auto", "w6.auto.json", "w6.jpg"):
        assert [edge(client.get(f"{IMAGE}/{path}", headers={"Accept": accept})) for accept in spellings] == ["MISS", "HIT", "HIT", "HIT"]
    assert upstream.seen.total() == 3


@pytest.mark.parametrize(
    "target",
    [
        f"{IMAGE}/redirect%37.jpg",
        "/img/%61aaaaaaaaaaaaaaaaaaaaaaaaa/w7.jpg",
        "//img/aaaaaaaaaaaaaaaaaaaaaaaaaa/w7.jpg",
        "/img//aaaaaaaaaaaaaaaaaaaaaaaaaa/w7.jpg",
        f"{IMAGE}/./w7.jpg",
        f"{IMAGE}/x/../w7.jpg",
        f"{IMAGE}/w7.jpg?url=a&url=b",
        f"{IMAGE}/w7.jpg?url=&v=1&url=b",
        f"{IMAGE}/w7.jpg?%75rl=b",
        f"{IMAGE}/w7.jpg?v=1&%73=x",
        f"{IMAGE}/w7.jpg?URL=b",
        f"{IMAGE}/w7.jpg?S=b&s=c",
    ],
)
def test_what_nginx_and_the_app_may_read_differently_neither_reads_nor_writes_the_cache(
    client: httpx2.Client, nginx: Server, upstream: Upstream, target: str
) -> None:
    for _ in range(2):
        assert get(nginx, target).headers["X-Edge-Cache"] == "BYPASS"
    assert upstream.seen[target] == 2


def test_a_percent_in_a_value_is_no_oddity(client: httpx2.Client, nginx: Server) -> None:
    target = f"{IMAGE}/w8.jpg?url=https%3A%2F%2Fexample.org%2Fa.jpg"
    assert [get(nginx, target).headers["X-Edge-Cache"] for _ in range(2)] == ["MISS", "HIT"]


@pytest.mark.parametrize("path", ["redirect.jpg", "missing.jpg"])
def test_redirects_and_errors_are_not_kept(client: httpx2.Client, upstream: Upstream, path: str) -> None:
    for _ in range(2):
        assert edge(client.get(f"{IMAGE}/{path}")) == "MISS"
    assert upstream.seen.total() == 2


def test_other_routes_are_not_cached(client: httpx2.Client, upstream: Upstream) -> None:
    for path in ("/images/x/", "/products", "/readyz"):
        assert [edge(client.get(path)) for _ in range(2)] == [None, None]
    assert upstream.seen.total() == 6


def test_many_requests_for_one_cold_variant_reach_the_app_once(client: httpx2.Client, upstream: Upstream) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: client.get(f"{IMAGE}/slow9.jpg"), range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert upstream.seen.total() == 1


def test_headers_that_are_not_in_the_key_do_not_reach_the_app(client: httpx2.Client, upstream: Upstream) -> None:
    client.get(f"{IMAGE}/w10.jpg", headers={"X-Forwarded-Host": "evil", "Cookie": "a=b", "Accept-Language": "de"})
    assert not {"x-forwarded-host", "cookie", "accept-language"} & set(upstream.headers)


@pytest.mark.parametrize(("sent", "kept"), [("good-id.1234", True), ("short", False), ("spaces are odd", False), ("x" * 65, False)])
def test_a_sane_request_id_travels_on_and_another_is_replaced(client: httpx2.Client, upstream: Upstream, sent: str, *, kept: bool) -> None:
    told = client.get("/products", headers={"X-Request-ID": sent}).headers["X-Request-ID"]
    assert (told == sent) is kept
    assert upstream.headers["x-request-id"] == told


def test_the_refresh_secret_overwrites_an_entry(client: httpx2.Client, upstream: Upstream) -> None:
    path = f"{IMAGE}/w11.jpg"
    client.get(path)
    assert edge(client.get(path, headers={"X-Refresh-Cache": "a guess"})) == "HIT"
    assert edge(client.get(path, headers={"X-Refresh-Cache": "refresh secret"})) == "BYPASS"
    assert "asked=2" in client.get(path).text
    assert "x-refresh-cache" not in upstream.headers


@pytest.mark.parametrize("path", ["/metrics", "/metrics/", "/%6detrics", "/img/../metrics", "//metrics", "/admin/x"])
def test_the_machines_own_pages_are_closed(client: httpx2.Client, nginx: Server, upstream: Upstream, path: str) -> None:
    assert get(nginx, path).status == 404
    assert upstream.seen.total() == 0


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 27262977\r\n\r\n", 413),
        (b"POST /uploads HTTP/1.1\r\nHost: x\r\nContent-Length: 272629761\r\n\r\n", 413),
        (b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-Big: " + b"a" * 10_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-Many: 12345678901234567890\r\n" * 2_000 + b"\r\n", 431),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n", 501),
    ],
)
def test_what_is_too_large_or_two_faced_ends_at_nginx(
    client: httpx2.Client, nginx: Server, upstream: Upstream, request_: bytes, status: int
) -> None:
    answer = raw(nginx, request_)
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert upstream.seen.total() == 0


def test_nginx_speaks_of_problems_as_the_app_does() -> None:
    shared = {problem_type(kind): (answer.status, answer.title) for kind, answer in ANSWERS.items()}
    bodies = re.findall(r"^ +(\d+) '(\"type\".*)';$", (REPOSITORY / "nginx/progimage.conf").read_text(), re.MULTILINE)
    problems = [(int(status), json.loads(f"{{{body}}}")) for status, body in bodies]
    assert len(problems) == 12
    for status, problem in problems:
        # What only nginx can tell has no page of ours: RFC 9457 then wants the phrase of the status as its title.
        expected = (status, HTTPStatus(status).phrase) if problem["type"] == "about:blank" else shared[problem["type"]]
        assert (status, problem["title"]) == expected


def test_a_request_line_of_8192_bytes_is_for_the_app_to_judge(client: httpx2.Client, nginx: Server, upstream: Upstream) -> None:
    assert get(nginx, f"{IMAGE}/w13.jpg?url=" + "a" * 8192).status == 200


def test_an_upload_streams_to_the_app_as_it_arrives(client: httpx2.Client) -> None:
    assert "body=3000000" in client.post("/uploads", content=iter([b"x" * 1_000_000] * 3)).text


def test_a_client_that_asks_too_much_is_told_so(upstream: Upstream, tmp_path: Path) -> None:
    with nginx_server(tmp_path, [f"127.0.0.1:{upstream.port}"], counted=True) as server, httpx2.Client(trust_env=False) as client:
        answers = [client.get(f"{server.url}/products") for _ in range(260)]
    limited = [answer for answer in answers if answer.status_code == 429]
    assert limited
    assert answers[0].status_code == 200
    assert limited[0].headers["Retry-After"]
    assert limited[0].headers["Content-Type"] == "application/problem+json"


def test_with_the_app_gone_what_was_seen_is_served_and_what_was_not_is_a_503(tmp_path: Path) -> None:
    upstream, over = Upstream(), (f"{IMAGE}/p_brief.jpg", f"{IMAGE}/w1.jpg?s=x&exp=1")
    with nginx_server(tmp_path, [f"127.0.0.1:{upstream.port}"]) as server, httpx2.Client(base_url=server.url, trust_env=False) as client:
        with upstream.up():
            for path in (f"{IMAGE}/w1.jpg", f"{IMAGE}/brief.jpg", *over):
                client.get(path)
        time.sleep(2)
        assert edge(client.get(f"{IMAGE}/w1.jpg")) == "HIT"
        assert edge(client.get(f"{IMAGE}/brief.jpg")) in {"STALE", "UPDATING"}
        # What a preset stands for may be something else by now, and a signature is over when it is over.
        assert [client.get(path).status_code for path in over] == [503, 503]
        cold = client.get(f"{IMAGE}/w2.jpg")
    assert cold.status_code == 503
    assert cold.headers["Retry-After"]
    assert cold.json()["request_id"] == cold.headers["X-Request-ID"]


def test_what_was_kept_too_long_says_anew_until_when(client: httpx2.Client) -> None:
    def until() -> float:
        return parsedate_to_datetime(client.get(f"{IMAGE}/brief_again.jpg").headers["Expires"]).timestamp()

    first = until()
    time.sleep(max(0, first + 1 - time.time()))
    wait_until(lambda: until() > first, seconds=5, what="a later Expires")


def test_a_get_whose_app_is_gone_is_asked_of_the_next(upstream: Upstream, tmp_path: Path) -> None:
    addresses = [f"127.0.0.1:{free_port()}", f"127.0.0.1:{upstream.port}"]
    with nginx_server(tmp_path, addresses) as server, httpx2.Client(base_url=server.url, trust_env=False) as client:
        assert [client.get(f"{IMAGE}/w{n}.jpg").status_code for n in range(14, 20)] == [200] * 6


def test_signatures_stay_out_of_the_log(client: httpx2.Client, nginx: Server) -> None:
    client.get(f"{IMAGE}/w20.jpg?s=secret-signature")
    log = nginx.log.parent / "access.log"
    wait_until(lambda: f"{IMAGE}/w20.jpg?..." in log.read_text(), seconds=3, what="the line in the log")
    assert "secret-signature" not in log.read_text()
