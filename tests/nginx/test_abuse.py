"""What is no request, or two in one, ends at nginx; what nginx can read reaches the app as one orderly request."""

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path

import pytest

from tests.nginx.abuse import Abuse, cleaned, refused
from tests.nginx.conftest import Site
from tests.nginx.wire import connected, everything, exchange, replies
from tests.photos import photo
from tests.servers import Server, wait_until

pytestmark = pytest.mark.xdist_group("nginx")

REFUSED, CLEANED = tuple(refused()), tuple(cleaned())
WAYS_TO_METRICS = (
    "/metrics",
    "/metrics/",
    "/metrics?",
    "/metrics#x",
    "/%6detrics",
    "//metrics",
    "/./metrics",
    "/x/../metrics",
    "/img/../metrics",
    "/img/%2e%2e/metrics",
    "/img/..%2fmetrics",
    "/img/%252e%252e%252fmetrics",
    "/img//..//metrics",
    "/METRICS",
    "/metrics;x",
    "/metrics%20",
    "/metrics%0a",
    "/metrics%2f",
    "/metrics.json",
    "http://127.0.0.1/metrics",
    "/admin",
    "/admin/",
)
WAYS_OUT = (
    "/img/../../etc/passwd",
    "/img/..%2f..%2fetc/passwd",
    "/img/%2e%2e/%2e%2e/etc/passwd",
    "/img/%252e%252e%252fetc%252fpasswd",
    "/img/..%5c..%5cetc%5cpasswd",
    "/img/..\\..\\etc\\passwd",
    "/img/%c0%ae%c0%ae/etc/passwd",
    "/img/%uff0e%uff0e/etc/passwd",
    "/img/....//....//etc/passwd",
    "/img/..%00/etc/passwd",
    "/img/..;/etc/passwd",
    "/img/%ff%fe/etc/passwd",
    "/../../etc/passwd",
    "/etc/passwd",
    "/images/..%2f..%2fetc%2fpasswd/",
)


@pytest.mark.parametrize("abuse", REFUSED, ids=lambda abuse: abuse.name)
def test_what_is_no_request_ends_at_nginx(site: Site, abuse: Abuse) -> None:
    before = site.requests()
    (answer,) = exchange(site.nginx, abuse.sent)
    assert answer.status in abuse.statuses
    assert site.requests() == before


@pytest.mark.parametrize("abuse", CLEANED, ids=lambda abuse: abuse.name)
def test_what_is_odd_reaches_the_app_as_one_request(site: Site, abuse: Abuse) -> None:
    before = site.requests()
    (answer,) = exchange(site.nginx, abuse.sent)
    assert answer.status in abuse.statuses
    assert answer.header("content-type") == "application/problem+json"
    assert not [value for _, value in answer.headers if "evil" in value]
    assert b"evil" not in answer.body
    wait_until(lambda: site.requests() > before, seconds=2, what="the request in the app's numbers")
    assert site.requests() == before + abuse.reaches


def test_nginx_s_own_refusals_are_problems_that_nobody_keeps(site: Site) -> None:
    for abuse in REFUSED:
        (answer,) = exchange(site.nginx, abuse.sent)
        assert answer.header("content-type") == "application/problem+json", abuse.name
        assert answer.header("cache-control") == "no-store"
        assert answer.header("x-content-type-options") == "nosniff"
        assert b"pictures.example" not in answer.body


def test_a_neighbour_notices_nothing(site: Site) -> None:
    """Everybody at once: 200 for the neighbour, and neither app restarts or tells of a bug."""
    image_id = site.upload()
    rows = [*REFUSED, *CLEANED] * 3
    with ThreadPoolExecutor(8) as abusers:
        abused = [abusers.submit(exchange, site.nginx, abuse.sent, seconds=20) for abuse in rows]
        plans = [plan for width in range(100, 140) for plan in (f"w{width}", "w99")]
        statuses = [site.client.get(f"{site.url}/img/{image_id}/{plan}.webp").status_code for plan in plans]
        answers = [answer for each in abused for answer in each.result()]
    assert set(statuses) == {200}
    assert {answer.status for answer in answers if answer.status >= 500} <= {501, 505}
    assert not any('"event":"bug"' in app.log_text() for app in site.apps)


@pytest.mark.parametrize("path", WAYS_TO_METRICS)
def test_no_spelling_leads_to_the_machine_s_own_pages(site: Site, path: str) -> None:
    (answer,) = exchange(site.nginx, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert answer.status in {400, 404}
    assert b"progimage_" not in answer.body


@pytest.mark.parametrize("path", WAYS_OUT)
def test_no_path_leads_out(site: Site, path: str) -> None:
    for server in (site.nginx, site.apps[0]):
        (answer,) = exchange(server, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert answer.status in {400, 404}
        assert b"root:" not in answer.body


def test_http_0_9_gets_the_bytes_and_nothing_else(site: Site) -> None:
    path = f"/img/{site.upload()}/w50.png"
    picture = site.client.get(site.url + path).content
    with connected(site.nginx) as connection:
        connection.sendall(f"GET {path}\r\n".encode())
        assert everything(connection) == picture


@pytest.mark.parametrize("through", ["nginx", "app"])
def test_a_thousand_requests_at_once_are_answered_in_order_to_one_who_reads_slowly(site: Site, through: str) -> None:
    server = site.nginx if through == "nginx" else site.apps[0]
    image_id = site.upload(photo(600, 450))
    paths = [f"/img/{image_id}/w{width}.png" for width in (100, 150)]
    bodies = [site.client.get(server.url + path).content for path in paths]
    assert sum(map(len, bodies)) > 25_000, "too small to fill anybody's memory"
    last = f"GET {paths[1]} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    sent = "".join(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n" for path, _ in zip(cycle(paths), range(999), strict=False)) + last
    before = memory_of(server)
    with connected(server, seconds=30) as connection, ThreadPoolExecutor(1) as sender:
        sending = sender.submit(connection.sendall, sent.encode())
        time.sleep(0.5)
        while_waiting = memory_of(server) - before
        answers = replies(everything(connection))
        sending.result()
    assert [answer.body for answer in answers] == (bodies * 500)[:1000]
    assert while_waiting < 16 * 1024**2


def memory_of(server: Server) -> int:
    """The bytes that a server and its own children have in memory."""
    children = (Path("/proc") / str(server.pid) / "task" / str(server.pid) / "children").read_text().split()
    lines = ((Path("/proc") / pid / "status").read_text().splitlines() for pid in (str(server.pid), *children))
    return sum(int(line.split()[1]) * 1024 for each in lines for line in each if line.startswith("VmRSS:"))
