"""Every request of docs/tables/requests.toml, and what all errors have in common."""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from proxy.errors import PROBLEM_JSON, PROBLEMS
from proxy.signing import Signer
from tests.deployments import PROGIMAGE, Deployment, environment, progimage_server
from tests.e2e.conftest import eventually, store
from tests.photos import photo
from tests.requests_table import Answer, Case, Wire, filled, rows
from tests.servers import REPOSITORY

KEYS = {"k1": b"a key of the tests: " + b"1" * 32, "k2": b"a key of the tests: " + b"2" * 32}
SIGNED = {"PROGIMAGE_SIGNING_KEYS": ",".join(f"{name}={key.decode()}" for name, key in KEYS.items()), "PROGIMAGE_SIGNATURES": "all"}
# What two answers to the same request may tell differently.
PASSING = {"date", "x-request-id", "server-timing", "x-cache", "x-edge-cache"}
LONGEST_KEPT = {404: 60, 410: 60}
ROWS = rows()


def cases(*, signed: bool) -> list[object]:
    chosen = [(row, [case for case in row.cases if (case.sign is not None) == signed]) for row in ROWS]
    return [pytest.param(own, id=f"{row.number}") for row, own in chosen if own]


def wire_to(url: str) -> Wire:
    with httpx2.Client(base_url=url, timeout=30) as api:
        image_id = store(api, photo(800, 600))
        # What is told of a picture changes once more when its variants are warm.
        eventually(lambda: api.get(f"/images/{image_id}").json()["thumbhash"])
    return Wire(url=url, known={"id": image_id, "nobody": "a" * 26}, picture=photo(64, 48), signer=Signer(keys=KEYS, required="all"))


@pytest.fixture(scope="module")
def front(deployment: Deployment) -> Wire:
    """Where users come in."""
    return wire_to(deployment.url)


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """A server that wants every URL signed."""
    with progimage_server(tmp_path_factory.mktemp("signed"), SIGNED) as app:
        yield wire_to(app.url)


@pytest.mark.parametrize("own", cases(signed=False))
def test_a_request_has_the_answer_of_the_table(deployment: Deployment, front: Wire, own: list[Case]) -> None:
    for case in own:
        check(case, front.at(deployment.apps[0].url) if case.direct else front)
        if case.status >= 400:
            check_pages(case, front.at(deployment.apps[0].url))


def test_the_table_is_whole() -> None:
    assert [row.number for row in ROWS] == list(range(1, 59))
    for row in ROWS:
        assert row.cases or row.also or row.tested, row.number
        assert not row.tested or (REPOSITORY / row.tested).is_file(), row.number


