"""The load generator sees what it must: wrong, truncated and late answers; and its figures are those of an open loop."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pyvips

from tests.faults.generator import offered
from tests.faults.report import Request, judged, percentiles
from tests.faults.tagged import CAPACITY, NotTagged, Tag, read_tag, tagged
from tests.origins.origin import Origin, origin, page
from tests.pictures import encoded, jpeg

pytestmark = pytest.mark.anyio

CLOSE = "Connection: close"
ONE, TWO = tagged(1, 64, 48), tagged(2, 64, 48)


@pytest.fixture
async def server(anyio_backend: str) -> AsyncIterator[Origin]:
    async with origin("127.0.0.1") as server:
        yield server


def one(target: str) -> Request:
    """Somebody who wants picture 1, 64 pixels wide."""
    return Request(target=target, number=1, width=64)


@pytest.mark.parametrize("number", [12_345, CAPACITY - 1])
@pytest.mark.parametrize(
    ("suffix", "options"), [(".jpg", {"Q": 75}), (".webp", {"Q": 75}), (".avif", {"effort": 0}), (".png", {}), (".gif", {})]
)
def test_a_thumbnail_spells_the_number(number: int, suffix: str, options: dict[str, object]) -> None:
    for width in (64, 201):
        small = pyvips.Image.thumbnail_buffer(tagged(number), width)
        assert read_tag(encoded(small, suffix, **options)) == Tag(number=number, width=width, height=small.height)


@pytest.mark.parametrize("data", [b"", b"text", ONE[:-200], tagged(7, format="png")[:-9000], jpeg(640, 480)], ids=range(5))
def test_what_is_no_whole_tagged_picture_is_told(data: bytes) -> None:
    with pytest.raises(NotTagged):
        read_tag(data)


def test_the_same_number_is_the_same_picture() -> None:
    assert tagged(5) == tagged(5) != tagged(6)


JUDGED = [
    ("/right", page(ONE, CLOSE), "200", ""),
    ("/other", page(TWO, CLOSE), "200", "picture 2 and not 1"),
    ("/size", page(tagged(1, 128, 96), CLOSE), "200", "128 pixels wide and not 64"),
    ("/cut", page(ONE, CLOSE, length=len(ONE) + 1), "cut", f"a 200 that ends in cut after {len(ONE)} bytes"),
    ("/short", page(ONE[:-200], CLOSE), "200", "no whole picture"),
    ("/text", page(b"sorry", CLOSE), "200", "no whole picture"),
    ("/shed", page(b"", CLOSE, "Retry-After: 2", status="503 Busy"), "503", ""),
    ("/broken", page(b"", CLOSE, status="500 Sorry"), "500", ""),
    ("/garbage", b"\x00\x01\x02\r\n\r\n", "garbage", ""),
]


@pytest.mark.parametrize(("target", "answer", "status", "wrong"), JUDGED, ids=[row[0] for row in JUDGED])
async def test_an_answer_is_judged(server: Origin, target: str, answer: bytes, status: str, wrong: str) -> None:
    server.pages[target] = answer
    report = judged(await offered(server.url(""), [one(target)], rate=100))
    assert report.statuses() == {status: 1}
    assert len(report.wrong) == bool(wrong)
    assert all(verdict.startswith(wrong) for _, verdict in report.wrong)
    assert len(report.good()) == (target == "/right")
    assert report.shed.count == (target == "/shed")


async def test_who_is_not_there_is_a_failure_with_a_name() -> None:
    async with origin("127.0.0.1") as gone:
        url = gone.url("")
    assert judged(await offered(url, [one("/")], rate=10)).statuses() == {"ConnectionRefusedError": 1}


async def test_who_says_nothing_is_given_up(server: Origin) -> None:
    async def silence(_: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    server.pages["/"] = silence
    for connections in (1, 10):
        report = judged(await offered(server.url(""), [one("/")] * 4, rate=100, patience=0.2, connections=connections))
        assert report.statuses() == {"timeout": 4}
        assert all(0.2 <= answer.seconds < 0.6 for answer in report.answers)


async def test_latency_counts_from_when_a_request_should_have_begun(server: Origin) -> None:
    """A server that takes 20 ms for each, one after the other, and is offered one every 10 ms: the last of twenty waits for ten."""
    turn = asyncio.Lock()

    async def slow(writer: asyncio.StreamWriter) -> None:
        async with turn:
            await asyncio.sleep(0.02)
            writer.write(page(ONE, CLOSE, "X-Cache: miss"))

    server.pages["/"] = slow
    for connections in (1, 100):
        report = judged(await offered(server.url(""), [one("/")] * 20, rate=100, connections=connections))
        assert report.statuses() == {"200": 20}
        assert report.admitted.p50 >= 0.09
        assert report.admitted.most >= 0.2
        assert report.hits.count == 0
        assert report.load.offered_seconds >= 0.19
        assert report.good(within=0.1) != report.good() == report.answers


async def test_uploads_say_what_they_made(server: Origin) -> None:
    server.pages["/images"] = page(b'{"id": "abc"}', CLOSE, status="201 Created")
    request = Request(target="/images", method="POST", body=ONE, kind="upload", headers=(("Content-Type", "image/jpeg"),))
    report = judged(await offered(server.url(""), [request, one("/images")], rate=100))
    assert report.created() == ["abc", "abc"]
    assert len(report.of("upload")) == 1
    assert f"content-length: {len(ONE)}" in server.asked[0].lower()


def test_percentiles_are_of_what_was_seen() -> None:
    found = percentiles([3.0, 1.0, 2.0, 4.0])
    assert (found.count, found.p50, found.p99, found.most) == (4, 3.0, 4.0, 4.0)
    assert percentiles([]).count == 0
