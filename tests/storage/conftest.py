"""Real servers for the storage tests, and the stores on them."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import boto3
import pytest
from mypy_boto3_s3 import S3Client
from redis.asyncio import Redis

from storage.base import ObjectStore, PurgeReport
from storage.local import LocalStore
from storage.redis_client import connect
from storage.s3 import S3Store
from storage.staging import RedisStaging
from tests.servers import Server, redis_server, s3_server

BUCKET = "tests"
BUDGET = 100_000

MakeStaging = Callable[..., RedisStaging]
IMAGE = "abcdefghijklmnopqrstuvwxyz"
OTHER = "zyxwvutsrqponmlkjihgfedcba"
NOTHING = PurgeReport(transferred=0, expired=0, bytes=0)
SOON = timedelta(milliseconds=60)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def stage(staging: RedisStaging, data: bytes, image_id: str = IMAGE) -> None:
    token = await staging.create()
    await staging.append(token, 0, data)
    await staging.finish(token, image_id, sha256=digest(data), facts={"format": "jpg"})


async def used(client: Redis) -> int:
    """The bytes that the budget counts, which must always be the sum of what it counts them for."""
    sizes = {name: int(size) for name, size in (await client.hgetall("staging:sizes")).items()}
    total = sizes.pop(b"total", 0)
    assert total == sum(sizes.values()) >= 0
    return total


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="session")
def aws() -> Iterator[None]:
    """The usual variables, and nothing of the machine's own."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_ACCESS_KEY_ID", "tests")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "tests")
        patch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        yield


@pytest.fixture(scope="session")
def raw_s3(s3: Server, aws: None) -> Iterator[S3Client]:
    """A client beside the store, to look at what it wrote and to damage it."""
    client = boto3.session.Session().client("s3", endpoint_url=s3.url)
    yield client
    client.close()


@pytest.fixture(scope="session")
def shared_s3_store(s3: Server, aws: None) -> Iterator[S3Store]:
    """One for all tests: a client of boto3 takes a third of a second to make."""
    store = S3Store(BUCKET, "a/prefix", endpoint_url=s3.url, connections=4)
    asyncio.run(store.prepare())
    yield store
    asyncio.run(store.close())


@pytest.fixture
def s3_store(shared_s3_store: S3Store, raw_s3: S3Client) -> S3Store:
    """The store, empty."""
    for found in raw_s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        raw_s3.delete_object(Bucket=BUCKET, Key=found["Key"])
    return shared_s3_store


@pytest.fixture
def local_store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "objects")


@pytest.fixture(params=["local_store", "s3_store"])
def store(request: pytest.FixtureRequest, anyio_backend: str) -> ObjectStore:
    """Every implementation of the protocol."""
    made: ObjectStore = request.getfixturevalue(request.param)
    return made


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
async def client(redis: Server, anyio_backend: str) -> AsyncIterator[Redis]:
    """An empty Redis."""
    async with connect(redis.url) as client:
        await client.flushall()
        yield client


@pytest.fixture
async def make_staging(redis: Server, client: Redis) -> AsyncIterator[MakeStaging]:
    """Makes stagings with other times and budgets on the same, at first empty, server."""
    async with AsyncExitStack() as stack:

        def make(
            *, ttl: timedelta = timedelta(minutes=1), budget: int = BUDGET, unfinished: timedelta = timedelta(hours=1)
        ) -> RedisStaging:
            staging = RedisStaging(connect(redis.url), ttl=ttl, budget=budget, unfinished=unfinished)
            stack.push_async_callback(staging.close)
            return staging

        yield make


@pytest.fixture
def staging(make_staging: MakeStaging) -> RedisStaging:
    return make_staging()
