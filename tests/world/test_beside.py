"""What docs/tables/sources.toml says in words: of threads, times and logs, of uploads, and of a picture that is asked for again."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path
from statistics import median

import httpx2
import pytest

from tests.photos import size_of
from tests.servers import wait_until
from tests.world.documents import OTHERS, SVGS
from tests.world.origin import ETAG
from tests.world.world import World, threads_of

MANY = 200
# SQLite's connections have a thread each, twenty at most, and some files are written by threads.
MORE_THREADS = 32
MIB = 1024**2


def test_the_name_that_the_machine_gives_itself_is_no_source(world: World) -> None:
    with world.watched() as seen:
        answer = world.ask(f"http://{socket.gethostname()}/")
    assert answer.status_code in (403, 502)
    assert seen.peers == []


def test_a_name_is_looked_up_once_for_each_hop(world: World) -> None:
    with world.watched() as once:
        assert world.ask("http://first.rebinding.example/w").status_code == 200
    with world.watched() as twice:
        assert world.ask("http://second.rebinding.example/302/http://second.rebinding.example/w").status_code == 502
    assert (once.questions, once.peers) == (["first.rebinding.example"], ["93.184.216.34:80"])
    assert (twice.questions, twice.peers) == (["second.rebinding.example"] * 2, ["93.184.216.34:80"])


def test_many_who_wait_for_a_silent_name_server_need_no_threads(world: World) -> None:
    server, before = world.servers["open"], threads_of(world.servers["open"])
    with ThreadPoolExecutor(MANY) as pool:
        waiting = [pool.submit(world.ask, f"http://n{number}.silent.example/") for number in range(MANY)]
        time.sleep(1)
        during = threads_of(server)
        answers = [one.result() for one in waiting]
    # On a busy machine the catalog turns some of so many away.
    assert {answer.status_code for answer in answers} <= {503, 504}
    assert during - before <= MORE_THREADS
    assert world.ask("http://after.origin.example/").status_code == 200


def test_what_is_no_picture_is_neither_shown_nor_logged(world: World) -> None:
    answer = world.ask("http://leak.origin.example/credentials")
    assert answer.status_code == 415
    wait_until(lambda: answer.json()["request_id"] in world.servers["open"].log_text(), seconds=5, what="the line of this request")
    for told in (answer.text, world.servers["open"].log_text()):
        assert "ASIAWORLD" not in told
        assert "do-not-tell" not in told


def test_how_long_a_refusal_takes_tells_nothing_of_a_network(world: World) -> None:
    """A private address with an open port, with a closed one, a name that does not exist: asked for in turn, so that noise is shared."""
    kinds = ("{}.10-0-0-1.ip.example:80", "{}.10-0-0-1.ip.example:8081", "{}.nowhere.example:80")
    times: dict[str, list[float]] = {kind: [] for kind in kinds}
    bodies = set()
    for number, kind in enumerate(islice(cycle(kinds), 51)):
        answer = world.ask(f"http://{kind.format(f'n{number}')}/")
        times[kind].append(answer.elapsed.total_seconds())
        bodies.add((answer.status_code, answer.text.replace(answer.json()["request_id"], "")))
    assert len(bodies) == 1
    medians = [median(taken) for taken in times.values()]
    assert max(medians) - min(medians) < 0.05


@pytest.mark.parametrize("document", [*SVGS.values(), *OTHERS.values()], ids=[*SVGS, *OTHERS])
@pytest.mark.parametrize("app", ["open", "listed"])
def test_an_uploaded_document_makes_nobody_fetch_what_it_names(world: World, app: str, document: str) -> None:
    with world.watched() as seen:
        uploaded = world.apps[app].post("/images", content=document.encode())
        if uploaded.status_code == 201:
            drawn = world.apps[app].get(f"/img/{uploaded.json()['id']}/w32.png")
            assert drawn.status_code in (200, 422)
    assert (seen.peers, seen.of("question")) == ([], [])
    assert uploaded.status_code == 415 or (app == "listed" and document in SVGS.values() and uploaded.status_code in (201, 422))


def test_a_host_without_end_costs_no_more_memory_than_a_picture_may_have(world: World) -> None:
    world.ask("http://warm.origin.example/")
    before = memory_of(world)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda number: world.ask(f"http://flood{number}.origin.example/endless"), range(8)))
    assert {answer.status_code for answer in answers} == {422}
    assert memory_of(world) - before < 64 * MIB


def memory_of(world: World) -> int:
    """The most that the server has had in memory at any time."""
    status = Path(f"/proc/{world.servers['open'].pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def test_a_request_that_comes_from_a_progimage_is_not_passed_on(world: World) -> None:
    with world.watched() as seen:
        answer = world.ask("http://circle.origin.example/", headers={"CDN-Loop": "edge.example, progimage"})
    assert answer.status_code == 403
    assert seen.peers == []


@pytest.mark.parametrize(
    ("url", "status", "peers"),
    [
        ("http://169.254.169.254/latest/meta-data/", 403, []),
        ("http://2130706433/", 400, []),
        ("http://10-0-0-1.ip.example/", 502, []),
        ("http://demand.origin.example/302/http://127.0.0.1/", 502, ["93.184.216.34:80"]),
        ("http://demand.origin.example/credentials", 415, ["93.184.216.34:80"]),
        ("http://demand.origin.example/", 200, ["93.184.216.34:80"]),
    ],
)
def test_a_source_that_is_only_transformed_is_judged_alike(world: World, url: str, status: int, peers: list[str]) -> None:
    with world.watched() as seen:
        answer = world.apps["open"].post("/on_demand/thumbnail/", params={"url": url, "width": 32, "height": 32})
    assert (answer.status_code, seen.peers) == (status, peers), answer.text


@pytest.mark.soak
@pytest.mark.timeout(200)
def test_a_picture_is_asked_for_again_with_what_its_host_said_of_it(world: World) -> None:
    kept, changing = "http://kept.origin.example/kept", "http://changing.origin.example/changing"
    with world.watched() as seen:
        before = world.ask(kept), _both(world, changing)
        time.sleep(61)
        after = world.ask(kept), _both(world, changing)
    validators = [(request["host"], request["headers"].get("if-none-match")) for request in seen.of("request")]
    assert [value for host, value in validators if host == "kept.origin.example"] == [None, ETAG]
    assert [value for host, value in validators if host == "changing.origin.example"] == [None, '"1"']
    assert after[0].content == before[0].content
    assert [size_of(answer.content) for answer in before[1]] == [(40, 24), (80, 48)]
    assert [size_of(answer.content) for answer in after[1]] == [(48, 24), (96, 48)]


def _both(world: World, url: str) -> list[httpx2.Response]:
    """Two variants of one fetch."""
    return [world.ask(url, plan=f"h{height}.png") for height in (24, 48)]
