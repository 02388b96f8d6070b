"""What a crash cut off is taken up again: commits, deletions, messages."""

from datetime import timedelta
from decimal import Decimal

import anyio
import pytest

from catalog.records import ProductDraft, new_product_id
from services import relay
from services.commit import commit_images
from services.container import Services
from storage.base import NotStored
from tests.photos import photo
from tests.services.grounds import only_embedded, staged, staged_original, stored

pytestmark = [pytest.mark.anyio, only_embedded]


@pytest.fixture(autouse=True)
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "GRACE", timedelta())


async def cut_off(services: Services) -> tuple[str, str]:
    """Step (a) of a commit, and nothing after it: the ids of its product and of its image."""
    draft = ProductDraft(id=new_product_id(), name="Vase", price=Decimal("1.00"), currency="EUR")
    original = await staged_original(services, draft.id)
    await services.catalog.reserve([original], draft=draft, image_ids=[original.id])
    return draft.id, original.id


async def test_a_commit_that_was_cut_off_is_finished(services: Services) -> None:
    product_id, _ = await cut_off(services)
    assert await services.catalog.product(product_id) is None
    await relay.relay(services)
    product = await services.catalog.require_product(product_id)
    assert await services.store.get(product.images[0].place)
    assert await services.catalog.open_messages(["commit"], limit=9) == []


async def test_a_commit_whose_bytes_are_gone_is_given_up(services: Services) -> None:
    product_id, image_id = await cut_off(services)
    await services.staging.drop(image_id)
    await relay.relay(services)
    assert await services.catalog.product(product_id) is None
    assert await services.catalog.image(image_id) is None


async def test_a_deletion_that_was_cut_off_is_finished(services: Services) -> None:
    image = await stored(services)
    await services.catalog.delete_image(image.id)
    assert await services.store.get(image.place)
    await relay.relay(services)
    assert await services.catalog.image(image.id) is None
    with pytest.raises(NotStored):
        await services.store.get(image.place)


async def test_a_commit_can_be_carried_out_twice_at_once(services: Services) -> None:
    image_id = await staged(services, photo(64, 48))
    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(commit_images, services, [image_id])
    image = await services.catalog.image(image_id)
    assert image
    assert image.state == "ready"
