"""What is particular to S3: its metadata, other servers' dialects, damage on the way, and errors that are ours and not the client's."""

import base64
import hashlib
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import anyio
import pytest
from mypy_boto3_s3 import S3Client

from storage import s3 as s3_module
from storage.base import DigestConflict, StorageUnavailable
from storage.s3 import S3Store
from tests.servers import Server, free_port
from tests.storage.conftest import BUCKET
from tests.storage.scripted import Answer, Scripted, scripted_server

pytestmark = pytest.mark.anyio

DATA = b"the bytes of a picture"
SHA256 = hashlib.sha256(DATA).hexdigest()
KEY = "v/a.webp"
MISSING = Answer(status=404)
DESCRIBED = {"x-amz-meta-sha256": SHA256}
VOUCHED = {"x-amz-checksum-sha256": base64.b64encode(bytes.fromhex(SHA256)).decode()}


def failure(status: int, code: str) -> Answer:
    return Answer(status=status, body=f"<Error><Code>{code}</Code></Error>".encode())


@pytest.fixture
def script(aws: None) -> Iterator[Scripted]:
    with scripted_server() as script:
        yield script


@pytest.fixture
async def scripted_store(script: Scripted, tmp_path: Path, anyio_backend: str) -> AsyncIterator[S3Store]:
    store = S3Store("bucket", endpoint_url=script.url, connections=2, read_timeout=0.3, temporary=tmp_path)
    yield store
    await store.close()


async def test_objects_carry_their_type_digest_and_metadata(s3_store: S3Store, raw_s3: S3Client) -> None:
    await s3_store.put(KEY, DATA, sha256=SHA256, metadata={"width": "30"})
    found = raw_s3.head_object(Bucket=BUCKET, Key=f"a/prefix/{KEY}")
    assert found["ContentType"] == "image/webp"
    assert found["Metadata"] == {"width": "30", "sha256": SHA256}


@pytest.mark.parametrize(
    ("key", "kind"), [("facts/a.json", "application/json"), ("a.jpg", "image/jpeg"), ("a", "application/octet-stream")]
)
async def test_the_media_type_follows_from_the_extension(s3_store: S3Store, raw_s3: S3Client, key: str, kind: str) -> None:
    await s3_store.put(key, DATA, sha256=SHA256)
    assert raw_s3.head_object(Bucket=BUCKET, Key=f"a/prefix/{key}")["ContentType"] == kind


@pytest.mark.parametrize("damaged", [DATA[:-1], DATA[::-1]], ids=["cut", "changed"])
async def test_verify_reads_back_what_the_server_does_not_vouch_for(s3_store: S3Store, raw_s3: S3Client, damaged: bytes) -> None:
    raw_s3.put_object(Bucket=BUCKET, Key=f"a/prefix/{KEY}", Body=damaged, Metadata={"sha256": SHA256})
    with pytest.raises(DigestConflict):
        await s3_store.verify(KEY, size=len(DATA), sha256=SHA256)
    with pytest.raises(DigestConflict):
        await s3_store.get(KEY)


async def test_lists_and_deletes_go_on_after_a_full_page(s3_store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_module, "PAGE", 2)
    keys = [f"v/{number}" for number in range(5)]
    for key in keys:
        await s3_store.put(key, DATA, sha256=SHA256)
    assert [found.key async for found in s3_store.list("v/")] == keys
    assert await s3_store.delete_prefix("v/") == 5
    assert [found.key async for found in s3_store.list("")] == []


async def test_the_bucket_is_made_once(s3_store: S3Store) -> None:
    await s3_store.prepare()
    await s3_store.check()


@pytest.mark.row("S10")
async def test_a_missing_bucket_is_no_missing_image(s3: Server, aws: None) -> None:
    store = S3Store("never-made", endpoint_url=s3.url)
    with pytest.raises(StorageUnavailable):
        await store.get(KEY)
    await store.close()


async def test_local_copies_are_deleted_afterwards(s3_store: S3Store) -> None:
    await s3_store.put(KEY, DATA, sha256=SHA256)
    with suppress(RuntimeError):
        async with s3_store.local(KEY) as path:
            assert path.read_bytes() == DATA
            raise RuntimeError
    assert not path.exists()


