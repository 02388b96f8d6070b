"""Keyset pages: no row twice, none missed, and no cursor but ours."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import delete, insert

from catalog.errors import BadCursor
from catalog.models import ImageRow, ProductRow
from catalog.paging import Position, decode, encode
from catalog.repository import Catalog
from tests.catalog.builders import a_stored_image, ids

pytestmark = pytest.mark.anyio

# Few moments for many rows: most of them share theirs with others.
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MOMENTS = st.sampled_from([NOON, NOON + timedelta(microseconds=1), NOON + timedelta(days=1)])
POSITIONS = st.builds(
    Position,
    st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(5000, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.text("0123456789abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=36),
)
# The database is emptied by each example itself.
EACH_EMPTY = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


async def walk(catalog: Catalog, table: type[ImageRow] | type[ProductRow], limit: int) -> list[str]:
    """The ids of all pages, one after the other."""
    seen, cursor = [], None
    while True:
        page = await (catalog.list_images if table is ImageRow else catalog.list_products)(limit=limit, cursor=cursor)
        assert len(page.items) <= limit
        seen += [item.id for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return seen


def image_row(number: int, moment: datetime) -> dict[str, object]:
    numbers = dict.fromkeys(("width", "height", "frames", "orientation", "bytes"), 1)
    texts = {"owner": "", "state": "ready", "format": "jpg", "sha256": "", "place": ""}
    return {"id": f"{number:026}", "alpha": False, "standalone": True, "created_at": moment, **numbers, **texts}


def product_row(number: int, moment: datetime) -> dict[str, object]:
    texts = {"name": "", "name_folded": "", "currency": "EUR", "state": "ready"}
    return {"id": f"{number:036}", "price": Decimal(0), "created_at": moment, **texts}


@EACH_EMPTY
@given(moments=st.lists(MOMENTS, max_size=12), limit=st.integers(1, 13))
async def test_pages_hold_every_row_once_newest_first(engine: AsyncEngine, catalog: Catalog, moments: list[datetime], limit: int) -> None:
    for table, make in ((ImageRow, image_row), (ProductRow, product_row)):
        rows = [make(number, moment) for number, moment in enumerate(moments)]
        async with engine.begin() as connection:
            await connection.execute(delete(table))
            if rows:
                await connection.execute(insert(table), rows)
        wanted = sorted(((row["created_at"], row["id"]) for row in rows), reverse=True)
        assert await walk(catalog, table, limit) == [row_id for _, row_id in wanted]


async def test_a_page_goes_on_where_the_last_one_ended_whatever_changes_between(catalog: Catalog) -> None:
    images = [await a_stored_image(catalog) for _ in range(4)]
    first = await catalog.list_images(limit=2)
    await a_stored_image(catalog)
    await catalog.delete_image(first.items[-1].id)
    rest = await catalog.list_images(limit=2, cursor=first.next_cursor)
    assert ids([*first.items, *rest.items]) == ids(images[::-1])
    assert rest.next_cursor is None


@given(position=POSITIONS)
def test_decoding_a_cursor_is_the_inverse_of_encoding_it(position: Position) -> None:
    assert decode(encode(position)) == position


@given(text=st.one_of(st.text(), st.binary().map(lambda junk: junk.decode("latin-1")), st.from_regex(r"[A-Za-z0-9_-]+")))
def test_other_text_is_no_cursor(text: str) -> None:
    try:
        position = decode(text)
    except BadCursor:
        return
    assert encode(position) == text


BAD = ["", "=", "bm9uc2Vuc2U", "MS4", "LjE", "OTk5OTk5OTk5OTk5OTk5OTk5OTkuYQ", "MS5h=", "MS5i+", "MS5h\n", "٣"]


@pytest.mark.parametrize("cursor", BAD)
async def test_a_bad_cursor_is_refused_by_every_list(catalog: Catalog, cursor: str) -> None:
    for listing in (catalog.list_images, catalog.list_products):
        with pytest.raises(BadCursor) as raised:
            await listing(limit=1, cursor=cursor)
        assert raised.value.facts == {"cursor": cursor}
