"""Every rule of the proxy, between a real client and a real server: what the tests of faults rest upon."""

import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest
import redis

from tests.faults.proxy import Proxy, proxy
from tests.faults.rules import (
    Answer,
    Bandwidth,
    Cut,
    Down,
    DropAnswer,
    Flip,
    Garble,
    Latency,
    Lie,
    Replace,
    Rule,
    Stall,
    slow_down,
)
from tests.servers import Server, redis_server

pytestmark = pytest.mark.xdist_group("faults-proxy")

BODY = bytes(range(256)) * 400
DIGEST = hashlib.sha256(BODY).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """GET gives BODY (in chunks below /chunked, until the end of the connection below /close), PUT the digest of what came."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("X-Own", "kept")
        if self.path.startswith("/chunked"):
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY))
            return
        lasting = not self.path.startswith("/close")
        self.send_header(*(("Content-Length", str(len(BODY))) if lasting else ("Connection", "close")))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(BODY)

    do_HEAD = do_GET  # noqa: N815 - http.server looks for this name

    def do_PUT(self) -> None:
        digest = hashlib.sha256(self.rfile.read(int(self.headers["Content-Length"]))).hexdigest().encode()
        self.server.stored = digest.decode()  # type: ignore[attr-defined]
        self.send_response(201)
        self.send_header("Content-Length", str(len(digest)))
        self.end_headers()
        self.wfile.write(digest)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


class Web(ThreadingHTTPServer):
    daemon_threads = True
    stored = ""

    def handle_error(self, *_: object) -> None:
        """Clients are cut off here on purpose."""


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    server = Web(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def shared(web: Web) -> Iterator[Proxy]:
    with proxy(f"http://127.0.0.1:{web.server_port}") as between:
        yield between


@pytest.fixture
def between(shared: Proxy) -> Iterator[Proxy]:
    shared.fired.clear()
    shared.asked.clear()
    yield shared
    shared.set()


@pytest.fixture
def client() -> Iterator[httpx2.Client]:
    with httpx2.Client(timeout=0.3, trust_env=False) as client:
        yield client


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def lines(server: Server) -> Iterator[Proxy]:
    """A proxy of a protocol that it does not know."""
    with proxy(server.url) as between:
        yield between


@pytest.fixture
def store(lines: Proxy) -> Iterator["redis.Redis"]:
    with redis.Redis.from_url(lines.url, socket_timeout=0.3, socket_connect_timeout=0.3, retry=None) as store:
        yield store
    lines.set()


@pytest.mark.parametrize("path", ["/plain", "/chunked", "/close"])
def test_what_no_rule_meets_passes_as_it_is(between: Proxy, client: httpx2.Client, path: str) -> None:
    for _ in range(2):
        answer = client.get(between.url + path)
        assert answer.content == BODY
        assert answer.headers["x-own"] == "kept"
    assert client.put(between.url + "/x", content=BODY).text == DIGEST
    assert client.head(between.url + "/plain").headers["content-length"] == str(len(BODY))
    assert between.asked == {"GET": 2, "PUT": 1, "HEAD": 1}
    assert between.fired == []


def test_a_body_waits_for_the_servers_leave(between: Proxy) -> None:
    with socket.create_connection(("127.0.0.1", between.port), timeout=2) as sock:
        sock.sendall(b"PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n")
        assert sock.recv(1000).startswith(b"HTTP/1.1 100 ")
        sock.sendall(b"x")
        assert sock.recv(1000).startswith(b"HTTP/1.1 201 ")


LOST = (httpx2.RemoteProtocolError, httpx2.ReadError)
FAILURES: list[tuple[Rule, str, type[Exception] | tuple[type[Exception], ...]]] = [
    (Down(), "/plain", httpx2.ConnectError),
    (Down(refuse=False), "/plain", LOST),
    (Stall(), "/plain", httpx2.ReadTimeout),
    (Stall(to="client"), "/plain", httpx2.ReadTimeout),
    (DropAnswer(), "/plain", httpx2.ReadTimeout),
    (DropAnswer(close=True), "/plain", LOST),
    (Cut(after=0), "/plain", LOST),
    (Cut(after=50_000), "/plain", LOST),
    (Cut(after=50_000), "/chunked", LOST),
    (Cut(after=10, to="server"), "/put", LOST),
    (Lie(by=1), "/plain", httpx2.RemoteProtocolError),
    (Lie(by=1), "/chunked", httpx2.RemoteProtocolError),
    (Garble(data=b"\x00\xffnonsense\r\n\r\n"), "/plain", httpx2.RemoteProtocolError),
    (Latency(seconds=1), "/plain", httpx2.ReadTimeout),
]


@pytest.mark.parametrize(("rule", "path", "failure"), FAILURES, ids=[f"{rule}{path}" for rule, path, _ in FAILURES])
def test_a_client_meets_the_failure_and_then_none(
    between: Proxy, client: httpx2.Client, rule: Rule, path: str, failure: type[Exception] | tuple[type[Exception], ...]
) -> None:
    method, content = ("PUT", BODY) if path == "/put" else ("GET", None)
    with between.broken(rule), pytest.raises(failure):
        client.request(method, between.url + path, content=content)
    assert client.request(method, between.url + path, content=content).is_success
    # Who is refused is never seen.
    assert [fired.rule for fired in between.fired][:1] == ([] if rule == Down() else [rule])


ANSWERS: list[tuple[Rule, int, bytes, str | None]] = [
    (slow_down(), 503, b"<Error><Code>SlowDown</Code></Error>", None),
    (Answer(status=403, body=b"no"), 403, b"no", None),
    (Replace(status=500), 500, BODY, "kept"),
    (Replace(body=b"other", headers=(("X-Own", "mine"),)), 200, b"other", "mine"),
    (Flip(at=1), 200, b"\x00\x11" + BODY[2:], "kept"),
    (Flip(at=-1), 200, BODY[:-1] + b"\xef", "kept"),
    (Lie(by=-5), 200, BODY[:-5], "kept"),
]


@pytest.mark.parametrize(("rule", "status", "body", "own"), ANSWERS, ids=[f"{rule}" for rule, *_ in ANSWERS])
def test_an_answer_is_another(between: Proxy, rule: Rule, status: int, body: bytes, own: str | None) -> None:
    for path in ("/plain", "/chunked"):
        with httpx2.Client(timeout=0.3, trust_env=False) as client:
            with between.broken(rule):
                answer = client.get(between.url + path)
            assert (answer.status_code, answer.content, answer.headers.get("x-own")) == (status, body, own)
            assert client.get(between.url + path).content == BODY


def test_an_upload_is_damaged_on_its_way(between: Proxy, client: httpx2.Client) -> None:
    with between.broken(Flip(at=0, to="server")):
        assert client.put(between.url + "/x", content=BODY).text == hashlib.sha256(b"\x10" + BODY[1:]).hexdigest()


def test_what_the_client_never_hears_of_was_done(between: Proxy, client: httpx2.Client, web: Web) -> None:
    web.stored = ""
    with between.broken(DropAnswer(close=True)), pytest.raises(LOST):
        client.put(between.url + "/x", content=BODY)
    assert web.stored == DIGEST


def test_what_was_held_goes_on(between: Proxy) -> None:
    with httpx2.Client(timeout=5, trust_env=False) as client:
        began = time.monotonic()
        threading.Timer(0.3, between.set).start()
        between.set(Stall())
        assert client.get(between.url + "/plain").content == BODY
        assert time.monotonic() - began >= 0.3


@pytest.mark.parametrize(
    ("rule", "least"), [(Latency(seconds=0.1), 0.2), (Latency(seconds=0.2, to="client"), 0.2), (Bandwidth(per_second=400_000), 0.25)]
)
def test_it_takes_time(between: Proxy, client: httpx2.Client, rule: Rule, least: float) -> None:
    began = time.monotonic()
    with between.broken(rule):
        assert client.get(between.url + "/plain").content == BODY
    assert least <= time.monotonic() - began < least + 0.4


def statuses(between: Proxy, client: httpx2.Client, *paths: str) -> list[int]:
    return [client.get(between.url + path).status_code for path in paths]


def test_a_rule_chooses_its_messages(between: Proxy, client: httpx2.Client) -> None:
    with between.broken(Answer(status=404, method="GET", target="^/keys/", each=2)):
        assert statuses(between, client, *["/keys/a"] * 3, "/keys/b", "/plain") == [404, 404, 200, 404, 200]
        assert client.head(between.url + "/keys/a").status_code == 200
    with between.broken(Answer(status=404, times=1), Answer(status=410, times=1)):
        assert statuses(between, client, "/a", "/a", "/a") == [404, 410, 200]


def test_chance_is_the_same_for_the_same_seed(web: Web, client: httpx2.Client) -> None:
    seen = []
    for seed in (1, 1, 2):
        with proxy(f"http://127.0.0.1:{web.server_port}", seed=seed) as between, between.broken(slow_down(0.3)):
            seen.append(statuses(between, client, *["/plain"] * 25))
            assert len(between.fired) == seen[-1].count(503)
    assert seen[0] == seen[1] != seen[2]
    assert 2 <= seen[0].count(503) <= 14


def test_connections_that_are_cut_are_forgotten(between: Proxy, client: httpx2.Client) -> None:
    client.get(between.url + "/plain")
    assert between.open == 1
    between.cut_all()
    assert between.open == 0
    assert client.get(between.url + "/plain").content == BODY


REDIS_FAILURES: list[tuple[Rule, type[Exception]]] = [
    (Down(), redis.ConnectionError),
    (Down(refuse=False), redis.ConnectionError),
    (Stall(), redis.TimeoutError),
    (DropAnswer(target="GET"), redis.TimeoutError),
    (DropAnswer(target="GET", close=True), redis.ConnectionError),
    (Cut(after=3), redis.ConnectionError),
    (Garble(data=b"HTTP/1.1 400\r\n\r\n", target="GET"), redis.RedisError),
    (Flip(at=0), redis.RedisError),
]


@pytest.mark.parametrize(("rule", "failure"), REDIS_FAILURES, ids=[str(rule) for rule, _ in REDIS_FAILURES])
def test_other_protocols_fail_alike(lines: Proxy, store: "redis.Redis", rule: Rule, failure: type[Exception]) -> None:
    assert store.set("key", BODY)
    with lines.broken(rule), pytest.raises(failure):
        store.get("key")
    assert store.get("key") == BODY
    with lines.broken(Flip(at=-3, target="GET")):
        assert store.get("key") != BODY


def test_a_reset_is_a_reset(lines: Proxy) -> None:
    with socket.create_connection(("127.0.0.1", lines.port), timeout=2) as sock:
        sock.sendall(b"PING\r\n")
        assert sock.recv(10) == b"+PONG\r\n"
        lines.cut_all()
        with pytest.raises(ConnectionResetError):
            sock.recv(10)


def test_a_server_that_is_away_is_a_connection_that_ends() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        with proxy(f"redis://127.0.0.1:{port}/0") as between, socket.create_connection(("127.0.0.1", between.port), timeout=2) as sock:
            assert sock.recv(10) == b""
