"""The catalog on each of its databases, empty for every test."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from catalog.repository import Catalog
from catalog.session import connect, migrate
from tests.servers import postgres_server

# The group keeps these tests in one xdist process, so that PostgreSQL is started once.
POSTGRESQL = pytest.param("postgresql", marks=pytest.mark.xdist_group("catalog-postgresql"))


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    with postgres_server() as server:
        yield server.url


@pytest.fixture(params=["sqlite", POSTGRESQL])
async def blank_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of its own without any table."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/catalog.db"
    server: str = request.getfixturevalue("postgres_url")
    name = f"blank_{uuid4().hex}"
    administrator = create_async_engine(connect(server).url, isolation_level="AUTOCOMMIT")
    async with administrator.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
    await administrator.dispose()
    return server.rsplit("/", 1)[0] + "/" + name


@pytest.fixture
async def blank(blank_url: str) -> AsyncIterator[AsyncEngine]:
    engine = connect(blank_url)
    yield engine
    await engine.dispose()


@pytest.fixture
async def engine(blank: AsyncEngine) -> AsyncEngine:
    """A migrated database."""
    await migrate(blank)
    return blank


@pytest.fixture
def catalog(engine: AsyncEngine) -> Catalog:
    return Catalog(engine)
