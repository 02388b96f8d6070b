"""Images, their variants, their deletion, and the outbox."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from catalog import images
from catalog.errors import ImageInUse, NotFound
from catalog.repository import Catalog
from tests.catalog.builders import a_product, a_stored_image, a_variant, an_original, ids, some_placeholders, state_of
from transforms.operations.gravity import Point

pytestmark = pytest.mark.anyio


async def test_times_are_aware_and_in_utc(catalog: Catalog) -> None:
    before = datetime.now(UTC)
    image, product = await a_stored_image(catalog), await a_product(catalog)
    (message,) = await catalog.open_messages(["warm"], limit=1)
    for time in (image.created_at, product.created_at, message.created_at):
        assert time.tzinfo == UTC
        assert before <= time <= datetime.now(UTC)


async def test_images_are_listed_by_format(catalog: Catalog) -> None:
    stored = {name: await a_stored_image(catalog, an_original(image_format=name)) for name in ("jpg", "png", "gif")}
    assert ids((await catalog.list_images(limit=10)).items) == [stored[name].id for name in ("gif", "png", "jpg")]
    assert ids((await catalog.list_images(limit=10, formats=["jpg", "gif"])).items) == [stored["gif"].id, stored["jpg"].id]
    assert (await catalog.list_images(limit=10, formats=["webp"])).items == ()


async def test_known_images_are_found_in_any_state(catalog: Catalog) -> None:
    ready, pending = await a_stored_image(catalog), an_original()
    await catalog.reserve([pending], standalone=True)
    found = await catalog.images([ready.id, pending.id, "unheard-of"])
    assert {image_id: image.state for image_id, image in found.items()} == {ready.id: "ready", pending.id: "pending"}
    assert await catalog.images([]) == {}


async def test_an_image_that_a_product_shows_cannot_be_deleted(catalog: Catalog) -> None:
    original = an_original()
    products = [await a_product(catalog, [original]) for _ in range(2)]
    with pytest.raises(ImageInUse) as raised:
        await catalog.delete_image(original.id)
    assert raised.value.facts == {"products": sorted(product.id for product in products)}
    assert await state_of(catalog, original.id) == "ready"


async def test_a_deleted_image_is_deleting_until_it_is_erased(catalog: Catalog) -> None:
    image = await a_stored_image(catalog)
    await catalog.record_variant(a_variant(image.id))
    assert (await catalog.delete_image(image.id)).state == "deleting"
    assert (await catalog.list_images(limit=10)).items == ()
    assert [message.subject for message in await catalog.open_messages(["erase"], limit=10)] == [image.id]
    with pytest.raises(NotFound):
        await catalog.delete_image(image.id)
    for _ in range(2):
        await catalog.erase(image.id)
        assert await catalog.image(image.id) is None
    assert await catalog.variants([image.id]) == {image.id: []}
    assert await catalog.open_messages(["erase", "warm"], limit=10) == []


async def test_an_image_that_is_not_deleting_is_not_erased(catalog: Catalog) -> None:
    image = await a_stored_image(catalog)
    await catalog.erase(image.id)
    assert await catalog.image(image.id) == image


async def test_an_image_that_is_only_pending_cannot_be_deleted(catalog: Catalog) -> None:
    original = an_original()
    await catalog.reserve([original], standalone=True)
    for image_id in (original.id, "unheard-of"):
        with pytest.raises(NotFound):
            await catalog.delete_image(image_id)


@pytest.mark.parametrize(("x", "y"), [("0.3", "0.07"), ("0", "1"), ("0.29", "0.57"), ("-0.00", "1.0")])
async def test_a_focal_point_is_kept_exactly_until_it_is_cleared(catalog: Catalog, x: str, y: str) -> None:
    image = await a_stored_image(catalog)
    assert image.focal is None
    changed = await catalog.set_focal(image.id, Point(Decimal(x), Decimal(y)))
    assert changed == await catalog.image(image.id)
    assert changed.focal == (Decimal(x), Decimal(y))
    assert [str(share) for share in changed.focal] == [f"{abs(Decimal(share)):.2f}" for share in (x, y)]
    assert await catalog.set_focal(image.id, None) == image


@pytest.mark.parametrize("share", ["1.01", "-0.01", "0.333", "NaN", "Infinity"])
async def test_what_is_no_share_of_a_side_is_not_stored(catalog: Catalog, share: str) -> None:
    image = await a_stored_image(catalog)
    with pytest.raises(ValueError, match="a share lies between 0 and 1"):
        await catalog.set_focal(image.id, Point(Decimal(0), Decimal(share)))
    assert await catalog.image(image.id) == image


async def test_only_a_ready_image_gets_a_focal_point(catalog: Catalog) -> None:
    pending, deleting = an_original(), await a_stored_image(catalog)
    await catalog.reserve([pending], standalone=True)
    await catalog.delete_image(deleting.id)
    for image_id in (pending.id, deleting.id, "unheard-of"):
        with pytest.raises(NotFound):
            await catalog.set_focal(image_id, Point(Decimal(0), Decimal(1)))


async def test_placeholders_are_none_until_they_are_recorded_and_may_be_made_anew(catalog: Catalog) -> None:
    image = await a_stored_image(catalog)
    assert image.placeholders is None
    for placeholders in (some_placeholders("old"), some_placeholders()):
        await catalog.record_placeholders(image.id, placeholders)
        (listed,) = (await catalog.list_images(limit=1)).items
        assert listed.placeholders == placeholders
    await catalog.record_placeholders("unheard-of", some_placeholders())


async def test_a_product_knows_the_focal_points_and_placeholders_of_its_images(catalog: Catalog) -> None:
    product = await a_product(catalog, [an_original()])
    await catalog.record_placeholders(product.images[0].id, some_placeholders())
    changed = await catalog.set_focal(product.images[0].id, Point(Decimal("0.3"), Decimal("0.7")))
    assert (await catalog.require_product(product.id)).images == (changed,)
    assert changed.placeholders == some_placeholders()


async def test_variants_are_recorded_and_the_first_record_stays(catalog: Catalog) -> None:
    image, other = await a_stored_image(catalog), await a_stored_image(catalog)
    small, large = a_variant(image.id, "w256"), a_variant(image.id, "w1024")
    for variant in (small, large, a_variant(image.id, "w256", etag="late")):
        await catalog.record_variant(variant)
    assert await catalog.variant(image.id, "w256", "webp") == small
    assert await catalog.variant(image.id, "w256", "jpg") is None
    assert await catalog.variants([image.id, other.id]) == {image.id: [large, small], other.id: []}
    assert [await catalog.count_variants(each.id) for each in (image, other)] == [2, 0]


async def test_each_engine_sees_its_own_variants_and_the_newer_one_stays(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    image = await a_stored_image(catalog)
    for engine, etag in ((7, "old"), (8, "new"), (7, "old again")):
        monkeypatch.setattr(images, "ENGINE_VERSION", engine)
        await catalog.record_variant(a_variant(image.id, etag=etag))
    assert await catalog.variant(image.id, "w256", "webp") is None
    assert (await catalog.variants([image.id]), await catalog.count_variants(image.id)) == ({image.id: []}, 0)
    monkeypatch.setattr(images, "ENGINE_VERSION", 8)
    new = a_variant(image.id, etag="new")
    assert await catalog.variant(image.id, "w256", "webp") == new
    assert (await catalog.variants([image.id]), await catalog.count_variants(image.id)) == ({image.id: [new]}, 1)


async def test_a_variant_of_an_image_that_is_gone_or_going_is_not_recorded(catalog: Catalog) -> None:
    deleting = await a_stored_image(catalog)
    await catalog.delete_image(deleting.id)
    for image_id in (deleting.id, "unheard-of"):
        await catalog.record_variant(a_variant(image_id))
        assert await catalog.variant(image_id, "w256", "webp") is None


async def test_a_variant_of_a_pending_image_is_recorded(catalog: Catalog) -> None:
    original = an_original()
    await catalog.reserve([original], standalone=True)
    await catalog.record_variant(a_variant(original.id))
    assert await catalog.variant(original.id, "w256", "webp") == a_variant(original.id)


async def test_messages_wait_oldest_first_until_they_are_sent_and_finished(catalog: Catalog) -> None:
    images = [await a_stored_image(catalog) for _ in range(3)]
    messages = await catalog.open_messages(["warm"], limit=10)
    assert [message.subject for message in messages] == ids(images)
    assert await catalog.open_messages(["warm"], limit=2) == messages[:2]
    assert await catalog.open_messages(["erase"], limit=10) == []
    await catalog.mark_sent([messages[0].id])
    assert await catalog.open_messages(["warm"], limit=10) == messages[1:]
    for _ in range(2):
        await catalog.finish(messages[1].id)
    await catalog.mark_sent([])
    assert await catalog.open_messages(["warm"], limit=10) == messages[2:]


async def test_young_messages_are_left_to_those_who_posted_them(catalog: Catalog) -> None:
    await a_stored_image(catalog)
    assert await catalog.open_messages(["warm"], limit=10, older_than=timedelta(minutes=1)) == []
    assert len(await catalog.open_messages(["warm"], limit=10, older_than=timedelta(minutes=-1))) == 1
