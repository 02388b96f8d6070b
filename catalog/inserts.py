"""The one statement that SQLAlchemy spells differently for our two databases."""

from collections.abc import Mapping, Sequence

from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel.ext.asyncio.session import AsyncSession

from catalog.models import Table


async def insert_or_ignore(session: AsyncSession, table: type[Table], rows: Sequence[Mapping[str, object]]) -> int:
    """Insert the rows, in their order, that collide with none; how many those were. Waits for a colliding transaction to end."""
    if not rows:
        return 0
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    result = await session.exec(insert(table).values(list(rows)).on_conflict_do_nothing())
    return result.rowcount
