"""Every URL of docs/tables/sources.toml, through the real app: what it is answered, and whom it made the app connect to."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from proxy.errors import PROBLEM_JSON
from tests.servers import wait_until
from tests.world.cases import CASES, ROWS, Case
from tests.world.world import World

# What a client sends along, and no other host may see.
PRIVATE = {"Authorization": "Bearer secret", "Cookie": "session=secret", "Referer": "http://inside.example/", "X-Forwarded-For": "10.0.0.9"}
SENT = {"host", "accept", "accept-encoding", "user-agent", "cdn-loop", "connection"}
TYPES = {
    400: "bad-source-url",
    403: "source-not-allowed",
    404: "source-missing",
    415: "unsupported-format",
    502: "source-unavailable",
    503: "source-busy",
    504: "source-too-slow",
}
SLOWEST = 9.0


def test_the_table_has_all_rows() -> None:
    assert {str(row["number"]) for row in ROWS} == {*map(str, range(1, 73)), *(f"O{number}" for number in range(1, 8))}


@pytest.mark.parametrize("case", [case for case in CASES if not case.slow], ids=str)
def test_a_source_is_answered_as_the_table_says_and_nobody_else_is_contacted(world: World, case: Case) -> None:
    with world.watched() as seen:
        answer = world.ask(case.url, app=case.server, headers=PRIVATE)
    assert (answer.status_code, tuple(seen.peers)) == (case.status, case.connects), answer.text
    assert case.dns or not seen.of("question")
    for request in seen.of("request"):
        assert (request["method"], set(request["headers"]) - SENT) == ("GET", set())
        assert (request["headers"]["accept-encoding"], request["headers"]["cdn-loop"]) == ("identity", "progimage")
    assert_told_right(answer)


def test_what_is_slow_is_given_up(world: World) -> None:
    slow = [case for case in CASES if case.slow]
    with world.watched() as seen, ThreadPoolExecutor(len(slow)) as pool:
        answers = list(pool.map(lambda case: world.ask(case.url), slow))
    for case, answer in zip(slow, answers, strict=True):
        assert (case.url, answer.status_code) == (case.url, case.status)
        assert answer.elapsed.total_seconds() < SLOWEST
        assert_told_right(answer)
    assert Counter(seen.peers) == Counter(peer for case in slow for peer in case.connects)


def test_the_reason_is_in_the_log_with_the_host(world: World) -> None:
    failing = [case for case in CASES if case.status == 502]
    for case in failing:
        world.ask(case.url, app=case.server)
    wait_until(lambda: all(reasons(world, case) for case in failing), seconds=10, what="a reason for each of them")


def reasons(world: World, case: Case) -> list[str]:
    host = case.url.split("/")[2].partition(":")[0]
    lines = (line for line in world.servers[case.server].log_text().splitlines() if f'"{host}"' in line and "source_unavailable" in line)
    return [line for line in lines if json.loads(line)["reason"]]


def assert_told_right(answer: httpx2.Response) -> None:
    if answer.status_code == 200:
        assert answer.headers["content-type"] == "image/jpeg"
        return
    problem = answer.json()
    assert answer.headers["content-type"] == PROBLEM_JSON
    if answer.status_code in TYPES:
        assert problem["type"] == f"/problems/{TYPES[answer.status_code]}"
    if answer.status_code == 502:
        # Whatever the reason, nobody can tell it from the others.
        del problem["request_id"]
        assert problem == {
            "type": "/problems/source-unavailable",
            "title": "Source unavailable",
            "status": 502,
            "detail": "The picture cannot be fetched from its host.",
        }
