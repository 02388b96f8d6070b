"""A whole app whose object store is broken: what its users see, what stays true, and that it mends by itself (rows S1 to S10)."""

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace

import boto3
import httpx2
import pytest
from _pytest.mark import ParameterSet
from mypy_boto3_s3 import S3Client

from tests.deployments import S3_CREDENTIALS, progimage_server
from tests.e2e.conftest import eventually, store, upload
from tests.faults.proxy import Proxy, proxy
from tests.faults.rules import Answer, Cut, Down, DropAnswer, Flip, Lie, Replace, Rule, Stall, slow_down
from tests.photos import photo, size_of
from tests.servers import Server, s3_server

pytestmark = pytest.mark.xdist_group("faults-store")

BUCKET = "faults"
# Nothing comes from the memory of the app: every answer has to be read.
SETTINGS = {"PROGIMAGE_MEMORY_CACHE": "0", "PROGIMAGE_WARM": "", **S3_CREDENTIALS}
ORIGINALS, VARIANTS = "originals/", "variants/"


@dataclass(frozen=True, kw_only=True)
class Place:
    """The app, the proxy before its S3 server, and a client that goes past it."""

    app: Server
    api: httpx2.Client
    s3: Proxy
    raw: S3Client

    def objects(self, prefix: str) -> dict[str, int]:
        found = self.raw.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        return {each["Key"]: each["Size"] for each in found}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with ExitStack() as stack:
        server = stack.enter_context(s3_server(tmp_path_factory.mktemp("s3")))
        between = stack.enter_context(proxy(server.url))
        settings = {**SETTINGS, "PROGIMAGE_STORAGE_URL": f"s3://{BUCKET}", "PROGIMAGE_S3_ENDPOINT_URL": between.url}
        app = stack.enter_context(progimage_server(tmp_path_factory.mktemp("app"), settings))
        api = stack.enter_context(httpx2.Client(base_url=app.url, timeout=30))
        raw = boto3.session.Session("tests", "tests", region_name="us-east-1").client("s3", endpoint_url=server.url)
        stack.callback(raw.close)
        yield Place(app=app, api=api, s3=between, raw=raw)


@pytest.fixture
def picture(place: Place) -> tuple[str, bytes]:
    """A stored picture and its bytes, after all that follows a commit."""
    place.s3.set()
    data = photo(400, 300)
    image = store(place.api, data)
    eventually(lambda: place.api.get(f"/images/{image}").json()["thumbhash"])
    place.s3.fired.clear()
    return image, data


def refused(answer: httpx2.Response) -> bool:
    """Whether it is the 503 that everybody may try again, with nothing of ours in it."""
    assert answer.status_code == 503, answer.content[:200]
    assert answer.json()["type"].removeprefix("/problems/") in {"storage-unavailable", "digest-conflict"}
    assert answer.headers["cache-control"] == "no-store"
    assert int(answer.headers["retry-after"]) <= 5
    assert not any(word in answer.text for word in ("SlowDown", "ExpiredToken", "originals/", "127.0.0.1"))
    return True


def error(status: int, code: str) -> Answer:
    return Answer(status=status, body=f"<Error><Code>{code}</Code></Error>".encode(), headers=(("Content-Type", "application/xml"),))


def rows(table: Mapping[str, tuple[Rule, bool] | tuple[Rule]], *quick: str) -> list[ParameterSet]:
    """The rows as parameters, of which all but the `quick` ones are for the soak."""
    return [pytest.param(*row, id=name, marks=() if name in quick else pytest.mark.soak) for name, row in table.items()]


