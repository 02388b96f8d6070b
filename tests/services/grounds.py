"""The two grounds that ProgImage stands on, for tests of what it does when they disagree: nothing but Python, and real servers."""

import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from catalog.records import ImageRecord, Original
from catalog.repository import Catalog
from catalog.session import connect
from proxy.settings import Settings
from proxy.wiring import object_store, prepare_places
from services.commit import commit_images
from services.container import Services
from services.embedded import EmbeddedRedis
from services.ids import image_id, original_key
from services.memory import Memory
from services.stage import stage
from services.values import KnownImage
from tests.deployments import S3_CREDENTIALS
from tests.photos import photo
from tests.servers import postgres_server, redis_server, s3_server


@contextmanager
def embedded_ground(folder: Path) -> Iterator[Settings]:
    server = EmbeddedRedis(folder, maxmemory=256 * 1024**2)
    server.start()
    yield Settings(data=folder, redis_url=server.url)
    server.stop()


@contextmanager
def grown_ground(folder: Path) -> Iterator[Settings]:
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in S3_CREDENTIALS.items():
            patch.setenv(name, value)
        yield Settings(
            data=folder,
            database_url=stack.enter_context(postgres_server()).url,
            redis_url=stack.enter_context(redis_server(folder)).url,
            storage_url="s3://bucket/pictures",
            s3_endpoint_url=stack.enter_context(s3_server(folder)).url,
        )


async def fresh(settings: Settings, folder: Path) -> Settings:
    """The same ground with nothing on it yet."""
    name = f"fresh{uuid4().hex}"
    if settings.s3_endpoint_url:
        settings = settings.model_copy(update={"storage_url": f"s3://{name}/pictures"})
    else:
        settings = settings.model_copy(update={"storage_url": str(folder / name)})
    return await with_lost_catalog(settings, folder)


async def with_lost_catalog(settings: Settings, folder: Path) -> Settings:
    """The same ground with an empty database."""
    name = f"fresh{uuid4().hex}"
    if not settings.database_url.startswith("postgresql"):
        return settings.model_copy(update={"database_url": f"sqlite:///{folder}/{name}.db"})
    administrator = create_async_engine(connect(settings.database_url).url, isolation_level="AUTOCOMMIT")
    async with administrator.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
    await administrator.dispose()
    return settings.model_copy(update={"database_url": settings.database_url.rsplit("/", 1)[0] + f"/{name}"})


GROUNDS = {"embedded": embedded_ground, "grown": grown_ground}
# The group keeps the tests of one ground in one xdist process, so that its servers are started once.
PARAMS = [pytest.param(name, marks=pytest.mark.xdist_group(f"ground-{name}")) for name in GROUNDS]
only_embedded = pytest.mark.parametrize("servers", PARAMS[:1], indirect=True)


@asynccontextmanager
async def on(standing: Services, settings: Settings) -> AsyncIterator[Services]:
    """The same collaborators, which take a second to start, with another store and catalog, of which they remember nothing."""
    engine, store = connect(settings.database_url), object_store(settings)
    await prepare_places(engine, store)
    yield replace(standing, store=store, catalog=Catalog(engine), memory=Memory(settings.memory_cache))
    await engine.dispose()
    await store.close()


async def staged(services: Services, picture: bytes) -> str:
    async def body() -> AsyncIterator[bytes]:
        yield picture

    return (await stage(services, body())).staged.image_id


async def staged_original(services: Services, product_id: str | None = None) -> Original:
    """A new picture that is staged, as a commit begins with it."""
    upload = await services.staging.head(await staged(services, photo(50, 40)))
    assert upload
    known = KnownImage.from_staged(upload)
    place = original_key(known.id, known.facts.format, product_id)
    return Original(id=known.id, facts=known.facts, bytes=known.bytes, sha256=known.sha256, place=place)


async def stored(services: Services, picture: bytes | None = None) -> ImageRecord:
    (image,) = await commit_images(services, [await staged(services, picture or photo(64, 48))])
    return image


async def keys(services: Services) -> list[str]:
    return [found.key async for found in services.store.list("")]


async def put(services: Services, key: str, data: bytes) -> str:
    await services.store.put(key, data, sha256=hashlib.sha256(data).hexdigest())
    return key


def unknown(seed: bytes = b"unknown") -> str:
    """The id of an image that nobody stored."""
    return image_id(hashlib.sha256(seed).hexdigest())
