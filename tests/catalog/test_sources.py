"""Remote images: what is known of their URLs, who keeps them, and when they go."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine

from catalog import sources
from catalog.errors import ImageBusy, NotFound
from catalog.records import ImageRecord, Original, SourceRecord
from catalog.repository import Catalog
from tests.catalog.builders import a_draft, a_product, a_stored_image, an_original, ids, state_of

pytestmark = pytest.mark.anyio

URL = "https://pictures.example/vase.jpg"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LATER = datetime.now(UTC) + timedelta(days=1)


def a_source(image_id: str, url: str = URL, *, checked_at: datetime = NOW) -> SourceRecord:
    return SourceRecord(
        url=url, image_id=image_id, etag='W/"1"', last_modified="now", fresh_until=NOW + timedelta(hours=1), checked_at=checked_at
    )


async def a_remote_image(catalog: Catalog, original: Original | None = None, *urls: str) -> ImageRecord:
    original = original or an_original()
    await catalog.confirm(await catalog.reserve([original], remote=True))
    for url in urls:
        await catalog.remember_source(a_source(original.id, url))
    image = await catalog.image(original.id)
    assert image
    return image


async def listed(catalog: Catalog) -> list[str]:
    return ids((await catalog.list_images(limit=10)).items)


async def test_a_source_is_known_as_it_was_last_remembered(catalog: Catalog) -> None:
    first, second = await a_remote_image(catalog), await a_remote_image(catalog)
    assert await catalog.source(URL) is None
    for source in (a_source(first.id), replace(a_source(second.id), etag="", fresh_until=NOW + timedelta(hours=2))):
        await catalog.remember_source(source)
        assert await catalog.source(URL) == source
    assert await catalog.source(URL + "?") is None


async def test_many_may_remember_one_source_at_once(catalog: Catalog) -> None:
    image = await a_remote_image(catalog)
    known = [replace(a_source(image.id), etag=str(number)) for number in range(8)]
    await asyncio.gather(*map(catalog.remember_source, known))
    assert await catalog.source(URL) in known


async def test_a_source_is_known_as_long_as_its_image_is_ready(catalog: Catalog) -> None:
    image = await a_remote_image(catalog, None, URL)
    await catalog.delete_image(image.id)
    assert await catalog.source(URL) is None
    with pytest.raises(ImageBusy):
        await catalog.remember_source(a_source(image.id))
    await catalog.erase(image.id)
    assert await catalog.source(URL) is None
    with pytest.raises(NotFound):
        await catalog.remember_source(a_source(image.id))


async def test_a_source_of_an_image_that_is_only_pending_is_not_remembered(catalog: Catalog) -> None:
    original = an_original()
    await catalog.reserve([original], remote=True)
    with pytest.raises(NotFound):
        await catalog.remember_source(a_source(original.id))


async def test_remote_images_are_not_listed(catalog: Catalog) -> None:
    await a_remote_image(catalog)
    stored = await a_stored_image(catalog)
    assert await listed(catalog) == [stored.id]
    assert ids((await catalog.list_images(limit=10, formats=["jpg"])).items) == [stored.id]


async def test_what_somebody_stored_stays_his_when_it_is_found_elsewhere_too(catalog: Catalog) -> None:
    original = an_original()
    await a_stored_image(catalog, original)
    await a_remote_image(catalog, original, URL)
    assert await listed(catalog) == [original.id]
    assert await catalog.expire_sources(LATER) == []
    assert await catalog.source(URL) is None


@pytest.mark.parametrize("how", ["alone", "with a product", "into a product"])
async def test_a_remote_image_that_somebody_stores_is_remote_no_more(catalog: Catalog, how: str) -> None:
    original = an_original()
    await a_remote_image(catalog, original, URL)
    match how:
        case "alone":
            await a_stored_image(catalog, original)
        case "with a product":
            await a_product(catalog, [original])
        case "into a product":
            await catalog.update_product((await a_product(catalog)).id, image_ids=[original.id])
    assert await listed(catalog) == [original.id]
    assert await catalog.expire_sources(LATER) == []
    assert await state_of(catalog, original.id) == "ready"


async def test_with_its_product_a_picture_goes_and_its_source_with_it(catalog: Catalog) -> None:
    original = an_original()
    await a_remote_image(catalog, original, URL)
    product = await a_product(catalog, [original])
    assert ids(await catalog.delete_product(product.id)) == [original.id]
    assert await catalog.source(URL) is None
    await catalog.erase(original.id)
    assert await a_remote_image(catalog, original, URL)
    assert await catalog.source(URL) == a_source(original.id)


async def test_sources_that_were_not_asked_for_long_are_forgotten_with_their_images(catalog: Catalog) -> None:
    forgotten, asked = await a_remote_image(catalog, None, URL), await a_remote_image(catalog, None, URL + "?2")
    await catalog.remember_source(a_source(asked.id, URL + "?2", checked_at=LATER))
    assert ids(await catalog.expire_sources(LATER)) == [forgotten.id]
    assert await catalog.source(URL) is None
    assert [message.subject for message in await catalog.open_messages(["erase"], limit=10)] == [forgotten.id]
    assert await state_of(catalog, asked.id) == "ready"
    assert await catalog.expire_sources(LATER) == []


async def test_an_image_lives_as_long_as_one_of_its_sources(catalog: Catalog) -> None:
    image = await a_remote_image(catalog, None, URL, URL + "?2")
    await catalog.remember_source(a_source(image.id, checked_at=LATER))
    assert await catalog.expire_sources(LATER) == []
    assert await catalog.source(URL + "?2") is None
    assert await catalog.source(URL)


async def test_a_young_image_waits_for_the_source_that_is_about_to_name_it(catalog: Catalog) -> None:
    image = await a_remote_image(catalog)
    assert await catalog.expire_sources(image.created_at) == []
    assert ids(await catalog.expire_sources(LATER)) == [image.id]


async def test_an_image_that_a_commit_is_about_to_keep_does_not_expire(catalog: Catalog) -> None:
    original = an_original()
    await a_remote_image(catalog, original)
    reservation = await catalog.reserve([original], remote=True)
    assert await catalog.expire_sources(LATER) == []
    await catalog.confirm(reservation)
    assert ids(await catalog.expire_sources(LATER)) == [original.id]


async def test_many_expire_some_at_a_time(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "AT_ONCE", 2)
    images = [await a_remote_image(catalog, None, f"{URL}?{number}") for number in range(3)]
    gone = [ids(await catalog.expire_sources(LATER)) for _ in range(3)]
    assert [len(some) for some in gone] == [2, 1, 0]
    assert sorted(gone[0] + gone[1]) == sorted(ids(images))


@pytest.mark.parametrize("by_product", [False, True])
async def test_an_image_that_is_taken_while_it_expires_is_either_kept_or_gone(catalog: Catalog, by_product: bool) -> None:
    for turn in range(5):
        url = f"{URL}?{turn}"
        image = await a_remote_image(catalog, None, url)
        source = a_source(image.id, url, checked_at=LATER)
        taking = create(catalog, image.id) if by_product else catalog.remember_source(source)
        taken, gone = await asyncio.gather(taking, catalog.expire_sources(LATER), return_exceptions=True)
        assert not isinstance(gone, BaseException)
        assert (isinstance(taken, ImageBusy), await state_of(catalog, image.id)) == ((True, "deleting") if gone else (False, "ready"))


async def create(catalog: Catalog, image_id: str) -> None:
    await catalog.confirm(await catalog.reserve([], draft=a_draft(), image_ids=[image_id]))


@pytest.mark.parametrize("formats", [(), ("jpg",)])
async def test_a_page_of_images_is_read_from_an_index_in_its_order(engine: AsyncEngine, catalog: Catalog, formats: tuple[str, ...]) -> None:
    statements: list[tuple[str, tuple[object, ...]]] = []
    event.listen(engine.sync_engine, "before_cursor_execute", lambda _1, _2, text, values, _3, _4: statements.append((text, values)))
    await catalog.list_images(limit=10, formats=formats)
    (statement, values), explain = statements[-1], "EXPLAIN QUERY PLAN"
    async with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            # Tables as small as this one are scanned otherwise.
            await connection.execute(text("SET LOCAL enable_seqscan = off"))
            explain = "EXPLAIN"
        plan = str((await connection.exec_driver_sql(f"{explain} {statement}", values)).all())
    assert "ix_image_state_remote_" in plan
    assert "SORT" not in plan.upper()
