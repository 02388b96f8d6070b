"""Fetching, from a server on loopback that behaves in every way but well. Names and DNS are tests/world's."""

import asyncio
import gzip
import threading
import time
import zlib
from collections.abc import AsyncIterator, Iterator
from ipaddress import ip_network

import pytest
from structlog.testing import capture_logs

from services.errors import SourceBusy, SourceMissing, SourceTooSlow, SourceUnavailable
from services.origins.fetch import Origins
from services.origins.headers import Validators
from services.origins.source_url import parse
from tests.origins.origin import Origin, Script, moved, origin, page
from tests.servers import free_port
from transforms.errors import LimitExceeded, PoolBusy, ProgImageError

pytestmark = pytest.mark.anyio

PICTURE = bytes(range(256)) * 40
MAXIMUM = 100_000


@pytest.fixture
async def served() -> AsyncIterator[Origin]:
    async with origin() as running:
        yield running


def origins(*served: Origin, sources: tuple[str, ...] = ("*",), deadline: float = 8) -> Origins:
    ports = [running.port for running in served]
    return Origins(
        sources=sources, ports=ports, networks=[ip_network("127.0.0.0/8")], own_host="127.0.0.9", max_bytes=MAXIMUM, deadline=deadline
    )


async def fetch(hosts: Origins, url: str, known: Validators | None = None) -> bytes | None:
    async with hosts.get(parse(url), signed=False, known=known) as fetched:
        return b"".join([chunk async for chunk in fetched.chunks]) if fetched.chunks else None


def slowly(*pieces: bytes, pause: float = 0.0) -> Script:
    async def write(writer: asyncio.StreamWriter) -> None:
        for number, piece in enumerate(pieces):
            await asyncio.sleep(pause if number else 0)
            writer.write(piece)
            await writer.drain()

    return write


async def test_a_picture_comes_as_it_is_and_its_host_learns_nothing_of_us(served: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    async with origin("127.0.0.3") as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url(""))
        served.pages["/a.png?b=c"] = page(
            PICTURE, "Set-Cookie: a=b", 'ETag: "x"', "Last-Modified: Sat, 21 Nov 2026 00:00:00 GMT", "Cache-Control: max-age=600"
        )
        hosts = origins(served)
        async with hosts.get(parse(served.url("/a.png?b=c")), signed=False) as fetched:
            assert fetched.chunks
            assert b"".join([chunk async for chunk in fetched.chunks]) == PICTURE
        assert fetched.validators == Validators(etag='"x"', last_modified="Sat, 21 Nov 2026 00:00:00 GMT")
        assert fetched.max_age == 600
        await fetch(hosts, served.url("/a.png?b=c"))
        head = f"GET /a.png?b=c HTTP/1.1\r\nHost: 127.0.0.2:{served.port}\r\nAccept: image/*\r\nAccept-Encoding: identity\r\n"
        assert served.asked == [f"{head}User-Agent: ProgImage\r\nCDN-Loop: progimage\r\nConnection: close\r\n\r\n"] * 2
        assert not proxy.asked


async def test_what_has_not_changed_is_not_sent_again(served: Origin) -> None:
    served.pages["/a"] = b'HTTP/1.1 304 Not Modified\r\nETag: "new"\r\n\r\n'
    known = Validators(etag='"old"', last_modified="then")
    hosts = origins(served)
    async with hosts.get(parse(served.url("/a")), signed=False, known=known) as fetched:
        assert fetched.chunks is None
        assert fetched.validators == Validators(etag='"new"', last_modified="then")
    assert 'If-None-Match: "old"\r\nIf-Modified-Since: then\r\n' in served.asked[0]
    with pytest.raises(SourceUnavailable):
        await fetch(hosts, served.url("/a"))


def crumbs(data: bytes) -> Iterator[bytes]:
    return (bytes([byte]) for byte in data)


