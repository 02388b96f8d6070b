"""Products: lists, changes, deletion, and the images that go with them."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.columns import MAX_PRICE, checked_price
from catalog.errors import ImageBusy, NotFound
from catalog.repository import Catalog
from tests.catalog.builders import a_draft, a_product, a_stored_image, an_original, ids, state_of

pytestmark = pytest.mark.anyio

PRICES = st.decimals(min_value=0, max_value=MAX_PRICE, places=2)


async def names(catalog: Catalog, **filters: str) -> set[str]:
    name, prices = filters.pop("name", None), {side: Decimal(price) for side, price in filters.items()}
    page = await catalog.list_products(limit=50, name=name, min_price=prices.get("min_price"), max_price=prices.get("max_price"))
    return {product.name for product in page.items}


@pytest.mark.parametrize("price", ["0", "0.01", "0.10", "12.5", "19.99", "1E+2", "9999999999.99"])
async def test_prices_are_exact(catalog: Catalog, price: str) -> None:
    product = await a_product(catalog, draft=a_draft(price=price))
    assert str(product.price) == f"{Decimal(price):.2f}"


@pytest.mark.parametrize("price", ["0.001", "-0.01", "10000000000", "NaN", "Infinity", "-Infinity", "1e-400", "sNaN"])
async def test_what_is_no_price_is_refused(catalog: Catalog, price: str) -> None:
    product = await a_product(catalog)
    with pytest.raises(ValueError, match="a price"):
        a_draft(price=price)
    with pytest.raises(ValueError, match="a price"):
        await catalog.update_product(product.id, price=Decimal(price))
    with pytest.raises(ValueError, match="a price"):
        await catalog.list_products(limit=1, min_price=Decimal(price))


@given(price=PRICES)
def test_a_price_stays_what_it_is(price: Decimal) -> None:
    assert checked_price(price) == price
    assert checked_price(price).as_tuple().exponent == -2


async def test_products_are_found_by_part_of_their_name_in_any_case(catalog: Catalog) -> None:
    for name in ("Ünïcode Kettle", "100% wool_scarf", "kettle\\back", "Straße"):
        await a_product(catalog, draft=a_draft(name=name))
    table = {
        "KETTLE": {"Ünïcode Kettle", "kettle\\back"},
        "ÜNÏ": {"Ünïcode Kettle"},
        "U\N{COMBINING DIAERESIS}n": {"Ünïcode Kettle"},
        "STRASSE": {"Straße"},
        "%": {"100% wool_scarf"},
        "_": {"100% wool_scarf"},
        "\\": {"kettle\\back"},
        "/": set(),
        "": {"Ünïcode Kettle", "100% wool_scarf", "kettle\\back", "Straße"},
    }
    for part, wanted in table.items():
        assert await names(catalog, name=part) == wanted, part


async def test_products_are_found_between_two_prices(catalog: Catalog) -> None:
    for price in ("9.99", "10.00", "10.01", "100.00"):
        await a_product(catalog, draft=a_draft(name=price, price=price))
    assert await names(catalog, min_price="10", max_price="10.01") == {"10.00", "10.01"}
    assert await names(catalog, min_price="10.01") == {"10.01", "100.00"}
    assert await names(catalog, max_price="9.99") == {"9.99"}
    assert await names(catalog, min_price="50", name="nothing") == set()


async def test_only_what_is_given_changes(catalog: Catalog) -> None:
    before = await a_product(catalog, [an_original()], a_draft(name="Teapot"))
    after, orphans = await catalog.update_product(before.id, name="KETTLE", price=Decimal("0.5"), currency="USD")
    assert (after.name, after.price, after.currency) == ("KETTLE", Decimal("0.50"), "USD")
    assert (after.images, after.created_at, orphans) == (before.images, before.created_at, [])
    assert await catalog.product(before.id) == after
    assert await names(catalog, name="kettle") == {"KETTLE"}
    assert await catalog.update_product(before.id) == (after, [])


async def test_images_are_reordered_added_and_dropped(catalog: Catalog) -> None:
    first, second, added = an_original(), an_original(), await a_stored_image(catalog)
    product = await a_product(catalog, [first, second])
    changed, orphans = await catalog.update_product(product.id, image_ids=[second.id, first.id])
    assert (ids(changed.images), orphans) == ([second.id, first.id], [])
    changed, orphans = await catalog.update_product(product.id, image_ids=[added.id, second.id, added.id])
    assert (ids(changed.images), ids(orphans)) == ([added.id, second.id], [first.id])
    assert await state_of(catalog, first.id) == "deleting"
    changed, orphans = await catalog.update_product(product.id, image_ids=[])
    assert (changed.images, ids(orphans)) == ((), [second.id])
    assert await state_of(catalog, added.id) == "ready"


async def test_a_change_that_fails_changes_nothing(catalog: Catalog) -> None:
    product, pending = await a_product(catalog, [an_original()]), an_original()
    deleted = await a_stored_image(catalog)
    await catalog.delete_image(deleted.id)
    await catalog.reserve([pending], standalone=True)
    for image_id, error in (("unheard-of", NotFound), (pending.id, NotFound), (deleted.id, ImageBusy)):
        with pytest.raises(error) as raised:
            await catalog.update_product(product.id, name="other", image_ids=[image_id])
        assert raised.value.facts == {"images": [image_id]}
        assert await catalog.product(product.id) == product


async def test_a_deleted_product_takes_images_along_that_nothing_else_keeps(catalog: Catalog) -> None:
    own, shared, standalone = an_original(), an_original(), await a_stored_image(catalog)
    draft = a_draft()
    await catalog.confirm(await catalog.reserve([own, shared], draft=draft, image_ids=[own.id, shared.id, standalone.id]))
    other = await a_product(catalog, [shared])
    orphans = await catalog.delete_product(draft.id)
    assert [(image.id, image.state, image.place) for image in orphans] == [(own.id, "deleting", own.place)]
    assert await catalog.product(draft.id) is None
    assert [message.subject for message in await catalog.open_messages(["erase"], limit=10)] == [own.id]
    assert await state_of(catalog, standalone.id) == "ready"
    assert ids((await catalog.require_product(other.id)).images) == [shared.id]
    assert ids(await catalog.delete_product(other.id)) == [shared.id]


async def test_an_image_stored_by_itself_while_a_product_shows_it_outlives_the_product(catalog: Catalog) -> None:
    original = an_original()
    product = await a_product(catalog, [original])
    reservation = await catalog.reserve([original], standalone=True)
    assert await catalog.delete_product(product.id) == []
    await catalog.confirm(reservation)
    assert await state_of(catalog, original.id) == "ready"


async def test_a_product_that_is_not_there_or_not_ready_is_not_found(catalog: Catalog) -> None:
    pending = a_draft()
    await catalog.reserve([], draft=pending)
    for product_id in ("unheard-of", pending.id):
        for question in (catalog.require_product, catalog.delete_product, catalog.update_product):
            with pytest.raises(NotFound) as raised:
                await question(product_id)
            assert raised.value.facts == {"product": product_id}
