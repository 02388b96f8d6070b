"""One piece of work, one transaction; and the one border where a driver's errors become ours."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager, nullcontext, suppress
from functools import partial
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel.ext.asyncio.session import AsyncSession

from catalog.errors import CatalogUnavailable
from catalog.patience import Patience

P = ParamSpec("P")
R = TypeVar("R")
Work = Callable[Concatenate[AsyncSession, P], Awaitable[R]]

BEGIN = "sqlite_begin"  # the execution option that says how SQLite begins; PostgreSQL has no need of it
TURN_SECONDS = 5  # as long as SQLite itself waits for a writer in another process
# Each statement has time-outs of its own; this is for a server that keeps none.
WORK_SECONDS = 6.0
# A picture can be served without the catalog, so it waits for it no longer.
GLANCE_SECONDS = 0.5
# PostgreSQL's classes of SQLSTATE that speak of the server and not of the statement: connection, login, name of the database,
# rollback, resources, locks, operator, system, configuration file, internal.
SERVER_FAULTS = ("08", "28", "3D", "40", "53", "55", "57", "58", "F0", "XX")
# A server that cuts all connections cuts one after the other: the next one may be among them.
REPEATED = 2
# Serialization failure, deadlock; a connection that was cut while it was being made.
NOTHING_HAPPENED = ("40001", "40P01", "57P01")


class Again(Exception):
    """The transaction met something that another one changed under it and was rolled back: the same work may succeed now."""


class Transactions:
    """Runs functions of a session, each in a transaction of its own. They may run several times: they must only touch the session."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._reading = engine
        # SQLite could not turn a reading transaction into a writing one when another wrote meanwhile: it must begin as a writer.
        self._writing = engine.execution_options(**{BEGIN: "IMMEDIATE"})
        # It has one writer at a time. Those who wait here are served in turn, and leave the connections of the pool to readers.
        self._turn = asyncio.Lock() if engine.dialect.name == "sqlite" else nullcontext()
        self._glances, self._notes = Patience(GLANCE_SECONDS), Patience(GLANCE_SECONDS)
        self._reads, self._writes = Patience(WORK_SECONDS), Patience(WORK_SECONDS + TURN_SECONDS * (engine.dialect.name == "sqlite"))

    async def read(self, work: Work[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """The result of the work; CatalogUnavailable when the database does not answer."""
        with translated():
            return await self._reads.wait_for(partial(_done, self._reading, False, work, *args, **kwargs))

    async def glance(self, work: Work[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """As `read`, for somebody who knows what to do when it takes a moment."""
        with translated():
            return await self._glances.wait_for(partial(_done, self._reading, False, work, *args, **kwargs))

    async def write(self, work: Work[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """The result of the work once it is committed; CatalogUnavailable when it is not, or nobody can know."""
        with translated():
            return await self._writes.wait_for(partial(self._written, work, *args, **kwargs))

    async def note(self, work: Work[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """As `write`, for what may as well not be written when it takes a moment."""
        with translated():
            return await self._notes.wait_for(partial(self._written, work, *args, **kwargs))

    async def _written(self, work: Work[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        async with _within(TURN_SECONDS, self._turn):
            return await _done(self._writing, True, work, *args, **kwargs)


@asynccontextmanager
async def _within(seconds: float, turn: AbstractAsyncContextManager[None]) -> AsyncIterator[None]:
    """Enter the turn, or TimeoutError when that takes longer; what is done in it may take its time."""
    async with AsyncExitStack() as stack:
        async with asyncio.timeout(seconds):
            await stack.enter_async_context(turn)
        yield


async def _done(engine: AsyncEngine, writes: bool, work: Work[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """The result of the work, which is done again when nothing can have happened."""
    for _ in range(REPEATED):
        with suppress(Again):
            return await _run(engine, writes, work, *args, **kwargs)
    return await _run(engine, writes, work, *args, **kwargs)


async def _run(engine: AsyncEngine, writes: bool, work: Work[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    unknown = False
    try:
        async with AsyncSession(engine, expire_on_commit=False) as session, session.begin():
            result = await work(session, *args, **kwargs)
            await session.flush()
            # When the connection is cut from here on, what was written may be committed or not.
            unknown = writes
    except DBAPIError as error:
        if not unknown and (error.connection_invalidated or _sqlstate(error) in NOTHING_HAPPENED):
            raise Again from error
        raise
    return result


@contextmanager
def translated() -> Iterator[None]:
    """Turn what says that the database refused, failed or was too slow into CatalogUnavailable; let our own mistakes through."""
    try:
        yield
    except (Again, DBAPIError, PoolTimeout, OSError) as error:
        if not _is_fault_of_server(error):
            raise
        raise CatalogUnavailable("The catalog does not answer at the moment.") from error


def _is_fault_of_server(error: Exception) -> bool:
    if not isinstance(error, DBAPIError):
        return True
    if isinstance(error, (OperationalError, InterfaceError)) or error.connection_invalidated:
        return True
    return (_sqlstate(error) or "").startswith(SERVER_FAULTS)


def _sqlstate(error: DBAPIError) -> str | None:
    state: str | None = getattr(error.orig, "sqlstate", None)
    return state