GZIPPED = b"HTTP/1.1 200 OK\r\nContent-Encoding: GZip\r\n\r\n"
BODIES: dict[str, tuple[bytes | Script, type[ProgImageError] | bytes]] = {
    "identity by name": (page(PICTURE, "Content-Encoding: identity"), PICTURE),
    "gzip": (page(gzip.compress(PICTURE), "Content-Encoding: gzip"), PICTURE),
    "gzip in pieces": (slowly(GZIPPED, *crumbs(gzip.compress(PICTURE))), PICTURE),
    "deflate": (page(zlib.compress(PICTURE), "Content-Encoding: deflate"), PICTURE),
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: x\r\n\r\n", b"abcde"),
    "until it closes": (b"HTTP/1.0 200 OK\r\n\r\nabc", b"abc"),
    "after hints": (b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" * 3 + page(b"abc"), b"abc"),
    "exactly the most": (page(b"a" * MAXIMUM), b"a" * MAXIMUM),
    "one more": (slowly(b"HTTP/1.1 200 OK\r\n\r\n", b"a" * (MAXIMUM + 1)), LimitExceeded),
    "one more announced": (page(b"", length=MAXIMUM + 1), LimitExceeded),
    "a bomb": (page(gzip.compress(b"a" * 10_000_000), "Content-Encoding: gzip"), LimitExceeded),
    "a bomb of nothing": (GZIPPED + gzip.compress(b"")[:10] + b"\0\0\0\xff\xff" * 30_000, LimitExceeded),
    "cut gzip": (page(gzip.compress(PICTURE)[:-9], "Content-Encoding: gzip"), SourceUnavailable),
    "no gzip": (page(PICTURE, "Content-Encoding: gzip"), SourceUnavailable),
    "more than gzip": (page(gzip.compress(PICTURE) + b"more", "Content-Encoding: gzip"), SourceUnavailable),
    "gzip twice": (page(gzip.compress(PICTURE), "Content-Encoding: gzip, gzip"), SourceUnavailable),
    "brotli": (page(PICTURE, "Content-Encoding: br"), SourceUnavailable),
    "nothing": (page(b""), SourceUnavailable),
    "gzip of nothing": (page(gzip.compress(b""), "Content-Encoding: gzip"), SourceUnavailable),
    "cut": (page(PICTURE, length=len(PICTURE) + 1), SourceUnavailable),
    "cut chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", SourceUnavailable),
    "bad chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n", SourceUnavailable),
    "crumbs": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 40_000 + b"0\r\n\r\n", SourceUnavailable),
    "two lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", SourceUnavailable),
    "a length of thousands of digits": (b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\nabc", SourceUnavailable),
    "garbage": (b"\x16\x03\x01 nothing of HTTP\r\n\r\n", SourceUnavailable),
    "nothing at all": (b"", SourceUnavailable),
    "half a head": (b"HTTP/1.1 200 OK\r\nContent-", SourceUnavailable),
    "a header without a name": (b"HTTP/1.1 200 OK\r\n: x\r\n\r\nabc", SourceUnavailable),
    "one endless header": (slowly(b"HTTP/1.1 200 OK\r\nA: ", *(b"a" * 1024,) * 1024), SourceUnavailable),
    "2,000 headers": (page(PICTURE, *(f"X-{number}: {'a' * 40}" for number in range(2000))), SourceUnavailable),
    "hints without end": (slowly(*(b"HTTP/1.1 100 Continue\r\n\r\n",) * 100_000), SourceUnavailable),
    "another protocol": (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nabc", SourceUnavailable),
}  # fmt: skip


@pytest.mark.parametrize("kind", BODIES)
async def test_a_body_is_whole_and_no_larger_than_allowed_or_none(served: Origin, kind: str) -> None:
    served.pages["/"], expected = BODIES[kind]
    if isinstance(expected, bytes):
        assert await fetch(origins(served), served.url("/")) == expected
        return
    with pytest.raises(expected) as refused:
        await fetch(origins(served), served.url("/"))
    if expected is LimitExceeded:
        assert refused.value.facts["limit"] == "bytes"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("404 Not Found", SourceMissing),
        ("410 Gone", SourceMissing),
        ("429 Too Many Requests", SourceBusy),
        ("503 Service Unavailable", SourceBusy),
        *(
            (status, SourceUnavailable)
            for status in ("201 Created", "204 No Content", "206 Partial Content", "300 Choices", "305 Use Proxy")
        ),
        *((status, SourceUnavailable) for status in ("304 Not Modified", "401 Unauthorized", "403 Forbidden", "500 Broken", "999 Odd")),
    ],
)
async def test_of_all_statuses_200_alone_is_a_picture(served: Origin, status: str, error: type[ProgImageError]) -> None:
    served.pages["/"] = (
        f"HTTP/1.1 {status}\r\nWWW-Authenticate: Basic\r\nLocation: /ok\r\nRefresh: 0; url=/ok\r\nConnection: close\r\n\r\n".encode()
    )
    served.pages["/ok"] = page(PICTURE)
    with pytest.raises(error):
        await fetch(origins(served), served.url("/"))
    assert len(served.asked) == 1


