"""The collaborators of a process on a Redis, a store and a catalog of their own."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from proxy.settings import Settings
from proxy.wiring import build
from services.container import Services
from services.embedded import EmbeddedRedis
from tests.services.grounds import GROUNDS, PARAMS, fresh, on


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    server = EmbeddedRedis(tmp_path, maxmemory=256 * 1024**2)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session", params=PARAMS)
def servers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    name: str = request.param
    with GROUNDS[name](tmp_path_factory.mktemp(name)) as settings:
        yield settings


@pytest.fixture
async def ground(servers: Settings, tmp_path: Path) -> Settings:
    """Settings of each ground, with an empty store and an empty catalog."""
    return await fresh(servers, tmp_path)


@pytest.fixture(scope="session")
async def standing(servers: Settings) -> AsyncIterator[Services]:
    """Made once for each ground: its children take a second to start."""
    async with build(servers) as built:
        yield built


@pytest.fixture
async def services(standing: Services, ground: Settings) -> AsyncIterator[Services]:
    """With a store and a catalog of its own."""
    async with on(standing, ground) as built:
        yield built
