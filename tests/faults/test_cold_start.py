"""A site that begins with nothing but originals, and all of its traffic at once (row A6)."""

import random
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from proxy.settings import Settings
from proxy.wiring import build
from tests.deployments import S3_CREDENTIALS
from tests.faults.generator import offered
from tests.faults.report import Report, Request, judged
from tests.faults.tagged import tagged
from tests.nginx.conftest import Site, running_site
from tests.servers import Server, redis_server, s3_server
from tests.services.grounds import stored

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("overload")]

IMAGES = 8
CLIENTS = 8
PATIENCE = 60
ASKED = re.compile(r"(GET|HEAD|PUT) (/\S+) HTTP/1.1")


@dataclass(frozen=True, kw_only=True)
class Cold:
    """`images` are their ids by the numbers that their colours spell."""

    site: Site
    s3: Server
    images: dict[int, str]

    def asked(self, method: str, folder: str) -> Counter[str]:
        """How often the store was asked for, or given, each object of a folder, whatever it answered."""
        found = ASKED.findall(self.s3.log_text())
        return Counter(path for verb, path in found if verb == method and f"/{folder}/" in path)

    async def swamped(self) -> list[Report]:
        """Twice as much each time, and of other widths, until it is too much."""
        reports: list[Report] = []
        for number in (10, 20, 40, 80):
            reports.append(await self.burst(range(630 + number, 630 + 2 * number), callers=8, rate=50 * number))
            if any(answer.shed for answer in reports[-1].answers):
                break
        return reports

    async def burst(self, widths: range, *, callers: int, rate: float, connections: int = 2000) -> Report:
        """These widths of every picture, each asked for so often, in no order."""
        wanted = [
            Request(target=f"/img/{image}/w{width},blur3.webp", number=number, width=width)
            for number, image in self.images.items()
            for width in widths
        ] * callers
        random.Random(1).shuffle(wanted)
        return judged(await offered(self.site.url, wanted, rate=rate, patience=PATIENCE, connections=connections))


@pytest.fixture(scope="module")
async def cold(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncIterator[Cold]:
    """The pictures were stored by a process and a Redis that are gone; those that are there have never seen them."""
    folder = tmp_path_factory.mktemp("cold")
    with ExitStack() as stack:
        s3 = stack.enter_context(s3_server(folder / "s3"))
        settings = {
            "PROGIMAGE_DATABASE_URL": f"sqlite:///{folder / 'catalog.sqlite3'}",
            "PROGIMAGE_STORAGE_URL": "s3://cold/pictures",
            "PROGIMAGE_S3_ENDPOINT_URL": s3.url,
            "PROGIMAGE_RENDERERS": "1",
            "PROGIMAGE_RENDER_WAIT": "1",
            **S3_CREDENTIALS,
        }
        images = await originals(folder, settings)
        site = stack.enter_context(running_site(folder / "site", settings))
        yield Cold(site=site, s3=s3, images=images)


async def originals(folder: Path, settings: Mapping[str, str]) -> dict[int, str]:
    """Store some, whose colours spell numbers, by which their ids are returned."""
    with pytest.MonkeyPatch.context() as patch, redis_server(folder) as redis:
        for name, value in settings.items():
            patch.setenv(name, value)
        async with build(Settings(data=folder, redis_url=redis.url)) as services:
            return {number: (await stored(services, tagged(number, 1200, 900))).id for number in range(IMAGES)}


@pytest.mark.row("A6")
async def test_a_cold_start_under_more_than_it_can_do_sheds_and_spares_the_store(cold: Cold) -> None:
    before = cold.asked("GET", "originals")
    reports = await cold.swamped()
    answers = [answer for report in reports for answer in report.answers]
    assert not any(report.wrong for report in reports)
    assert set(sum((report.statuses() for report in reports), Counter())) == {"200", "503"}, reports[-1]
    assert {answer.retry_after for answer in answers if answer.shed} <= {"1", "2", "3", "4", "5"}
    # Whoever has made one asks for it, and puts it if it is not there.
    asked, made = cold.asked("HEAD", "variants"), cold.asked("PUT", "variants")
    assert asked == made
    assert set(made.values()) == {1}
    wanted = {answer.request.target for answer in answers}
    # Who is turned away reads nothing; who waits for a child has read it, and may have to give up.
    assert sum((cold.asked("GET", "originals") - before).values()) <= len(cold.site.apps) * len(wanted)
    # What nobody of those who wanted it could wait for is kept all the same.
    assert len({answer.request.target for answer in answers if answer.status == 200}) <= len(made)


@pytest.mark.row("A6")
@pytest.mark.soak
async def test_a_site_that_begins_cold_does_nearly_as_much_as_one_that_is_warm(cold: Cold) -> None:
    """Both at the same place on the same machine: first all at once and cold, then by a few who wait for their answers."""
    report = await cold.burst(range(430, 590), callers=1, rate=60)
    began = time.monotonic()
    warm = await cold.burst(range(600, 630), callers=1, rate=100_000, connections=CLIENTS)
    capacity = len(warm.good(within=PATIENCE)) / (time.monotonic() - began)
    share = report.goodput(within=PATIENCE) / capacity
    print(f"{capacity:.1f}/s warm, of which {share:.0%} cold: {report}")  # noqa: T201 - a figure for the operations manual
    assert not report.wrong
    assert set(report.statuses()) <= {"200", "503"}
    assert share >= 0.8
