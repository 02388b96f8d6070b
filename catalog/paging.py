"""Keyset pages, newest first: a page begins where the last one ended, whatever was added or deleted between."""

import base64
import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypeVar

from sqlalchemy import literal, tuple_
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from catalog.columns import UtcTime
from catalog.errors import BadCursor
from catalog.models import ImageRow, ProductRow

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
CURSOR = re.compile(r"([0-9]{1,17})\.([0-9a-z-]{1,36})")

Row = TypeVar("Row", ImageRow, ProductRow)


class Position(NamedTuple):
    """The last row of a page; ids decide between rows of the same microsecond."""

    created_at: datetime
    id: str


def encode(position: Position) -> str:
    """The position as opaque URL-safe text."""
    text = f"{(position.created_at - EPOCH) // MICROSECOND}.{position.id}"
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def decode(cursor: str) -> Position:
    """The exact inverse of `encode`; BadCursor for anything that it did not make."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
    except ValueError as error:
        raise _bad(cursor) from error
    found = CURSOR.fullmatch(text)
    if found is None:
        raise _bad(cursor)
    position = Position(EPOCH + int(found[1]) * MICROSECOND, found[2])
    if encode(position) != cursor:
        raise _bad(cursor)
    return position


def _bad(cursor: str) -> BadCursor:
    return BadCursor("The cursor is not one that an earlier page gave: begin without one.", cursor=cursor[:100])


async def newest_first(
    session: AsyncSession, query: SelectOfScalar[Row], table: type[Row], *, limit: int, cursor: str | None
) -> tuple[list[Row], str | None]:
    """The next `limit` (at least one) rows of the query, and the cursor of the page after them if there is one."""
    key = (col(table.created_at), col(table.id))
    if cursor is not None:
        created_at, last_id = decode(cursor)
        query = query.where(tuple_(*key) < tuple_(literal(created_at, UtcTime), literal(last_id)))
    rows = list(await session.exec(query.order_by(key[0].desc(), key[1].desc()).limit(limit + 1)))
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], encode(Position(rows[limit - 1].created_at, rows[limit - 1].id))
