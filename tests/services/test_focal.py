"""A focal point is true in the catalog and in the store, whoever else changes the image at that moment."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from itertools import cycle

import pytest

from catalog.errors import CatalogError, NotFound
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
