"""A focal point is true in the catalog and in the store, whoever else changes the image at that moment."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from itertools import cycle
from typing import cast

import pytest

from catalog.errors import CatalogError, NotFound
from catalog.records import ImageRecord
from catalog.repository import Catalog
from services import known
from services.container import Services
from services.erase import delete_image
from services.focal import set_focal
from services.ids import facts_key
from services.values import KnownImage
from storage.base import NotStored
from tests.services import grounds
from tests.services.grounds import only_embedded
from transforms.operations.gravity import Point

pytestmark = [pytest.mark.anyio, only_embedded]

POINTS = [Point(Decimal(n).scaleb(-2), Decimal("0.5")) for n in range(8)]


@pytest.fixture
async def stored(services: Services) -> str:
    return (await grounds.stored(services)).id


async def in_store(services: Services, image_id: str) -> KnownImage:
    return KnownImage.from_json((await services.store.get(facts_key(image_id))).decode())


async def in_catalog(services: Services, image_id: str) -> Point | None:
    image = await services.catalog.image(image_id)
    assert image is not None
    return image.focal


async def test_the_store_knows_the_point_and_so_does_this_process_at_once(services: Services, stored: str) -> None:
    assert (await known.find(services, stored)).focal is None
    for point in (*POINTS[:2], None):
        assert (await set_focal(services, stored, point)).focal == point
        assert (await known.find(services, stored)).focal == point
        assert await in_store(services, stored) == await known.find(services, stored)


class LateAnswers:
    """A catalog that looks at once, and tells what it saw when it may."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog, self.looked, self.may_tell = catalog, asyncio.Event(), asyncio.Event()

    async def image(self, image_id: str, *, quick: bool = False) -> ImageRecord | None:
        found = await self._catalog.image(image_id, quick=quick)
        self.looked.set()
        await self.may_tell.wait()
        return found


async def test_who_looked_before_the_point_was_set_leaves_nothing_old_behind(services: Services, stored: str) -> None:
    late = LateAnswers(services.catalog)
    looking = asyncio.create_task(known.find(replace(services, catalog=cast(Catalog, late)), stored))
    await late.looked.wait()
    await set_focal(services, stored, POINTS[1])
    async with asyncio.timeout(5):
        assert (await known.find(services, stored)).focal == POINTS[1]
    late.may_tell.set()
    assert (await looking).focal is None
    assert (await known.find(services, stored)).focal == POINTS[1]


async def test_of_many_points_at_once_catalog_and_store_keep_the_same(services: Services, stored: str) -> None:
    for _ in range(5):
        await asyncio.gather(*(set_focal(services, stored, point) for point in POINTS))
        assert (await in_store(services, stored)).focal == await in_catalog(services, stored) in POINTS


async def test_processes_that_move_a_point_at_once_hear_of_no_trouble(services: Services, stored: str) -> None:
    processes = [replace(services, facts=asyncio.Lock()) for _ in range(4)]
    for _ in range(10):
        await asyncio.gather(*(set_focal(process, stored, point) for process, point in zip(cycle(processes), POINTS, strict=False)))
    assert (await in_store(services, stored)).focal == await in_catalog(services, stored) in POINTS


async def test_a_point_that_another_process_set_meanwhile_is_what_the_store_keeps(services: Services, stored: str) -> None:
    async with services.facts:
        slow = asyncio.create_task(set_focal(services, stored, POINTS[0]))
        while await in_catalog(services, stored) != POINTS[0]:
            pass
        await services.catalog.set_focal(stored, POINTS[1])
    await slow
    assert (await in_store(services, stored)).focal == POINTS[1]


async def test_an_image_that_is_deleted_meanwhile_leaves_no_facts(services: Services, stored: str) -> None:
    results = await asyncio.gather(
        *(set_focal(services, stored, point) for point in POINTS[:4]),
        delete_image(services, stored),
        *(set_focal(services, stored, point) for point in POINTS[4:]),
        return_exceptions=True,
    )
    assert all(not isinstance(result, BaseException) or isinstance(result, CatalogError) for result in results), results
    assert await services.catalog.image(stored) is None
    with pytest.raises(NotStored):
        await in_store(services, stored)
    with pytest.raises(NotFound):
        await set_focal(services, stored, POINTS[0])