@pytest.mark.parametrize("keys", ["k1=", "k1=too-short"])
def test_keys_that_protect_nothing_end_the_start(keys: str, tmp_path: Path) -> None:
    """Row 45."""
    settings = environment({"PROGIMAGE_SIGNING_KEYS": keys, "PROGIMAGE_SIGNATURES": "all", "PROGIMAGE_DATA": str(tmp_path)})
    ended = subprocess.run([PROGIMAGE, "serve"], env=settings, cwd=tmp_path, capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode != 0
    assert ended.stderr.startswith("progimage: PROGIMAGE_SIGNING_KEYS=")
    assert ended.stderr.count("\n") == 1


@pytest.mark.xdist_group("signed")
@pytest.mark.parametrize("own", cases(signed=True))
def test_a_signed_request_has_the_answer_of_the_table(signed: Wire, own: list[Case]) -> None:
    for case in own:
        check(case, signed)


PATHS = (
    "/img/{id}/",
    "/img/{id}",
    "/img/w9.webp",
    "/img/",
    "/images/{id}/",
    "/images/",
    "/uploads/",
    "/products/",
    "/on_demand/",
    "/transform/",
    "/download",
    "/upload-image",
    "/problems/",
    "/",
)
NAMES = ("url", "s", "exp", "k", "id", "exts", "w", "cursor", "limit", "name")
SCRAPS = (
    *(
        "/",
        "//",
        ".",
        "..",
        ",",
        ";",
        "\\",
        "%",
        "%2F",
        "%00",
        "%0A",
        "%ff",
        "%C3%A9",
        "%25",
        "+",
        "~",
        "*",
        "'",
        '"',
        "<b>",
        "[",
        "{",
        "|",
        "#",
    ),
    *(
        "{id}",
        "{nobody}",
        "{A*26}",
        "{9*30}",
        "w9",
        "h9",
        "w9,h9",
        "fit_cover",
        "rotate90",
        "p_x",
        "wm_{nobody}",
        "thumbnail",
        "_",
        "-1",
        "1e9",
    ),
    *(".webp", ".jpeg", ".auto", ".txt", ".json", ".JPG", "http%3A%2F%2Fa.example%2Fb", "http://a.example/", "http%3A%2F%2F127.0.0.1"),
)
TEXT = st.lists(st.sampled_from(SCRAPS), max_size=6).map("".join)
QUERY = st.lists(st.tuples(st.sampled_from(NAMES), TEXT), max_size=3).map(
    lambda pairs: "&".join(f"{name}={value}" for name, value in pairs)
)


TARGET = st.tuples(st.sampled_from(PATHS), TEXT, QUERY).map(lambda parts: f"{parts[0]}{parts[1]}?{parts[2]}")


@given(method=st.sampled_from(["GET", "HEAD", "POST", "DELETE"]), target=TARGET)
@settings(max_examples=200, deadline=None)
def test_no_request_is_a_bug_of_ours(deployment: Deployment, front: Wire, method: str, target: str) -> None:
    target = filled(target, front.known)
    assume(method != "DELETE" or front.known["id"] not in target)
    for wire in (front, front.at(deployment.apps[0].url)):
        answer = wire.send(f"{method} {target}")
        assert answer.status < 500, (method, target, answer.text())


def check(case: Case, wire: Wire) -> None:
    for request, answer in wire.sent(case):
        where = f"{request[:200]} {answer.status} {answer.text()[:300]}"
        assert answer.status == case.status, where
        for name, value in case.answer.items():
            found = answer.headers.get(name, "")
            assert filled(value, wire.known) in found if value else not found, where
        if case.location:
            assert answer.headers["location"] == wire.filled(case.location, case), where
        if case.like:
            assert_alike(request, answer, wire.send(wire.filled(case.like, case).replace("{request}", request.split(" ")[0])), where)
        if answer.status >= 400:
            assert_is_a_problem(answer, case, where)


def check_pages(case: Case, wire: Wire) -> None:
    """Somebody with a browser sees what was asked for, but as text."""
    for request, answer in wire.sent(replace(case, headers=[*case.headers, "Accept: text/html"])):
        where = f"{request[:200]} {answer.status} {answer.text()[:300]}"
        assert answer.status == case.status, where
        assert answer.headers["content-type"] in ("text/html; charset=utf-8", PROBLEM_JSON), where
        assert_is_safe(answer, where)
        if answer.headers["content-type"] != PROBLEM_JSON:
            assert not re.search(r"<(script|svg)|[^=]\"onload", answer.text()), where


def assert_alike(request: str, answer: Answer, other: Answer, where: str) -> None:
    def lasting(headers: dict[str, str]) -> dict[str, str]:
        return {name: value for name, value in headers.items() if name not in PASSING}

    assert other.status == answer.status, where
    assert lasting(dict(answer.headers)) == lasting(dict(other.headers)), where
    assert answer.body == (b"" if request.startswith("HEAD") else other.body), where


def assert_is_a_problem(answer: Answer, case: Case, where: str) -> None:
    """Row 58."""
    assert answer.headers["content-type"] == PROBLEM_JSON, where
    assert_is_safe(answer, where)
    problem = json.loads(answer.body)
    assert problem.keys() >= {"type", "title", "status", "detail", "request_id"}, where
    assert problem["status"] == answer.status, where
    assert problem["detail"].isprintable(), where
    assert case.detail in problem["detail"], where
    if case.problem:
        assert problem["type"] == PROBLEMS + case.problem, where


def assert_is_safe(answer: Answer, where: str) -> None:
    assert answer.headers["x-content-type-options"] == "nosniff", where
    kept = answer.headers["cache-control"]
    assert kept == "no-store" or int(kept.removeprefix("max-age=")) <= LONGEST_KEPT.get(answer.status, 10), where