async def test_three_redirects_are_followed_and_a_fourth_is_not(served: Origin) -> None:
    served.pages |= {
        "/0": moved("1", "301 Moved"),
        "/1": moved("/2#part", "307 Temporary"),
        "/2": moved("x/../3", "308 Permanent"),
        "/3": page(PICTURE),
        "/4": moved("//127.0.0.2:" + str(served.port) + "/0", "303 Other"),
        "/loop": moved("?", "302 Found"),
    }
    served.pages["/loop?"] = served.pages["/loop"]
    assert await fetch(origins(served), served.url("/0")) == PICTURE
    assert [head.split(" ")[1] for head in served.asked] == ["/0", "/1", "/2", "/3"]
    assert not any(name in head for head in served.asked for name in ("Referer", "Cookie", "Authorization"))
    for start in ("/4", "/loop"):
        served.asked.clear()
        with pytest.raises(SourceUnavailable):
            await fetch(origins(served), served.url(start))
        assert len(served.asked) == 4


@pytest.mark.parametrize(
    ("location", "sources"),
    [
        ("http://{elsewhere}/", ("127.0.0.2",)),
        ("//{elsewhere}/x", ("127.0.0.2", "*.0.0.6")),
        ("http://{ourselves}/", ("*",)),
        ("http://{ourselves}/", ("127.0.0.2", "127.0.0.9")),
        ("http://{hidden}/", ("*",)),
        ("http://a@{elsewhere}/", ("*",)),
        ("http://{elsewhere}\\@127.0.0.2/", ("*",)),
        ("http://{decimal}/", ("*",)),
        ("ht\ttp://{elsewhere}/", ("*",)),
        ("http://10.0.0.1/", ("*",)),
        ("http://169.254.169.254/", ("*",)),
        ("http://localhost/", ("*",)),
        ("http://[::1]/", ("*",)),
        ("http://[/", ("*",)),
        ("file:///etc/passwd", ("*",)),
        ("gopher://{elsewhere}/", ("*",)),
        ("data:image/png;base64,AAAA", ("*",)),
        ("", ("*",)),
    ],
)
async def test_a_redirect_is_judged_like_a_request(served: Origin, location: str, sources: tuple[str, ...]) -> None:
    async with origin("127.0.0.5") as elsewhere, origin("127.0.0.9") as ourselves, origin() as hidden:
        canaries = {"elsewhere": elsewhere, "ourselves": ourselves, "hidden": hidden}
        places = {name: f"{canary.host}:{canary.port}" for name, canary in canaries.items()}
        served.pages["/"] = moved(location.format(**places, decimal=f"2130706437:{elsewhere.port}"))
        hosts = origins(served, elsewhere, ourselves, sources=sources)
        with pytest.raises(SourceUnavailable):
            await fetch(hosts, served.url("/"))
        assert len(served.asked) == 1
        assert not [name for name, canary in canaries.items() if canary.asked]