async def test_a_server_without_conditional_puts_is_asked_plainly(scripted_store: S3Store, script: Scripted) -> None:
    script.answers = {"HEAD": [MISSING], "PUT": [failure(501, "NotImplemented"), Answer()]}
    for _ in range(2):
        assert (await scripted_store.put(KEY, DATA, sha256=SHA256)).created
    puts = [headers for method, headers in script.asked if method == "PUT"]
    assert ["If-None-Match" in headers for headers in puts] == [True, False, False]


@pytest.mark.parametrize(("status", "code"), [(412, "PreconditionFailed"), (409, "ConditionalRequestConflict")])
async def test_who_loses_the_race_to_put_compares(scripted_store: S3Store, script: Scripted, status: int, code: str) -> None:
    there = Answer(headers=DESCRIBED, length=len(DATA))
    script.answers = {"HEAD": [MISSING, there], "PUT": [failure(status, code)]}
    assert not (await scripted_store.put(KEY, DATA, sha256=SHA256)).created
    assert script.methods() == "HEAD PUT HEAD"


async def test_a_server_that_overlooks_the_condition_is_not_trusted_with_it(scripted_store: S3Store, script: Scripted) -> None:
    script.answers = {"HEAD": [Answer(headers={"x-amz-meta-sha256": "0" * 64}, length=len(DATA))], "PUT": [Answer()]}
    with pytest.raises(DigestConflict):
        await scripted_store.put(KEY, DATA, sha256=SHA256)
    assert script.methods() == "HEAD"


async def test_verify_takes_the_servers_word_for_its_own_checksum(scripted_store: S3Store, script: Scripted) -> None:
    script.answers = {"HEAD": [Answer(headers=VOUCHED, length=len(DATA))]}
    await scripted_store.verify(KEY, size=len(DATA), sha256=SHA256)
    with pytest.raises(DigestConflict):
        await scripted_store.verify(KEY, size=len(DATA), sha256="0" * 64)
    assert script.methods() == "HEAD HEAD"


@pytest.mark.parametrize(
    ("damaged", "error"),
    [
        (Answer(headers=DESCRIBED, body=DATA[:5], length=len(DATA)), StorageUnavailable),
        (Answer(headers=DESCRIBED, body=DATA[::-1]), DigestConflict),
    ],
    ids=["cut short", "changed"],
)
async def test_what_arrives_damaged_is_fetched_once_more(
    scripted_store: S3Store, script: Scripted, damaged: Answer, error: type[Exception]
) -> None:
    script.answers = {"GET": [damaged, Answer(headers=DESCRIBED, body=DATA)]}
    assert await scripted_store.get(KEY) == DATA
    script.answers = {"GET": [damaged]}
    with pytest.raises(error):
        async with scripted_store.local(KEY):
            pytest.fail("there is no whole file to hand out")


@pytest.mark.parametrize("answer", [failure(403, "ExpiredToken"), failure(403, "RequestTimeTooSkewed"), failure(404, "NoSuchBucket")])
async def test_our_own_trouble_is_never_the_clients(scripted_store: S3Store, script: Scripted, answer: Answer) -> None:
    script.answers = {"GET": [answer]}
    with pytest.raises(StorageUnavailable) as caught:
        await scripted_store.get(KEY)
    assert "Token" not in str(caught.value)
    assert caught.value.facts == {}


async def test_an_overloaded_server_is_asked_three_times_at_most(scripted_store: S3Store, script: Scripted) -> None:
    script.answers = {"GET": [failure(503, "SlowDown")]}
    with pytest.raises(StorageUnavailable):
        await scripted_store.get(KEY)
    assert script.methods() == "GET GET GET"


async def test_a_server_that_is_away_is_unavailable(aws: None) -> None:
    store = S3Store("bucket", endpoint_url=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(StorageUnavailable):
        await store.head(KEY)
    await store.close()


async def test_who_gives_up_leaves_at_once(aws: None) -> None:
    """A server that accepts and says nothing holds a thread until its timeout, never the caller."""
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as silent:
        port = silent.extra(anyio.abc.SocketAttribute.local_port)
        store = S3Store("bucket", endpoint_url=f"http://127.0.0.1:{port}", connections=1, read_timeout=0.2)
        started = time.monotonic()
        with anyio.move_on_after(0.05) as scope:
            await store.get(KEY)
        assert scope.cancelled_caught
        assert time.monotonic() - started < 0.2
        await store.close()
