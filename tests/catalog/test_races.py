"""Many at once: whatever the order, no ready product shows an image that is going."""

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel.ext.asyncio.session import AsyncSession

from catalog import commits, products
from catalog.errors import ImageBusy, NotFound
from catalog.records import ImageRecord, Original, ProductDraft, Reservation
from catalog.repository import Catalog
from catalog.transactions import Transactions
from tests.catalog.builders import a_draft, a_product, a_stored_image, a_variant, an_original, ids, state_of

pytestmark = pytest.mark.anyio

ROUNDS = 8
PAUSE = 0.05  # seconds in which the other one would get through, if it did not wait


async def create(catalog: Catalog, draft: ProductDraft, originals: list[Original]) -> None:
    await catalog.confirm(await catalog.reserve(originals, draft=draft))


async def outcome(work: Awaitable[object]) -> str:
    """How it ended, where it may end by one of the two errors that tell a client to try again or that it came too late."""
    try:
        await work
    except (ImageBusy, NotFound) as error:
        return type(error).__name__
    return "done"


async def test_many_commits_of_the_same_images_in_any_order_all_succeed(catalog: Catalog) -> None:
    originals = [an_original() for _ in range(4)]
    drafts = [a_draft() for _ in range(8)]
    orders = [originals[number % 4 :] + originals[: number % 4] for number in range(8)]
    await asyncio.gather(*(create(catalog, draft, order) for draft, order in zip(drafts, orders, strict=True)))
    for draft, order in zip(drafts, orders, strict=True):
        assert ids((await catalog.require_product(draft.id)).images) == [original.id for original in order]
    assert len(await catalog.open_messages(["warm"], limit=100)) == len(originals)
    assert await catalog.open_messages(["commit"], limit=100) == []


async def test_one_idempotency_key_makes_one_product(catalog: Catalog) -> None:
    original = an_original()
    drafts = [a_draft(key="key", digest="digest") for _ in range(8)]
    reservations = await asyncio.gather(*(catalog.reserve([original], draft=draft) for draft in drafts))
    assert len({reservation.product_id for reservation in reservations}) == 1
    assert sorted(reservation.repeated for reservation in reservations) == [False] + [True] * 7
    warm = await asyncio.gather(*(catalog.confirm(reservation) for reservation in reservations))
    assert sum(len(messages) for messages in warm) == 1
    assert len((await catalog.list_products(limit=10)).items) == 1


async def test_many_writers_wait_for_each_other_and_none_is_refused(catalog: Catalog) -> None:
    await asyncio.gather(*(a_stored_image(catalog) for _ in range(40)))
    assert len((await catalog.list_images(limit=100)).items) == 40


async def test_deleting_a_product_while_another_takes_its_image(catalog: Catalog) -> None:
    for _ in range(ROUNDS):
        original, draft = an_original(), a_draft()
        old = await a_product(catalog, [original])
        taken, _ = await asyncio.gather(outcome(create(catalog, draft, [original])), catalog.delete_product(old.id))
        product, state = await catalog.product(draft.id), await state_of(catalog, original.id)
        assert (taken, product is not None, state) in {("done", True, "ready"), ("ImageBusy", False, "deleting")}


async def test_whoever_takes_the_image_of_a_product_that_is_just_being_deleted_must_try_again(
    engine: AsyncEngine, catalog: Catalog
) -> None:
    original = an_original()
    old = await a_product(catalog, [original])
    begun = asyncio.Event()

    async def remove_slowly(session: AsyncSession) -> list[ImageRecord]:
        orphans = await products.remove(session, old.id, now=datetime.now(UTC))
        await session.flush()
        begun.set()
        await asyncio.sleep(PAUSE)
        return orphans

    removing = asyncio.create_task(Transactions(engine).write(remove_slowly))
    await begun.wait()
    with pytest.raises(ImageBusy):
        await catalog.reserve([original], draft=a_draft())
    assert ids(await removing) == [original.id]


async def test_an_image_that_is_just_being_taken_is_no_orphan(engine: AsyncEngine, catalog: Catalog) -> None:
    original, draft = an_original(), a_draft()
    old = await a_product(catalog, [original])
    begun = asyncio.Event()

    async def reserve_slowly(session: AsyncSession) -> Reservation:
        now = datetime.now(UTC)
        reservation = await commits.reserve(session, [original], standalone=False, remote=False, draft=draft, image_ids=(), now=now)
        begun.set()
        await asyncio.sleep(PAUSE)
        return reservation

    reserving = asyncio.create_task(Transactions(engine).write(reserve_slowly))
    await begun.wait()
    assert await catalog.delete_product(old.id) == []
    await catalog.confirm(await reserving)
    assert await state_of(catalog, original.id) == "ready"


async def test_deleting_an_image_while_a_product_takes_it(catalog: Catalog) -> None:
    for _ in range(ROUNDS):
        image, product = await a_stored_image(catalog), await a_product(catalog)
        taking = catalog.update_product(product.id, image_ids=[image.id])
        deleting = catalog.delete_image(image.id)
        results = await asyncio.gather(taking, deleting, return_exceptions=True)
        assert sum(isinstance(result, Exception) for result in results) == 1
        shown = (await catalog.require_product(product.id)).images
        assert [(found.id, found.state) for found in shown] in ([], [(image.id, "ready")])
        assert await state_of(catalog, image.id) == ("ready" if shown else "deleting")


async def test_giving_a_commit_up_while_it_is_confirmed(catalog: Catalog) -> None:
    for _ in range(ROUNDS):
        original, draft = an_original(), a_draft()
        reservation = await catalog.reserve([original], draft=draft)
        confirmed, orphans = await asyncio.gather(outcome(catalog.confirm(reservation)), catalog.abandon(reservation))
        product, state = await catalog.product(draft.id), await state_of(catalog, original.id)
        assert (confirmed, len(orphans), product is not None, state) in {
            ("done", 0, True, "ready"),
            ("NotFound", 1, False, "deleting"),
        }


async def test_two_who_delete_one_product_get_its_images_once(catalog: Catalog) -> None:
    product = await a_product(catalog, [an_original()])
    results = await asyncio.gather(*(outcome(catalog.delete_product(product.id)) for _ in range(2)))
    assert sorted(results) == ["NotFound", "done"]
    assert len(await catalog.open_messages(["erase"], limit=10)) == 1


async def test_products_that_swap_images_do_not_wait_in_a_circle(catalog: Catalog) -> None:
    originals = [an_original() for _ in range(3)]
    image_ids = [original.id for original in originals]
    pair = [await a_product(catalog, order) for order in (originals, originals[::-1])]
    changes = [catalog.update_product(pair[turn % 2].id, image_ids=image_ids[turn % 3 :]) for turn in range(12)]
    await asyncio.gather(*(outcome(change) for change in changes))
    for product in pair:
        shown = (await catalog.require_product(product.id)).images
        assert {image.state for image in shown} == {"ready"}


async def test_a_variant_that_is_recorded_while_its_image_goes_is_never_left_over(catalog: Catalog) -> None:
    for _ in range(ROUNDS):
        image = await a_stored_image(catalog)
        plans = [f"w{width}" for width in range(6)]
        recording = [catalog.record_variant(a_variant(image.id, plan)) for plan in plans]
        await asyncio.gather(*recording, catalog.delete_image(image.id))
        await catalog.erase(image.id)
        assert await catalog.image(image.id) is None
        assert await catalog.variants([image.id]) == {image.id: []}
