"""The statements that SQLAlchemy spells differently for our two databases."""

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import ColumnElement, inspect
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel.ext.asyncio.session import AsyncSession

from catalog.models import Table


async def insert_or_ignore(session: AsyncSession, table: type[Table], rows: Sequence[Mapping[str, object]]) -> int:
    """Insert the rows, in their order, that collide with none; how many those were. Waits for a colliding transaction to end."""
    if not rows:
        return 0
    result = await session.exec(_insert(session)(table).values(list(rows)).on_conflict_do_nothing())
    return result.rowcount


async def insert_or_replace(
    session: AsyncSession, table: type[Table], row: Mapping[str, object], *, where: ColumnElement[bool] | None = None
) -> None:
    """Insert the row, or give all of these values to the one that has its primary key, if that is as `where` says."""
    key = [column.name for column in inspect(table).primary_key]
    await session.exec(_insert(session)(table).values(row).on_conflict_do_update(index_elements=key, set_=row, where=where))


def _insert(session: AsyncSession) -> Callable[[type[Table]], postgresql.Insert | sqlite.Insert]:
    return postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
