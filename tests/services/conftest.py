"""The collaborators of a process on a Redis, a store and a catalog of their own."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from proxy.settings import Settings
from proxy.wiring import build
from services.container import Services
from services.embedded import EmbeddedRedis


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    server = EmbeddedRedis(tmp_path, maxmemory=256 * 1024**2)
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def services(tmp_path: Path, redis: EmbeddedRedis) -> AsyncIterator[Services]:
    async with build(Settings(data=tmp_path, redis_url=redis.url)) as built:
        yield built