# What S3 does to a read of an original: whether the same request succeeds when it happens once.
READS = {
    "cut in the middle": (Cut(after=5000, method="GET", target=ORIGINALS), True),
    "closed before the end": (Lie(by=1000, method="GET", target=ORIGINALS), True),
    "ended too early": (Lie(by=-1000, method="GET", target=ORIGINALS), True),
    "a flipped bit": (Flip(at=5000, method="GET", target=ORIGINALS), True),
    "an error with status 200": (Replace(body=b"<Error><Code>InternalError</Code></Error>", method="GET", target=ORIGINALS), True),
    "refused": (Down(refuse=False), True),
    "overloaded": (slow_down(method="GET", target=ORIGINALS), True),
    "missing, though there is a row": (replace(error(404, "NoSuchKey"), method="GET", target=ORIGINALS), True),
    "expired credentials": (replace(error(403, "ExpiredToken"), method="GET"), False),
    "a clock that is wrong": (replace(error(403, "RequestTimeTooSkewed"), method="GET"), False),
    "no bucket": (replace(error(404, "NoSuchBucket"), method="GET"), False),
    "another region": (replace(error(301, "PermanentRedirect"), method="GET"), True),
}


@pytest.mark.row("S2", "S6", "S7", "S8", "S9", "S10")
@pytest.mark.parametrize(("rule", "forgiven"), rows(READS, "a flipped bit", "missing, though there is a row"))
def test_an_original_is_whole_or_refused(place: Place, picture: tuple[str, bytes], rule: Rule, forgiven: bool) -> None:
    image, data = picture
    with place.s3.broken(replace(rule, times=1)):
        answer = place.api.get(f"/img/{image}")
        assert answer.content == data if forgiven else refused(answer)
        assert place.s3.fired
    with place.s3.broken(rule):
        began = time.monotonic()
        assert refused(place.api.get(f"/img/{image}"))
        assert refused(place.api.get(f"/img/{image}/w100.webp"))
        assert time.monotonic() - began < 5
    assert eventually(lambda: place.api.get(f"/img/{image}"), within=5).content == data
    assert size_of(place.api.get(f"/img/{image}/w100.webp").content) == (100, 75)


VARIANT_READS = {
    "a flipped bit": (Flip(at=500, method="GET", target=VARIANTS),),
    "ended too early": (Lie(by=-100, method="GET", target=VARIANTS),),
    "an error with status 200": (Replace(body=b"<Error></Error>", method="GET", target=VARIANTS, each=2),),
}


@pytest.mark.row("S6", "S7")
@pytest.mark.parametrize("rule", rows(VARIANT_READS, "a flipped bit"))
def test_a_damaged_variant_is_made_again(place: Place, picture: tuple[str, bytes], rule: Rule) -> None:
    image, _ = picture
    whole = place.api.get(f"/img/{image}/w200.webp").content
    with place.s3.broken(rule):
        assert place.api.get(f"/img/{image}/w200.webp").content == whole
    answer = place.api.get(f"/img/{image}/w200.webp")
    assert (answer.content, answer.headers["x-cache"]) == (whole, "hit")
    assert eventually(lambda: "object_damaged" in place.app.log_text())


# What S3 does to the put of an original, alike.
PUTS = {
    "cut on the way": (Cut(after=5000, to="server", method="PUT", target=ORIGINALS), True),
    "done, and the answer lost": (DropAnswer(close=True, method="PUT", target=ORIGINALS), True),
    "overloaded": (slow_down(method="PUT", target=ORIGINALS), True),
    "an error with status 200": (replace(error(200, "InternalError"), method="PUT", target=ORIGINALS), True),
    "said to be done, and not": (Answer(status=200, method="PUT", target=ORIGINALS), True),
    "damaged on the way": (Flip(at=5000, to="server", method="PUT", target=ORIGINALS), True),
    "refused": (Down(refuse=False), True),
    "no permission": (replace(error(403, "AccessDenied"), method="PUT"), False),
}


