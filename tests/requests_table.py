"""docs/tables/requests.toml as values: every request that it stands for, byte for byte as it goes over the wire."""

import re
import socket
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlsplit

from proxy.signing import Signer
from tests.servers import REPOSITORY

TABLE = REPOSITORY / "docs" / "tables" / "requests.toml"
REPEATED = re.compile(r"\{([^{}]+)\*([0-9]+)\}")
METHOD = re.compile(r"[A-Z]+ ")
SECONDS = 10


@dataclass(frozen=True, kw_only=True)
class Case:
    """Requests that have the same answer. Each field is described at the top of the table."""

    requests: Sequence[str]
    status: int
    problem: str = ""
    detail: str = ""
    location: str = ""
    like: str = ""
    answer: Mapping[str, str] = field(default_factory=dict)
    headers: Sequence[str] = ()
    one_of: Sequence[str] = ()
    body: str = ""
    sign: Mapping[str, str] | None = None
    direct: bool = False


@dataclass(frozen=True, kw_only=True)
class Row:
    """A number of reliability.md §4, what is tried there, and the cases that prove the answer; or where they are `tested`."""

    number: int
    what: str
    cases: Sequence[Case] = ()
    also: str = ""
    tested: str = ""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def text(self) -> str:
        return self.body.decode(errors="replace")


def rows() -> list[Row]:
    return [_row(row) for row in tomllib.loads(TABLE.read_text())["row"]]


def _row(row: dict[str, Any]) -> Row:
    cases = tuple(Case(**case) for case in row.pop("case", ()))
    return Row(cases=cases, **row)


@dataclass(frozen=True, kw_only=True)
class Wire:
    """A server, and what the placeholders of the table stand for there."""

    url: str
    known: Mapping[str, str]
    picture: bytes
    signer: Signer

    def sent(self, case: Case) -> Iterator[tuple[str, Answer]]:
        """Each request of the case, and its answer."""
        known = self._known(case)
        for request in case.requests:
            for extra in case.one_of or ("",):
                headers = [filled(line, known) for line in (*case.headers, extra) if line]
                asked = filled(request, known)
                yield f"{asked} {extra}".strip(), self.send(asked, headers, self._body(filled(case.body, known)))

    def at(self, url: str) -> "Wire":
        """The same behind another address."""
        return replace(self, url=url)

    def filled(self, text: str, case: Case) -> str:
        """The text as it stands in the requests of this case."""
        return filled(text, self._known(case))

    def send(self, request: str, headers: Sequence[str] = (), body: bytes = b"") -> Answer:
        """The request as it is: nothing of it is put right on the way."""
        method, target = request.split(" ", 1) if METHOD.match(request) else ("GET", request)
        host, lines = urlsplit(self.url).netloc, [*headers, "Connection: close"]
        names = {line.partition(":")[0].lower() for line in lines}
        lines += [] if "host" in names else [f"Host: {host}"]
        lines += [f"Content-Length: {len(body)}"] if body and not names & {"content-length", "transfer-encoding"} else []
        head = "\r\n".join([f"{method} {target} HTTP/1.1", *(line for line in lines if line != "Host:"), "", ""])
        return exchange(self.url, head.encode() + body, method)

    def _known(self, case: Case) -> Mapping[str, str]:
        if case.sign is None:
            return self.known
        exp = case.sign.get("exp", "")
        exp = str(int(time.time()) + int(exp)) if exp[:1] in ("+", "-") else exp
        path = filled(case.sign["path"], self.known)
        url = self.signer.signed(path, exp=exp, k=case.sign.get("k", ""))
        signature = url.rpartition("s=")[2]
        return {**self.known, "s": signature, "exp": exp, "S": signature.upper(), "short": signature[:22]}

    def _body(self, text: str) -> bytes:
        if text == "a picture, a byte a chunk":
            return b"".join(b"1\r\n%b\r\n" % bytes([byte]) for byte in self.picture) + b"0\r\n\r\n"
        return self.picture if text == "a picture" else text.encode("latin-1")


def exchange(url: str, request: bytes, method: str) -> Answer:
    """One request on a connection of its own."""
    where = urlsplit(url)
    with socket.create_connection((where.hostname, where.port), SECONDS) as connection:
        connection.sendall(request)
        # Nobody here wants a body that is announced only: whoever says `Expect` is refused.
        assert not connection.recv(12, socket.MSG_PEEK).endswith(b" 100")
        response = HTTPResponse(connection, method=method)
        response.begin()
        headers = {name.lower(): ", ".join(response.headers.get_all(name, [])) for name in response.headers}
        return Answer(status=response.status, headers=headers, body=response.read())


def filled(text: str, known: Mapping[str, str]) -> str:
    """The text with `{name}` as it is known, and `{text*n}` as n times the text."""
    for name, value in known.items():
        text = text.replace(f"{{{name}}}", value)
    return REPEATED.sub(lambda match: match[1] * int(match[2]), text)
