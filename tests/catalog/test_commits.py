"""Commits: what is reserved, confirmed, repeated, taken up again and given up."""

from decimal import Decimal

import pytest

from catalog.errors import IdempotencyConflict, ImageBusy, NotFound
from catalog.repository import Catalog
from tests.catalog.builders import a_draft, a_product, a_stored_image, an_original, ids, state_of

pytestmark = pytest.mark.anyio


async def test_a_reserved_image_is_pending_with_all_that_is_known_of_it(catalog: Catalog) -> None:
    original = an_original()
    reservation = await catalog.reserve([original], standalone=True)
    (image,) = reservation.images
    assert (image.id, image.facts, image.bytes, image.sha256, image.place) == (
        original.id,
        original.facts,
        original.bytes,
        original.sha256,
        original.place,
    )
    assert (image.state, image.owner, image.standalone) == ("pending", "", True)
    assert await catalog.image(original.id) == image
    assert (await catalog.list_images(limit=10)).items == ()


async def test_a_confirmed_image_is_ready_and_to_be_warmed(catalog: Catalog) -> None:
    original = an_original()
    warm = await catalog.confirm(await catalog.reserve([original], standalone=True))
    assert [(message.kind, message.subject) for message in warm] == [("warm", original.id)]
    assert await catalog.open_messages(["warm"], limit=10) == warm
    assert await catalog.open_messages(["commit"], limit=10) == []
    assert ids((await catalog.list_images(limit=10)).items) == [original.id]


async def test_a_product_is_seen_once_it_is_confirmed(catalog: Catalog) -> None:
    originals, draft = [an_original(), an_original()], a_draft(name="Kettle", price="9999999999.99")
    reservation = await catalog.reserve(originals, draft=draft)
    assert (reservation.product_id, reservation.repeated) == (draft.id, False)
    assert await catalog.product(draft.id) is None
    assert (await catalog.list_products(limit=10)).items == ()
    await catalog.confirm(reservation)
    product = await catalog.require_product(draft.id)
    assert (product.name, product.price, product.currency) == ("Kettle", Decimal("9999999999.99"), "EUR")
    assert ids(product.images) == [original.id for original in originals]
    assert (await catalog.list_products(limit=10)).items == (product,)


async def test_images_stand_in_the_order_asked_for_and_each_once(catalog: Catalog) -> None:
    first, second, stored = an_original("zz"), an_original("aa"), await a_stored_image(catalog)
    draft = a_draft()
    wanted = [first.id, stored.id, second.id, first.id]
    reservation = await catalog.reserve([second, first], draft=draft, image_ids=wanted)
    assert ids(reservation.images) == [first.id, stored.id, second.id]
    await catalog.confirm(reservation)
    assert ids((await catalog.require_product(draft.id)).images) == [first.id, stored.id, second.id]


async def test_an_image_keeps_its_first_place(catalog: Catalog) -> None:
    await catalog.reserve([an_original("shared", place="originals/first.jpg")], standalone=True)
    again = await catalog.reserve([an_original("shared", place="originals/second.jpg")], draft=a_draft())
    assert [image.place for image in again.images] == ["originals/first.jpg"]
    await catalog.confirm(again)
    later = await catalog.reserve([an_original("shared", place="originals/third.jpg")], draft=a_draft())
    assert [(image.place, image.state) for image in later.images] == [("originals/first.jpg", "ready")]


async def test_two_commits_of_one_image_both_succeed_and_warm_it_once(catalog: Catalog) -> None:
    original = an_original()
    first = await catalog.reserve([original], standalone=True)
    second = await catalog.reserve([original], draft=a_draft())
    assert len(await catalog.confirm(second)) == 1
    assert await catalog.confirm(first) == []
    assert await state_of(catalog, original.id) == "ready"


async def test_confirming_twice_changes_nothing(catalog: Catalog) -> None:
    for draft in (None, a_draft()):
        reservation = await catalog.reserve([an_original()], standalone=draft is None, draft=draft)
        assert len(await catalog.confirm(reservation)) == 1
        assert await catalog.confirm(reservation) == []


async def test_an_image_with_neither_row_nor_original_is_named_and_nothing_is_reserved(catalog: Catalog) -> None:
    draft, original = a_draft(), an_original()
    with pytest.raises(NotFound) as raised:
        await catalog.reserve([original], draft=draft, image_ids=[original.id, "unheard-of"])
    assert raised.value.facts == {"images": ["unheard-of"]}
    assert await catalog.image(original.id) is None
    assert not await catalog.repeated(draft)
    assert await catalog.open_messages(["commit"], limit=10) == []


async def test_an_image_that_is_being_deleted_cannot_be_reserved_until_it_is_gone(catalog: Catalog) -> None:
    original = an_original()
    await a_stored_image(catalog, original)
    await catalog.delete_image(original.id)
    with pytest.raises(ImageBusy) as raised:
        await catalog.reserve([original], draft=a_draft())
    assert raised.value.facts == {"images": [original.id]}
    await catalog.erase(original.id)
    assert (await catalog.reserve([original], draft=a_draft())).images[0].state == "pending"