@pytest.mark.row("S2", "S4", "S5", "S7")
@pytest.mark.parametrize(("rule", "forgiven"), rows(PUTS, "done, and the answer lost", "said to be done, and not", "damaged on the way"))
def test_what_is_acknowledged_is_stored_once_and_whole(place: Place, rule: Rule, forgiven: bool) -> None:
    place.s3.set()
    once, always = photo(300, 200), photo(300, 200)
    with place.s3.broken(replace(rule, times=1)):
        answer = place.api.post("/images", content=once)
        assert answer.status_code == (201 if forgiven else 503), answer.text
    with place.s3.broken(rule):
        image = upload(place.api, always)[0]
        answer = place.api.post("/images", content=always)
        assert refused(answer)
        assert place.api.get(f"/images/{image}").status_code == 404
    for data in (once, always):
        image = store(place.api, data)
        assert place.api.get(f"/img/{image}").content == data
        assert list(place.objects(f"{ORIGINALS}images/{image}").values()) == [len(data)]


@pytest.mark.row("S3")
def test_no_child_waits_for_a_silent_store(place: Place, picture: tuple[str, bytes]) -> None:
    image, _ = picture
    staged = upload(place.api, photo(500, 400))[0]
    with ThreadPoolExecutor(12) as clients:
        with place.s3.broken(Stall()):
            cold = [clients.submit(place.api.get, f"/img/{image}/w{width}.webp") for width in range(20, 32)]
            eventually(lambda: place.s3.fired)
            began = time.monotonic()
            assert size_of(place.api.get(f"/img/{staged}/w123.webp").content) == (123, 98)
            assert place.api.get("/readyz").status_code == 200
            assert time.monotonic() - began < 2
            assert not any(answer.done() for answer in cold)
        # What was held goes on, and nobody has lost anything.
        assert [answer.result().status_code for answer in cold] == [200] * len(cold)


@pytest.mark.row("S3")
@pytest.mark.soak
def test_a_silent_store_is_refused_at_once_after_a_while(place: Place, picture: tuple[str, bytes]) -> None:
    image, data = picture
    with place.s3.broken(Stall()), ThreadPoolExecutor(16) as clients:
        began = time.monotonic()
        first = [clients.submit(place.api.get, f"/img/{image}") for _ in range(16)]
        assert all(refused(answer.result()) for answer in first)
        assert time.monotonic() - began < 6
        began = time.monotonic()
        assert all(refused(place.api.get(f"/img/{image}")) for _ in range(20))
        assert time.monotonic() - began < 6
    assert eventually(lambda: place.api.get(f"/img/{image}").content == data, within=5)


@pytest.mark.row("S1")
def test_a_store_that_is_down_takes_uploads_no_further_and_loses_none(place: Place, picture: tuple[str, bytes]) -> None:
    image, data = picture
    new = photo(300, 200)
    with place.s3.broken(Down()):
        staged = upload(place.api, new)[0]
        began = time.monotonic()
        assert refused(place.api.post("/images", content=new))
        assert refused(place.api.get(f"/img/{image}/w50.webp"))
        assert time.monotonic() - began < 4
        assert place.api.get(f"/img/{staged}").content == new
        assert place.api.get(f"/images/{image}").status_code == 200
    assert eventually(lambda: place.api.get(f"/img/{image}").content == data, within=5)
    assert store(place.api, new) == staged
    assert place.api.get(f"/img/{staged}").content == new


def test_the_log_tells_what_the_client_is_not_told(place: Place, picture: tuple[str, bytes]) -> None:
    image, _ = picture
    with place.s3.broken(replace(error(403, "ExpiredToken"), method="GET")):
        assert refused(place.api.get(f"/img/{image}"))
    with place.s3.broken(replace(error(404, "NoSuchKey"), method="GET", target=ORIGINALS)):
        assert refused(place.api.get(f"/img/{image}"))
    with place.s3.broken(Flip(at=10, method="GET", target=ORIGINALS)):
        assert refused(place.api.get(f"/img/{image}"))
    words = ("ExpiredToken", "original_missing", "original_damaged", image)
    assert eventually(lambda: all(word in place.app.log_text() for word in words))
