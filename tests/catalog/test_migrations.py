"""The schema: the migrations and the models say the same, and many may migrate at once."""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

from catalog.errors import CatalogUnavailable
from catalog.models import Table
from catalog.repository import Catalog
from catalog.session import MIGRATIONS, RevisionState, connect, migrate, revision_state
from tests.catalog.builders import a_product, a_stored_image, a_variant, an_original
from tests.servers import REPOSITORY, free_port

pytestmark = pytest.mark.anyio

MIGRATE = """
import asyncio, sys
from catalog.session import connect, migrate

async def main():
    engine = connect(sys.argv[1])
    await migrate(engine)
    await engine.dispose()

asyncio.run(main())
"""


def alembic(connection: Connection) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


async def test_the_migrated_schema_is_that_of_the_models(engine: AsyncEngine) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        return list(compare_metadata(context, Table.metadata))

    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_constraints_and_indexes_have_the_names_of_the_models(engine: AsyncEngine) -> None:
    def names(connection: Connection) -> set[str | None]:
        found = inspect(connection)
        return {
            constraint["name"]
            for table in Table.metadata.tables
            for constraint in (
                found.get_pk_constraint(table),
                *found.get_foreign_keys(table),
                *found.get_unique_constraints(table),
                *found.get_indexes(table),
            )
        }

    tables = Table.metadata.tables.values()
    wanted = {part.name for table in tables for parts in (table.constraints, table.indexes) for part in parts}
    async with engine.connect() as connection:
        assert await connection.run_sync(names) == wanted


async def test_migrating_again_changes_nothing(engine: AsyncEngine, catalog: Catalog) -> None:
    product = await a_product(catalog, [an_original()])
    await migrate(engine)
    assert await catalog.product(product.id) == product


async def test_two_processes_that_start_at_once_may_both_migrate(blank_url: str, blank: AsyncEngine) -> None:
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-W", "error", "-c", MIGRATE, blank_url, cwd=REPOSITORY) for _ in range(2)
    ]
    assert [await process.wait() for process in processes] == [0, 0]
    assert (await revision_state(blank)).up_to_date


async def test_the_state_of_the_schema_is_told(blank: AsyncEngine) -> None:
    head = "0003"
    assert await revision_state(blank) == RevisionState(current=None, head=head)
    await migrate(blank)
    assert await revision_state(blank) == RevisionState(current=head, head=head)


async def test_focal_points_come_with_empty_variants_and_with_work_for_all_stored_images(engine: AsyncEngine, catalog: Catalog) -> None:
    ready, pending = await a_stored_image(catalog), an_original()
    await catalog.record_variant(a_variant(ready.id))
    await catalog.reserve([pending], standalone=True)
    for message in await catalog.open_messages(["warm"], limit=10):
        await catalog.finish(message.id)
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: command.downgrade(alembic(sync), "0001"))
    await migrate(engine)
    assert await catalog.variants([ready.id]) == {ready.id: []}
    assert [message.subject for message in await catalog.open_messages(["warm"], limit=10)] == [ready.id]
    assert await catalog.image(ready.id) == ready


async def test_what_was_stored_before_there_were_remote_images_is_none_of_them(engine: AsyncEngine, catalog: Catalog) -> None:
    product, image = await a_product(catalog, [an_original()]), await a_stored_image(catalog)
    await catalog.record_variant(a_variant(image.id))
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: command.downgrade(alembic(sync), "0002"))
    await migrate(engine)
    assert set((await catalog.list_images(limit=10)).items) == {image, *product.images}
    assert await catalog.variants([image.id]) == {image.id: [a_variant(image.id)]}
    assert await catalog.expire_sources(datetime.now(UTC)) == []


async def test_a_migration_can_be_taken_back(engine: AsyncEngine) -> None:
    def downgrade(connection: Connection) -> list[str]:
        command.downgrade(alembic(connection), "base")
        return inspect(connection).get_table_names()

    async with engine.begin() as connection:
        assert await connection.run_sync(downgrade) == ["alembic_version"]
    await migrate(engine)
    assert (await revision_state(engine)).up_to_date


async def test_sqlite_connections_are_durable_and_keep_references(tmp_path: Path) -> None:
    engine = connect(f"sqlite:///{tmp_path}/catalog.db")
    wanted = {"journal_mode": "wal", "synchronous": 2, "busy_timeout": 5000, "foreign_keys": 1}
    async with engine.connect() as connection:
        found = {name: (await connection.execute(text(f"PRAGMA {name}"))).scalar() for name in wanted}
    await engine.dispose()
    assert found == wanted


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("sqlite:///data/catalog.db", "sqlite+aiosqlite:///data/catalog.db"),
        ("sqlite:////var/lib/catalog.db", "sqlite+aiosqlite:////var/lib/catalog.db"),
        ("postgresql://u:p@host/name", "postgresql+asyncpg://u:p@host/name"),
        ("postgres://host:5433/name", "postgresql+asyncpg://host:5433/name"),
        ("postgresql+psycopg://host/name", "postgresql+asyncpg://host/name"),
        ("postgresql://host/name?sslmode=require", "postgresql+asyncpg://host/name?ssl=require"),
    ],
)
def test_urls_get_our_drivers(given: str, wanted: str) -> None:
    assert connect(given).url.render_as_string(hide_password=False) == wanted


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://host/name", "sqlite://", "sqlite:///:memory:", "postgresql://host:port/name"])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="sqlite:///"):
        connect(url)


async def test_a_database_that_is_away_is_unavailable() -> None:
    engine = connect(f"postgresql://postgres@127.0.0.1:{free_port()}/postgres")
    for question in (migrate, revision_state):
        with pytest.raises(CatalogUnavailable):
            await question(engine)
    await engine.dispose()
