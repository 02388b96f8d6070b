"""Warming makes what it can of a picture, and is done with it then."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.settings import Settings
from proxy.wiring import build
from services.container import Services
from services.embedded import EmbeddedRedis
from services.warm import warm
from tests.services.grounds import stored

pytestmark = pytest.mark.anyio

# The first and the last fit into no byte; one is made from the copy of the picture, the other from its original.
WARM = "w32,maxbytes1.webp,w16.webp,w8,maxbytes1,meta_all.jpg,w8.png"


@pytest.fixture
async def services(tmp_path: Path, redis: EmbeddedRedis) -> AsyncIterator[Services]:
    async with build(Settings(data=tmp_path, redis_url=redis.url, warm=WARM)) as built:
        yield built


async def test_plans_that_are_impossible_on_a_picture_do_not_keep_the_others_back(services: Services) -> None:
    image = await stored(services)
    await warm(services, "a message", image.id)
    found = await services.catalog.image(image.id)
    assert found is not None
    assert found.placeholders is not None
    variants = await services.catalog.variants([image.id])
    assert {(variant.plan, variant.format) for variant in variants[image.id]} == {("w16", "webp"), ("w8", "png")}
