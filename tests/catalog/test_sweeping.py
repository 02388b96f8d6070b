"""What the sweep asks the catalog: who is kept, who is not, and rows for what only the store knows."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from catalog.errors import ImageBusy
from catalog.repository import Catalog
from tests.catalog.builders import a_product, a_stored_image, an_original, ids, state_of
from tests.catalog.test_sources import a_remote_image
from transforms.operations.gravity import Point

pytestmark = pytest.mark.anyio

LATER = datetime.now(UTC) + timedelta(days=1)
WRITTEN = datetime(2026, 1, 2, 3, tzinfo=UTC)


async def test_all_ready_images_come_in_pages(catalog: Catalog) -> None:
    made = [await a_stored_image(catalog), await a_remote_image(catalog), *(await a_product(catalog, [an_original()])).images]
    await catalog.reserve([an_original()])
    first = await catalog.images_after("", limit=2)
    rest = await catalog.images_after(first[-1].id, limit=2)
    assert sorted(ids([*first, *rest])) == sorted(ids(made))
    assert await catalog.images_after(rest[-1].id, limit=2) == []


async def test_only_what_nothing_keeps_is_released(catalog: Catalog) -> None:
    await a_stored_image(catalog)
    await a_product(catalog, [an_original()])
    await a_remote_image(catalog)
    named = an_original()
    await a_remote_image(catalog, named, "https://pictures.example/named.jpg")
    await catalog.confirm(await catalog.reserve([], image_ids=[named.id]))
    cut_off, in_commit = an_original(), an_original()
    for original in (cut_off, in_commit):
        await catalog.confirm(await catalog.reserve([original]))
    await catalog.reserve([], standalone=False, image_ids=[in_commit.id])
    every = ids(await catalog.images_after("", limit=10))
    assert len(every) == 6
    assert await catalog.unreferenced(every, datetime.now(UTC) - timedelta(days=1)) == set()
    assert await catalog.unreferenced(every, LATER) == {cut_off.id}
    assert ids(await catalog.release_unreferenced(every, LATER)) == [cut_off.id]
    assert await state_of(catalog, cut_off.id) == "deleting"
    assert await catalog.release_unreferenced(every, LATER) == []
    assert [message.subject for message in await catalog.open_messages(["erase"], limit=9)] == [cut_off.id]


async def test_a_picture_that_only_the_store_knows_gets_a_row_once(catalog: Catalog) -> None:
    original, focal = an_original(), Point(Decimal("0.25"), Decimal("0.50"))
    taken = await asyncio.gather(*(catalog.take_up(original, focal, WRITTEN) for _ in range(4)))
    assert sorted(taken) == [False, False, False, True]
    image = await catalog.image(original.id)
    assert image
    assert (image.state, image.standalone, image.focal, image.created_at, image.place) == ("ready", True, focal, WRITTEN, original.place)
    assert [message.subject for message in await catalog.open_messages(["warm"], limit=9)] == [original.id]


async def test_while_an_unknown_picture_is_erased_nobody_commits_it(catalog: Catalog) -> None:
    original = an_original()
    condemned = await asyncio.gather(*(catalog.condemn_unknown(original.id, original.place) for _ in range(4)))
    assert [image.place for image in condemned if image] == [original.place]
    with pytest.raises(ImageBusy):
        await catalog.reserve([original])
    await catalog.erase(original.id)
    assert (await a_stored_image(catalog, original)).state == "ready"
    assert await catalog.condemn_unknown(original.id, original.place) is None
    assert await state_of(catalog, original.id) == "ready"
