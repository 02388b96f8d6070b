"""A server that answers as told, for what no whole S3 server does: other dialects, cut answers, flipped bits."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True, kw_only=True)
class Answer:
    """`length` is what Content-Length claims, when that is not the truth."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    length: int | None = None


@dataclass(kw_only=True)
class Scripted:
    """Gives the answers of each method in turn, the last one for ever, and remembers the headers of what was asked."""

    url: str
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    asked: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)

    def methods(self) -> str:
        return " ".join(method for method, _ in self.asked)

    def next(self, method: str) -> Answer:
        answers = self.answers[method]
        return answers.pop(0) if len(answers) > 1 else answers[0]


class _Handler(BaseHTTPRequestHandler):
    script: Scripted
    # Its clients wait for a "100 Continue" before they send a body; version 1.0 knows none.
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.script.asked.append((self.command, dict(self.headers.items())))
        answer = self.script.next(self.command)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body) if answer.length is None else answer.length))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    do_GET = do_HEAD = do_PUT = answer  # noqa: N815 - http.server looks for these names

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@contextmanager
def scripted_server() -> Iterator[Scripted]:
    handler = type("Handler", (_Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    handler.script = script = Scripted(url=f"http://127.0.0.1:{server.server_port}")  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
