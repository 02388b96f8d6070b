"""The schema: the migrations and the models say the same, and many may migrate at once."""

import asyncio
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command, op
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

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


# A process that dies in the middle of a revision, after it has changed the schema.
KILLED = """
import os, signal
from alembic import op

def killed(*_):
    os.kill(os.getpid(), signal.SIGKILL)

op.create_table = killed
"""


class Broken(Exception):
    """A revision does not get to its end."""


def broken(*_: object) -> None:
    raise Broken


def alembic(connection: Connection) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


async def downgraded(engine: AsyncEngine, revision: str) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: command.downgrade(alembic(sync), revision))


async def columns(engine: AsyncEngine) -> dict[str, set[str]]:
    """What there is, by table."""

    def found(connection: Connection) -> dict[str, set[str]]:
        looked = inspect(connection)
        return {table: {column["name"] for column in looked.get_columns(table)} for table in looked.get_table_names()}

    async with engine.connect() as connection:
        return await connection.run_sync(found)


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
    head = "0004"
    assert await revision_state(blank) == RevisionState(current=None, head=head)
    await migrate(blank)
    assert await revision_state(blank) == RevisionState(current=head, head=head)


async def test_focal_points_come_with_empty_variants_and_with_work_for_all_stored_images(engine: AsyncEngine, catalog: Catalog) -> None:
    ready, pending = await a_stored_image(catalog), an_original()
    await catalog.record_variant(a_variant(ready.id))
    await catalog.reserve([pending], standalone=True)
    for message in await catalog.open_messages(["warm"], limit=10):
        await catalog.finish(message.id)
    await downgraded(engine, "0001")
    await migrate(engine)
    assert await catalog.variants([ready.id]) == {ready.id: []}
    assert [message.subject for message in await catalog.open_messages(["warm"], limit=10)] == [ready.id]
    assert await catalog.image(ready.id) == ready


async def test_what_was_stored_before_there_were_remote_images_is_none_of_them(engine: AsyncEngine, catalog: Catalog) -> None:
    product, image = await a_product(catalog, [an_original()]), await a_stored_image(catalog)
    await catalog.record_variant(a_variant(image.id))
    await downgraded(engine, "0002")
    await migrate(engine)
    assert set((await catalog.list_images(limit=10)).items) == {image, *product.images}
    assert await catalog.variants([image.id]) == {image.id: [a_variant(image.id)]}
    assert await catalog.expire_sources(datetime.now(UTC)) == []


async def test_code_that_knows_no_engines_goes_on_recording_variants(engine: AsyncEngine, catalog: Catalog) -> None:
    image = await a_stored_image(catalog)
    names = "image_id, plan, format, width, height, bytes, etag, created_at"
    row = f"'{image.id}', 'w256', 'webp', 256, 192, 9000, 'etag', '2026-01-01 00:00:00'"
    async with engine.begin() as connection:
        await connection.execute(text(f"INSERT INTO variant ({names}) VALUES ({row})"))
        assert (await connection.execute(text("SELECT engine FROM variant"))).scalar() == 2


@pytest.mark.row("D8")
async def test_a_migration_that_breaks_off_leaves_the_schema_of_before_and_is_done_again(
    engine: AsyncEngine, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = await a_product(catalog, [an_original()])
    await downgraded(engine, "0002")
    before = await columns(engine)
    with monkeypatch.context() as patch:
        patch.setattr(op, "create_table", broken)
        with pytest.raises(Broken):
            await migrate(engine)
    assert await columns(engine) == before
    assert (await revision_state(engine)).current == "0002"
    await migrate(engine)
    assert (await revision_state(engine)).up_to_date
    assert await catalog.product(product.id) == product


async def test_a_process_that_is_killed_while_it_migrates_leaves_the_schema_of_before(
    blank_url: str, engine: AsyncEngine, catalog: Catalog
) -> None:
    product = await a_product(catalog, [an_original()])
    await downgraded(engine, "0002")
    before = await columns(engine)
    process = await asyncio.create_subprocess_exec(sys.executable, "-W", "error", "-c", KILLED + MIGRATE, blank_url, cwd=REPOSITORY)
    assert await process.wait() == -signal.SIGKILL
    assert await columns(engine) == before
    assert (await revision_state(engine)).current == "0002"
    await migrate(engine)
    assert (await revision_state(engine)).up_to_date
    assert await catalog.product(product.id) == product


async def test_a_schema_that_is_newer_stays_and_is_worked_with(engine: AsyncEngine, catalog: Catalog) -> None:
    """The statements are those of a migration that only expands."""
    product, later = await a_product(catalog, [an_original()]), "9999"
    async with engine.begin() as connection:
        for statement in ("ALTER TABLE image ADD COLUMN later TEXT", "CREATE TABLE later (id INTEGER)"):
            await connection.execute(text(statement))
        await connection.execute(text(f"UPDATE alembic_version SET version_num = '{later}'"))
    with capture_logs() as told:
        await migrate(engine)
    state = await revision_state(engine)
    assert [(line["event"], line["schema"], line["known"]) for line in told] == [("schema_is_newer", later, state.head)]
    assert (state.current, state.newer, state.usable, state.up_to_date) == (later, True, True, False)
    assert await catalog.product(product.id) == product
    assert await a_stored_image(catalog)


@pytest.mark.parametrize(("current", "usable"), [(None, False), ("0001", False), ("0004", True), ("0005", True), ("ae1027a6acf", False)])
def test_a_schema_is_usable_when_it_is_ours_and_not_older(current: str | None, usable: bool) -> None:
    assert RevisionState(current=current, head="0004").usable is usable


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
