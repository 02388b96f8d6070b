"""From a URL to an engine whose connections are set up right, and from any older database to the schema of today."""

from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import structlog
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from anyio import sleep
from sqlalchemy import URL, Connection, NullPool, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from catalog.errors import CatalogUnavailable
from catalog.transactions import BEGIN, translated

log = structlog.get_logger(__name__)

MIGRATIONS = Path(__file__).parent / "migrations"
MIGRATION_LOCK = 0x70726F67  # "prog": any number will do that no other user of the same PostgreSQL database takes
BUSY_MS = 5_000
COMMAND_SECONDS = 6.0
MIGRATION_BUSY_MS = 60_000
WAL_SECONDS = 0.05
DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
# Connections are not tried before their use: who meets one that was cut begins anew (catalog/transactions.py).
POOL = {"pool_size": 10, "max_overflow": 10, "pool_timeout": 1, "pool_recycle": 1_800}


@dataclass(frozen=True, kw_only=True)
class RevisionState:
    """The revision of the database (None when it is empty) and the newest that this code knows. Ours are numbered."""

    current: str | None
    head: str | None

    @property
    def up_to_date(self) -> bool:
        return self.current == self.head

    @property
    def newer(self) -> bool:
        """A later ProgImage has brought it further. It leaves a schema that this one works with, or no deployment could be rolled."""
        return bool(self.current and self.head and self.current.isdecimal() and self.current > self.head)

    @property
    def usable(self) -> bool:
        return self.up_to_date or self.newer


def connect(url: str) -> AsyncEngine:
    """An engine for `sqlite:///path` or `postgresql://…`; ValueError for anything else. Nothing is opened yet."""
    parsed = _with_driver(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed, foreign_keys=True)
    timeouts = {"statement_timeout": "5000", "lock_timeout": "5000", "idle_in_transaction_session_timeout": "30000"}
    return _postgres(parsed, timeouts, command_seconds=COMMAND_SECONDS, **POOL)


async def migrate(engine: AsyncEngine) -> None:
    """Bring the schema up to date; one that is newer stays. Several processes may start at once: one migrates, the others wait for it."""
    ends = monotonic() + MIGRATION_BUSY_MS / 1000
    while True:
        try:
            return await _migrate(engine)
        except CatalogUnavailable:
            # Turning a new SQLite file to WAL fails at once while another process does so, whatever the busy timeout says.
            if engine.url.get_backend_name() != "sqlite" or monotonic() > ends:
                raise
            await sleep(WAL_SECONDS)


async def _migrate(engine: AsyncEngine) -> None:
    maintenance = _maintenance(engine.url)
    try:
        with translated():
            async with maintenance.execution_options(**{BEGIN: "IMMEDIATE"}).begin() as connection:
                await connection.run_sync(_upgrade)
    finally:
        await maintenance.dispose()


async def revision_state(engine: AsyncEngine) -> RevisionState:
    """Where the schema stands; CatalogUnavailable when the database does not answer."""
    with translated():
        async with engine.connect() as connection:
            return await connection.run_sync(_state)


def _state(connection: Connection) -> RevisionState:
    current = MigrationContext.configure(connection).get_current_revision()
    return RevisionState(current=current, head=ScriptDirectory(str(MIGRATIONS)).get_current_head())


def _with_driver(url: str) -> URL:
    try:
        parsed = make_url(url)
        driver = DRIVERS[parsed.drivername.partition("+")[0]]
    except (ArgumentError, ValueError, KeyError) as error:
        raise ValueError("a database URL is sqlite:///path or postgresql://user:password@host/name") from error
    if driver == DRIVERS["sqlite"] and parsed.database in {None, "", ":memory:"}:
        raise ValueError("SQLite needs a file here, as in sqlite:///data/progimage.db: each connection to memory is a database of its own")
    return parsed.set(drivername=driver)


def _maintenance(url: URL) -> AsyncEngine:
    """An engine for migrations alone: they may last, and on SQLite they rebuild tables, which must not cascade to other tables."""
    if url.get_backend_name() == "sqlite":
        return _sqlite(url, foreign_keys=False)
    return _postgres(url, {"lock_timeout": str(MIGRATION_BUSY_MS)}, command_seconds=MIGRATION_BUSY_MS / 1000, poolclass=NullPool)


def _postgres(url: URL, server_settings: dict[str, str], *, command_seconds: float, **options: object) -> AsyncEngine:
    # The server keeps its own time-outs unless it is frozen: then the client must give up.
    # Everybody else spells asyncpg's `ssl` as libpq does.
    query = {"ssl" if name == "sslmode" else name: value for name, value in url.query.items()}
    arguments = {"timeout": 5, "command_timeout": command_seconds, "server_settings": {"application_name": "progimage", **server_settings}}
    return create_async_engine(url.set(query=query), connect_args=arguments, **options)


def _sqlite(url: URL, *, foreign_keys: bool) -> AsyncEngine:
    busy_ms = BUSY_MS if foreign_keys else MIGRATION_BUSY_MS
    # FULL: without it a loss of power may take the last commits back, after we answered 201.
    pragmas = (f"busy_timeout = {busy_ms}", "journal_mode = WAL", "synchronous = FULL", f"foreign_keys = {foreign_keys:d}")

    def prepare(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # the driver begins no transactions by itself then; `begin` does
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get(BEGIN, 'DEFERRED')}")

    engine = create_async_engine(url, **POOL)
    event.listen(engine.sync_engine, "connect", prepare)
    event.listen(engine.sync_engine, "begin", begin)
    return engine


def _upgrade(connection: Connection) -> None:
    """Both databases take DDL in transactions; SQLite's is IMMEDIATE, so only PostgreSQL needs a lock of ours."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
    state = _state(connection)
    if state.newer:
        log.warning("schema_is_newer", schema=state.current, known=state.head)
        return
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    command.upgrade(config, "head")
