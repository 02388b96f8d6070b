"""When the database refuses, fails or is slow: one error of ours, one second try where nothing can have happened."""

import asyncio
import threading
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel.ext.asyncio.session import AsyncSession

from catalog import session as sessions
from catalog import transactions as boundaries
from catalog.errors import CatalogUnavailable
from catalog.repository import Catalog
from catalog.session import connect, migrate
from catalog.transactions import Transactions
from tests.catalog.builders import a_stored_image, an_original
from tests.servers import free_port

pytestmark = pytest.mark.anyio

on_postgresql = pytest.mark.xdist_group("catalog-postgresql")


@pytest.fixture
async def postgres(postgres_url: str) -> AsyncIterator[AsyncEngine]:
    engine = connect(postgres_url)
    yield engine
    await engine.dispose()


async def run(session: AsyncSession, statement: str) -> None:
    await (await session.connection()).execute(text(statement))


@pytest.mark.parametrize("path", ["missing/catalog.db", "."])
async def test_a_file_that_cannot_be_opened_is_unavailable(tmp_path: Path, path: str) -> None:
    engine = connect(f"sqlite:///{tmp_path / path}")
    with pytest.raises(CatalogUnavailable):
        await Transactions(engine).read(run, "SELECT 1")
    await engine.dispose()
    # aiosqlite does not wait for the thread of a connection that failed; it must not meet a closed event loop.
    for thread in threading.enumerate():
        if "_connection_worker_thread" in thread.name:
            await asyncio.to_thread(thread.join)


async def test_a_server_that_refuses_connections_is_unavailable() -> None:
    engine = connect(f"postgresql://postgres@127.0.0.1:{free_port()}/postgres")
    with pytest.raises(CatalogUnavailable) as raised:
        await Transactions(engine).read(run, "SELECT 1")
    assert "127.0.0.1" not in str(raised.value)
    await engine.dispose()


@on_postgresql
async def test_a_database_that_is_not_there_is_unavailable(postgres_url: str) -> None:
    engine = connect(postgres_url.rsplit("/", 1)[0] + "/nowhere")
    with pytest.raises(CatalogUnavailable):
        await Transactions(engine).read(run, "SELECT 1")
    await engine.dispose()


async def test_a_locked_sqlite_is_unavailable_to_writers_and_read_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "BUSY_MS", 50)
    engine, other = (connect(f"sqlite:///{tmp_path}/catalog.db") for _ in range(2))
    await migrate(engine)
    catalog = Catalog(engine)
    image = await a_stored_image(catalog)
    async with other.connect() as holder:
        await holder.execute(text("UPDATE image SET standalone = true"))
        with pytest.raises(CatalogUnavailable):
            await catalog.reserve([an_original()], standalone=True)
        assert await catalog.image(image.id) == image
    await a_stored_image(catalog)
    await engine.dispose()
    await other.dispose()


async def test_an_exhausted_pool_is_unavailable(blank_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "POOL", {"pool_size": 1, "max_overflow": 0, "pool_timeout": 0.05})
    engine = connect(blank_url)
    async with engine.connect():
        with pytest.raises(CatalogUnavailable):
            await Transactions(engine).read(run, "SELECT 1")
    await Transactions(engine).read(run, "SELECT 1")
    await engine.dispose()


async def test_sqlite_writers_wait_in_turn_and_leave_connections_to_readers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "POOL", {"pool_size": 2, "max_overflow": 0, "pool_timeout": 0.5})
    engine = connect(f"sqlite:///{tmp_path}/catalog.db")
    await migrate(engine)
    catalog = Catalog(engine)
    writers = asyncio.gather(*(a_stored_image(catalog) for _ in range(20)))
    for _ in range(5):
        await catalog.images([])
    await writers
    assert len((await catalog.list_images(limit=100)).items) == 20
    await engine.dispose()


