"""However many want a cold variant at the same time, in however many processes: it is decoded once, also when something dies."""

import asyncio
import re
import socket
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
import redis

from storage.leases import DEAD_SECONDS
from tests.deployments import Deployment, progimage_server
from tests.e2e.conftest import GROWN, eventually, stages, store
from tests.photos import photo
from tests.servers import Server, family, frozen, nginx_server

REQUESTS = 1000
CONNECTIONS = 200
FAST = "w333.webp"
pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("deployment", [GROWN], indirect=True)]


async def all_at_once(urls: Sequence[str]) -> list[httpx2.Response]:
    limits = httpx2.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    async with httpx2.AsyncClient(timeout=30, limits=limits, trust_env=False) as client:
        return list(await asyncio.gather(*(client.get(url) for url in urls)))


def decodes(apps: Sequence[Server]) -> int:
    """How many renders the variants of these processes have cost."""
    found = [re.search(r"^progimage_render_seconds_count (\S+)$", httpx2.get(f"{app.url}/metrics").text, re.MULTILINE) for app in apps]
    return sum(int(float(match[1])) for match in found if match)


def pictures(answers: Sequence[httpx2.Response]) -> set[bytes]:
    """The different pictures among the answers, which must all be some."""
    assert Counter("200" if answer.status_code == 200 else answer.text[:200] for answer in answers) == {"200": len(answers)}
    return {answer.content for answer in answers}


def wait_for_leader(deployment: Deployment, image_id: str) -> None:
    """Until a process has begun to make a variant of the image."""
    with redis.Redis.from_url(deployment.env["PROGIMAGE_REDIS_URL"]) as client:
        eventually(lambda: client.keys(f"lease:variants/{image_id}/*"))


def ask(app: Server, path: str) -> socket.socket:
    """Send a request, and leave the answer alone."""
    connection = socket.create_connection((urlsplit(app.url).hostname, urlsplit(app.url).port), timeout=30)
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: tests\r\n\r\n".encode())
    return connection


async def test_a_thousand_requests_for_one_cold_variant_are_one_decode(deployment: Deployment, api: httpx2.Client) -> None:
    image_id, before = store(api, photo(1600, 1200)), decodes(deployment.apps)
    answers = await all_at_once([f"{deployment.url}/img/{image_id}/{FAST}"] * REQUESTS)
    assert len(pictures(answers)) == 1
    assert decodes(deployment.apps) - before == 1


async def test_a_thousand_requests_spread_over_the_processes_are_one_decode(deployment: Deployment, api: httpx2.Client) -> None:
    apps = deployment.apps
    image_id, before = store(api, photo(1600, 1200)), decodes(apps)
    answers = await all_at_once([f"{apps[n % len(apps)].url}/img/{image_id}/{FAST}" for n in range(REQUESTS)])
    assert len(pictures(answers)) == 1
    assert decodes(apps) - before == 1
    hows = Counter(answer.headers["x-cache"] for answer in answers)
    assert hows["miss"] == 1
    assert hows["coalesced"] > len(apps)


async def test_what_somebody_asked_for_who_left_is_made_for_those_who_stay(deployment: Deployment, api: httpx2.Client) -> None:
    leader, other = deployment.apps
    image_id, before = store(api, photo(1600, 1200)), decodes([other])
    path = f"/img/{image_id}/{FAST}"
    with frozen(*family(leader.pid) - {leader.pid}):
        with ask(leader, path):
            wait_for_leader(deployment, image_id)
        followers = asyncio.create_task(all_at_once([f"{other.url}{path}"] * 20))
        await asyncio.sleep(0.5)
    answers = await followers
    assert len(pictures(answers)) == 1
    # On a busy machine some of them ask when it is made.
    assert {answer.headers["x-cache"] for answer in answers} <= {"coalesced", "hit"}
    assert decodes([other]) == before


async def test_a_process_that_is_killed_while_it_renders_costs_the_others_three_seconds_and_one_decode(
    deployment: Deployment, api: httpx2.Client, tmp_path: Path
) -> None:
    image_id, before = store(api, photo(1600, 1200)), decodes(deployment.apps)
    path, survivors = f"/img/{image_id}/{FAST}", deployment.apps
    with ExitStack() as stack:
        victim = stack.enter_context(progimage_server(tmp_path / "app", deployment.env))
        addresses = [app.url.removeprefix("http://") for app in (victim, *survivors)]
        edge = stack.enter_context(nginx_server(tmp_path / "nginx", addresses))
        stack.enter_context(frozen(*family(victim.pid) - {victim.pid}))
        stack.enter_context(ask(victim, path))
        wait_for_leader(deployment, image_id)
        followers = asyncio.create_task(all_at_once([f"{server.url}{path}" for server in (edge, *survivors)] * 20))
        await asyncio.sleep(0.1)
        victim.process.kill()
        victim.process.wait()
        answers = await followers
    assert len(pictures(answers)) == 1
    assert decodes(survivors) - before == 1
    (made,) = (stages(answer) for answer in answers if answer.headers.get("x-cache") == "miss")
    assert made["cache"] < DEAD_SECONDS + 1, "it waited for longer before it took over"
    assert max(answer.elapsed.total_seconds() for answer in answers) < sum(made.values()) + 2
