"""What a crash cut off is taken up again: commits, deletions, messages."""

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal

import anyio
import pytest

from catalog.records import Original, ProductDraft, new_product_id
from services import relay
from services.commit import commit_images
from services.container import Services
from services.ids import original_key
from services.stage import Upload, stage
from storage.base import NotStored
from tests.photos import photo

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "GRACE", timedelta())


async def staged(services: Services) -> Upload:
    async def body() -> AsyncIterator[bytes]:
        yield photo(64, 48)

    return await stage(services, body())


async def cut_off(services: Services, upload: Upload) -> str:
    """Step (a) of a commit, and nothing after it: the id of its product."""
    draft = ProductDraft(id=new_product_id(), name="Vase", price=Decimal("1.00"), currency="EUR")
    image = upload.staged
    place = original_key(image.image_id, "jpg", draft.id)
    original = Original(id=image.image_id, facts=upload.facts, bytes=image.bytes, sha256=image.sha256, place=place)
    await services.catalog.reserve([original], draft=draft, image_ids=[image.image_id])
    return draft.id


async def test_a_commit_that_was_cut_off_is_finished(services: Services) -> None:
    upload = await staged(services)
    product_id = await cut_off(services, upload)
    assert await services.catalog.product(product_id) is None
    await relay.relay(services)
    product = await services.catalog.require_product(product_id)
    assert await services.store.get(product.images[0].place)
    assert await services.catalog.open_messages(["commit"], limit=9) == []


async def test_a_commit_whose_bytes_are_gone_is_given_up(services: Services) -> None:
    upload = await staged(services)
    product_id = await cut_off(services, upload)
    await services.staging.drop(upload.staged.image_id)
    await relay.relay(services)
    assert await services.catalog.product(product_id) is None
    assert await services.catalog.image(upload.staged.image_id) is None


async def test_a_deletion_that_was_cut_off_is_finished(services: Services) -> None:
    (image,) = await commit_images(services, [(await staged(services)).staged.image_id])
    await services.catalog.delete_image(image.id)
    assert await services.store.get(image.place)
    await relay.relay(services)
    assert await services.catalog.image(image.id) is None
    with pytest.raises(NotStored):
        await services.store.get(image.place)


async def test_a_commit_can_be_carried_out_twice_at_once(services: Services) -> None:
    upload = await staged(services)
    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(commit_images, services, [upload.staged.image_id])
    image = await services.catalog.image(upload.staged.image_id)
    assert image
    assert image.state == "ready"
