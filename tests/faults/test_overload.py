"""Too much work, and children that do nothing: what an app does then, seen from outside."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import httpx2
import pytest

from tests.deployments import progimage_server
from tests.e2e.conftest import eventually
from tests.faults.generator import offered
from tests.faults.report import Report, Request, judged, percentiles
from tests.faults.tagged import tagged
from tests.photos import photo
from tests.servers import Server, family, frozen

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("overload")]

NUMBER = 4711
DEADLINE = 2
# So slow that a small part of the machine makes far too much work of it.
COSTLY = "blur5,sharpen2"
SETTINGS = {"PROGIMAGE_RENDERERS": "1", "PROGIMAGE_REQUEST_DEADLINE": str(DEADLINE), "PROGIMAGE_WARM": "w256.webp"}


@dataclass(frozen=True, kw_only=True)
class Site:
    """An app with one child, and the id of a stored picture whose colours spell NUMBER."""

    app: Server
    api: httpx2.Client
    image: str

    def cold(self, number: int) -> str:
        """The path of a variant that takes a while; another one for each number up to 1000."""
        return f"/img/{self.image}/w{600 + number},{COSTLY}.webp"

    def ready(self) -> str:
        return str(self.api.get("/readyz").json()["status"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with progimage_server(tmp_path_factory.mktemp("overload"), SETTINGS) as app, httpx2.Client(base_url=app.url, timeout=30) as api:
        image = api.post("/images", content=tagged(NUMBER, 1600, 1200)).json()["id"]
        eventually(lambda: api.get(f"/images/{image}").json()["thumbhash"])
        yield Site(app=app, api=api, image=image)


@pytest.fixture(autouse=True)
def quiet(site: Site) -> None:
    """No test begins before the one before it is forgotten."""
    eventually(lambda: site.ready() == "ready")


def children(app: Server) -> set[int]:
    """The processes that render."""
    return {pid for pid in family(app.pid) if b"multiprocessing.spawn" in command_of(pid)}


def command_of(pid: int) -> bytes:
    """Nothing for one that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def capacity(site: Site) -> float:
    """What it renders per second when one asks after the other."""
    began = time.monotonic()
    for number in range(5):
        assert site.api.get(site.cold(number)).status_code == 200
    return 5 / (time.monotonic() - began)


async def overloaded(site: Site, times: float, seconds: float) -> Report:
    """So many times what it can do, and quick requests beside it."""
    rate = times * capacity(site)
    cold = (Request(target=site.cold(number), kind="cold", number=NUMBER, width=600 + number) for number in range(10, 900))
    hit = Request(target=f"/img/{site.image}/w256.webp", kind="hit", number=NUMBER, width=256)
    beside = cycle([hit, Request(target="/livez", kind="livez"), Request(target="/readyz", kind="readyz")])
    mixed = (next(beside) if place % 2 else next(cold) for place in range(round(2 * rate * seconds)))
    return judged(await offered(site.app.url, mixed, rate=2 * rate, patience=20))


async def test_under_four_times_the_load_hits_are_quick_and_who_is_turned_away_knows_at_once(site: Site) -> None:
    report = await overloaded(site, times=4, seconds=4)
    assert not report.wrong
    assert set(report.statuses("cold")) == {"200", "503"}
    for kind in ("hit", "livez"):
        assert set(report.statuses(kind)) == {"200"}
    turned_away = [answer for answer in report.of("cold") if answer.shed]
    assert len(turned_away) > len(report.of("cold")) / 3
    assert {answer.retry_after for answer in turned_away} == {"1", "2", "3", "4", "5"}
    assert max(answer.size for answer in turned_away) <= 1024
    made = percentiles(answer.seconds for answer in report.of("cold") if answer.status == 200)
    for quick in (turned_away, report.of("hit"), report.of("livez")):
        assert percentiles(answer.seconds for answer in quick).p50 < made.p50 / 4
    assert "503" in report.statuses("readyz")
    assert eventually(lambda: site.ready() == "ready", within=5)
    assert eventually(lambda: site.api.get(site.cold(900)).status_code == 200, within=5)


@pytest.mark.row("A4")
def test_frozen_children_are_told_on_readyz_within_two_seconds_and_nothing_else_waits_for_them(site: Site) -> None:
    hit = f"/img/{site.image}/w256.webp"
    assert site.api.get(hit).status_code == 200
    with frozen(*children(site.app)):
        began = time.monotonic()
        eventually(lambda: site.api.get("/readyz").status_code == 503, within=6)
        assert site.ready() == "rendering is stuck"
        took = time.monotonic() - began
        for path in ("/livez", hit):
            began = time.monotonic()
            assert site.api.get(path).status_code == 200
            assert time.monotonic() - began < 0.5
        # Not more than the machine's own delays above what is promised.
        assert took < 4
    assert eventually(lambda: site.ready() == "ready", within=5)


@pytest.mark.row("A4")
@pytest.mark.soak
def test_who_waits_for_frozen_children_is_told_at_the_deadline_and_the_work_is_not_lost(site: Site) -> None:
    path = site.cold(910)
    with frozen(*children(site.app)):
        began = time.monotonic()
        answer = site.api.get(path)
        assert answer.status_code == 503
        assert answer.json()["type"] == "/problems/out-of-time"
        assert DEADLINE <= time.monotonic() - began < 2 * DEADLINE
    assert eventually(lambda: site.api.get(path).status_code == 200, within=5)


def test_an_upload_on_a_slow_line_may_take_longer_than_the_deadline(site: Site) -> None:
    picture = photo(320, 240)

    def slowly() -> Iterator[bytes]:
        for start in range(0, len(picture), len(picture) // 8 + 1):
            yield picture[start : start + len(picture) // 8 + 1]
            time.sleep((DEADLINE + 0.5) / 8)

    assert site.api.post("/uploads", content=slowly(), headers={"content-type": "image/jpeg"}).status_code == 202


@pytest.mark.row("A4")
@pytest.mark.soak
def test_children_that_stay_frozen_are_replaced(site: Site) -> None:
    stopped = children(site.app)
    with frozen(*stopped):
        assert site.api.get(site.cold(911)).status_code == 503
        assert eventually(lambda: not stopped & children(site.app), within=30)
    assert eventually(lambda: site.api.get(site.cold(912)).status_code == 200, within=5)