async def test_slow_hosts_are_given_up(served: Origin) -> None:
    """All at the same time: what each of them takes is what a promise allows."""

    async def silent(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(20)

    big = page(b"", length=90_000)
    stories: dict[str, tuple[Script, float]] = {
        "/silent": (silent, 3.0),
        "/head-in-drops": (slowly(*crumbs(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 99), pause=0.1), 3.0),
        "/stops": (slowly(big + b"a" * 1000, b"", pause=20), 2.0),
        "/drops": (slowly(big, *(b"a" * 100,) * 900, pause=0.05), 2.0),
        "/a-little-too-slow": (slowly(big, *(b"a" * 700,) * 100, pause=0.1), 2.0),
    }
    served.pages |= {target: script for target, (script, _) in stories.items()}
    served.pages["/slow-but-fair"] = slowly(page(b"", length=30_000), *(b"a" * 3_000,) * 10, pause=0.25)
    hosts = origins(served)

    async def story(target: str) -> float:
        began = time.monotonic()
        with pytest.raises(SourceTooSlow):
            await fetch(hosts, served.url(target))
        return time.monotonic() - began

    times, fair = await asyncio.gather(asyncio.gather(*map(story, stories)), fetch(hosts, served.url("/slow-but-fair")))
    for (_, allowed), took in zip(stories.values(), times, strict=True):
        assert allowed - 0.1 < took < allowed + 1.0
    assert fair == b"a" * 30_000


async def test_the_deadline_is_for_all_hops_together(served: Origin) -> None:
    served.pages["/0"] = slowly(b"", moved("/1"), pause=0.3)
    served.pages["/1"] = slowly(b"", moved("/2"), pause=0.3)
    served.pages["/2"] = slowly(b"", page(PICTURE), pause=0.3)
    began = time.monotonic()
    with pytest.raises(SourceTooSlow):
        await fetch(origins(served, deadline=0.5), served.url("/0"))
    assert time.monotonic() - began < 1
    assert await fetch(origins(served, deadline=4), served.url("/0")) == PICTURE


async def test_a_host_is_asked_by_eight_at_a_time_and_others_wait_a_second(served: Origin) -> None:
    seconds, now, most = 1.4, 0, 0

    async def counted(writer: asyncio.StreamWriter) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(seconds)
        now -= 1
        writer.write(page(PICTURE))

    served.pages["/"] = counted
    hosts = origins(served)
    answers = await asyncio.gather(*(fetch(hosts, served.url("/")) for _ in range(10)), return_exceptions=True)
    assert answers[:8] == [PICTURE] * 8
    assert [type(answer) for answer in answers[8:]] == [PoolBusy] * 2
    seconds = 0.05
    assert await asyncio.gather(*(fetch(hosts, served.url("/")) for _ in range(40))) == [PICTURE] * 40
    assert most == 8


async def test_a_host_that_is_down_is_left_alone_and_one_that_says_no_is_not(served: Origin) -> None:
    served.pages |= {"/403": page(b"no", status="403 No"), "/cut": page(b"", length=5), "/rst": b"", "/ok": page(PICTURE)}
    hosts = origins(served)

    async def outcome(target: str) -> object:
        try:
            return await fetch(hosts, served.url(target))
        except SourceUnavailable as error:
            return str(error)

    said = {await outcome(target) for target in ["/403"] * 6 + ["/cut"] * 6 + ["/rst"] * 4}
    assert await outcome("/ok") == PICTURE
    said |= {await outcome("/rst") for _ in range(5)}
    asked = len(served.asked)
    said.add(await outcome("/ok"))
    assert len(served.asked) == asked
    assert len(said) == 1, "whoever asks learns nothing from the sentence"


async def test_the_log_has_the_reason_and_the_answer_one_sentence(served: Origin) -> None:
    served.pages["/secret?token=1"] = page(b"secret body", status="500 secret reason")
    served.pages["/garbage?token=1"] = b"secret bytes\r\n\r\n"
    closed = Origin(host="127.0.0.2", port=free_port())
    urls = [served.url("/secret?token=1"), served.url("/garbage?token=1"), closed.url("/?token=1")]
    hosts = origins(served, closed)
    with capture_logs() as lines:
        for url in urls:
            with pytest.raises(SourceUnavailable) as refused:
                await fetch(hosts, url)
            assert str(refused.value) == "The picture cannot be fetched from its host."
            assert refused.value.facts == {}
    assert [(line["event"], line["host"], line["log_level"]) for line in lines] == [("source_unavailable", "127.0.0.2", "warning")] * 3
    for line, word in zip(lines, ("500", "no proper HTTP", "attempts failed"), strict=True):
        assert word in line["reason"]
    assert not [line for line in lines for word in ("secret", "token") if word in str(line)]


async def test_an_address_that_is_not_allowed_gets_no_packet(served: Origin) -> None:
    hosts = Origins(sources=["*"], ports=[served.port], networks=[], own_host="", max_bytes=MAXIMUM, deadline=8)
    with pytest.raises(SourceUnavailable), capture_logs() as lines:
        async with hosts.get(parse(served.url("/")), signed=False):
            pass
    assert not served.asked
    assert lines[0]["reason"] == "not an allowed address: 127.0.0.2"


@pytest.mark.parametrize("leave", ["before the body", "in the body"])
async def test_a_caller_who_leaves_closes_the_connection_and_frees_its_place(served: Origin, leave: str) -> None:
    served.pages["/"] = slowly(page(b"", length=90_000) + b"a" * 1000, b"b" * 1000, pause=0.2)
    hosts = origins(served)
    for _ in range(10):
        async with hosts.get(parse(served.url("/")), signed=False) as fetched:
            assert fetched.chunks
            if leave == "in the body":
                async for _ in fetched.chunks:
                    break
    async with asyncio.timeout(5):
        await asyncio.gather(*served.busy)


async def test_fetching_starts_no_threads(served: Origin) -> None:
    served.pages["/"] = slowly(b"", page(PICTURE), pause=0.2)
    before = threading.active_count()
    hosts = origins(served)
    running = asyncio.gather(*(fetch(hosts, served.url("/")) for _ in range(8)))
    await asyncio.sleep(0.1)
    assert threading.active_count() == before
    assert await running == [PICTURE] * 8