async def test_a_sqlite_writer_does_not_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boundaries, "TURN_SECONDS", 0.02)
    engine = connect(f"sqlite:///{tmp_path}/catalog.db")
    transactions, begun = Transactions(engine), asyncio.Event()

    async def slow(session: AsyncSession) -> None:
        begun.set()
        await asyncio.sleep(0.2)

    first = asyncio.create_task(transactions.write(slow))
    await begun.wait()
    with pytest.raises(CatalogUnavailable):
        await transactions.write(slow)
    await first
    await engine.dispose()


@on_postgresql
async def test_a_statement_that_takes_too_long_is_unavailable(postgres: AsyncEngine) -> None:
    async def slow(session: AsyncSession) -> None:
        await run(session, "SET LOCAL statement_timeout = 20")
        await run(session, "SELECT pg_sleep(1)")

    with pytest.raises(CatalogUnavailable):
        await Transactions(postgres).read(slow)


@pytest.mark.row("D3")
@on_postgresql
@pytest.mark.parametrize("kind", ["read", "glance", "write", "note"])
async def test_work_whose_connection_was_cut_is_done_once_more(postgres: AsyncEngine, kind: str) -> None:
    turns = count(1)

    async def cut_at_first(session: AsyncSession) -> int:
        turn = next(turns)
        await run(session, "SELECT pg_terminate_backend(pg_backend_pid())" if turn == 1 else "SELECT 1")
        return turn

    assert await getattr(Transactions(postgres), kind)(cut_at_first) == 2


@pytest.mark.row("D3")
@on_postgresql
@pytest.mark.parametrize("kind", ["read", "glance"])
async def test_who_has_looked_when_the_connection_is_cut_looks_again(postgres: AsyncEngine, kind: str) -> None:
    turns = count(1)

    async def cut_after_first(session: AsyncSession) -> int:
        pid = int((await (await session.connection()).execute(text("SELECT pg_backend_pid()"))).scalar_one())
        if (turn := next(turns)) == 1:
            async with postgres.connect() as other:
                await other.execute(text(f"SELECT pg_terminate_backend({pid}, 5000)"))
        return turn

    assert await getattr(Transactions(postgres), kind)(cut_after_first) == 2


@on_postgresql
async def test_work_whose_connection_is_cut_again_is_unavailable(postgres: AsyncEngine) -> None:
    async def cut(session: AsyncSession) -> None:
        await run(session, "SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(CatalogUnavailable):
        await Transactions(postgres).write(cut)


@on_postgresql
async def test_both_ends_of_a_deadlock_get_their_work_done(postgres: AsyncEngine) -> None:
    both_hold_one = asyncio.Barrier(2)
    turns: dict[int, int] = {1: 0, 2: 0}

    async def take(session: AsyncSession, first: int, second: int) -> None:
        turns[first] += 1
        await run(session, "SET LOCAL deadlock_timeout = 20")
        await run(session, f"SELECT pg_advisory_xact_lock({first})")
        if turns[first] == 1:
            await both_hold_one.wait()
        await run(session, f"SELECT pg_advisory_xact_lock({second})")

    transactions = Transactions(postgres)
    await asyncio.gather(transactions.write(take, 1, 2), transactions.write(take, 2, 1))
    assert sorted(turns.values()) == [1, 2]


async def test_a_failure_leaves_nothing_behind(engine: AsyncEngine) -> None:
    async def fail(session: AsyncSession) -> None:
        await run(session, "INSERT INTO outbox VALUES ('id', 'warm', '', '{}', '2026-01-01', NULL)")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await Transactions(engine).write(fail)
    assert await Catalog(engine).open_messages(["warm"], limit=10) == []


async def test_our_own_mistakes_are_not_hidden(engine: AsyncEngine) -> None:
    with pytest.raises(IntegrityError):
        await Transactions(engine).write(run, "INSERT INTO product_image VALUES ('nowhere', 0, 'nothing')")


@on_postgresql
async def test_a_mistaken_statement_is_not_hidden(postgres: AsyncEngine) -> None:
    with pytest.raises(ProgrammingError):
        await Transactions(postgres).read(run, "SELECT nonsense")
