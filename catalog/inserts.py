"""The statements that SQLAlchemy spells differently for our two databases."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Select, bindparam, inspect
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel.ext.asyncio.session import AsyncSession

from catalog.models import Table

Insert: TypeAlias = postgresql.Insert | sqlite.Insert
INSERT: Mapping[str, Callable[[type[Table]], Insert]] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}


async def insert_or_ignore(session: AsyncSession, table: type[Table], rows: Sequence[Mapping[str, object]]) -> int:
    """Insert the rows, in their order, that collide with none; how many those were. Waits for a colliding transaction to end."""
    if not rows:
        return 0
    result = await session.exec(INSERT[dialect_of(session)](table).values(list(rows)).on_conflict_do_nothing())
    return result.rowcount


async def insert_or_replace(session: AsyncSession, table: type[Table], row: Mapping[str, object]) -> None:
    """Insert the row, or give all of its values to the one that has its primary key."""
    await execute(session, replacing(dialect_of(session), table), row)


def replacing(dialect: str, table: type[Table], *, where: ColumnElement[bool] | None = None, beside: Select[Any] | None = None) -> Insert:
    """A statement that inserts a row, given when it is executed, or gives its values to the one that has its primary key, if that is
    as `where` says. With `beside`, nothing is done unless that finds something, whose locks are taken.
    """
    columns = inspect(table).columns
    insert, given = INSERT[dialect](table), {column.name: bindparam(column.name, type_=column.type) for column in columns}
    rows: Insert = insert.values(given) if beside is None else insert.from_select(list(given), beside.with_only_columns(*given.values()))
    return rows.on_conflict_do_update(index_elements=inspect(table).primary_key, set_=given, where=where)


async def execute(session: AsyncSession, insert: Insert, row: Mapping[str, object]) -> None:
    await (await session.connection()).execute(insert, row)


def dialect_of(session: AsyncSession) -> str:
    return session.get_bind().dialect.name