async def test_a_commit_is_not_confirmed_when_its_image_was_deleted_meanwhile(catalog: Catalog) -> None:
    image = await a_stored_image(catalog)
    reservation = await catalog.reserve([], standalone=True, image_ids=[image.id])
    await catalog.delete_image(image.id)
    with pytest.raises(ImageBusy):
        await catalog.confirm(reservation)
    assert await state_of(catalog, image.id) == "deleting"


async def test_a_repeated_request_gets_the_product_that_it_made(catalog: Catalog) -> None:
    draft = a_draft(key="key", digest="digest")
    made = await catalog.reserve([an_original()], draft=draft)
    again = a_draft(key="key", digest="digest")
    pending = await catalog.reserve([an_original()], draft=again)
    assert (pending.product_id, pending.outbox_id, pending.images) == (draft.id, made.outbox_id, made.images)
    assert pending.repeated
    assert len(await catalog.confirm(pending)) == 1
    done = await catalog.reserve([], draft=again)
    assert (done.product_id, done.repeated, done.outbox_id) == (draft.id, True, None)
    assert await catalog.confirm(done) == []
    assert len((await catalog.list_products(limit=10)).items) == 1


async def test_whether_a_request_is_repeated_can_be_asked_before(catalog: Catalog) -> None:
    assert not await catalog.repeated(a_draft(key="key", digest="digest"))
    await catalog.reserve([], draft=a_draft(key="key", digest="digest"))
    assert await catalog.repeated(a_draft(key="key", digest="digest"))
    assert not await catalog.repeated(a_draft(digest="digest"))
    with pytest.raises(IdempotencyConflict):
        await catalog.repeated(a_draft(key="key", digest="other"))


async def test_a_key_cannot_be_used_for_another_request(catalog: Catalog) -> None:
    await a_product(catalog, draft=a_draft(key="key", digest="digest"))
    original = an_original()
    with pytest.raises(IdempotencyConflict):
        await catalog.reserve([original], draft=a_draft(key="key", digest="other"))
    assert await catalog.image(original.id) is None


async def test_a_key_is_free_again_when_its_product_is_deleted(catalog: Catalog) -> None:
    product = await a_product(catalog, draft=a_draft(key="key", digest="digest"))
    await catalog.delete_product(product.id)
    assert not (await catalog.reserve([], draft=a_draft(key="key", digest="other"))).repeated


async def test_a_commit_that_was_cut_off_can_be_taken_up_from_its_message(catalog: Catalog) -> None:
    originals = [an_original("zz"), an_original("aa")]
    for draft in (None, a_draft()):
        reservation = await catalog.reserve(originals, standalone=draft is None, draft=draft)
        (message,) = await catalog.open_messages(["commit"], limit=10)
        assert await catalog.resume(message.id) == reservation
        await catalog.confirm(reservation)
        assert await catalog.resume(message.id) is None


async def test_only_the_message_of_a_commit_can_be_taken_up(catalog: Catalog) -> None:
    (warm,) = await catalog.confirm(await catalog.reserve([an_original()], standalone=True))
    assert await catalog.resume(warm.id) is None


async def test_a_commit_that_is_given_up_leaves_nothing_but_the_bytes_to_erase(catalog: Catalog) -> None:
    draft, original, stored = a_draft(key="key", digest="digest"), an_original(), await a_stored_image(catalog)
    reservation = await catalog.reserve([original], draft=draft, image_ids=[original.id, stored.id])
    assert ids(await catalog.abandon(reservation)) == [original.id]
    assert not await catalog.repeated(draft)
    assert [message.subject for message in await catalog.open_messages(["erase", "commit"], limit=10)] == [original.id]
    assert await state_of(catalog, stored.id) == "ready"
    with pytest.raises(NotFound):
        await catalog.confirm(reservation)


async def test_giving_up_a_commit_leaves_images_that_another_one_needs(catalog: Catalog) -> None:
    original = an_original()
    given_up = await catalog.reserve([original], standalone=True)
    others = [await catalog.reserve([original], standalone=True), await catalog.reserve([original], draft=a_draft())]
    assert await catalog.abandon(given_up) == []
    for other in others:
        await catalog.confirm(other)
    image = await catalog.image(original.id)
    assert image is not None
    assert (image.state, image.standalone) == ("ready", True)


async def test_a_confirmed_commit_cannot_be_given_up(catalog: Catalog) -> None:
    draft = a_draft()
    reservation = await catalog.reserve([an_original()], draft=draft)
    await catalog.confirm(reservation)
    assert await catalog.abandon(reservation) == []
    assert await catalog.product(draft.id) is not None
