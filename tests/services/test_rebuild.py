"""The catalog is lost, whole or in part: from the store alone every picture is served again, byte for byte."""

from decimal import Decimal
from pathlib import Path

import pytest

from catalog.records import ImageRecord, ProductDraft, new_product_id
from proxy.settings import Settings
from services import findings, reconcile
from services.commit import commit_remote, create_product
from services.container import Services
from services.deliver import deliver
from services.findings import Finding
from services.focal import set_focal
from services.ids import facts_key, original_key
from services.known import find
from services.rebuild import rebuild
from services.resolving import resolve
from services.values import KnownImage
from services.warm import warm
from tests.photos import photo
from tests.services.grounds import keys, on, only_embedded, put, staged, stored, unknown, with_lost_catalog
from transforms.grammar import parse
from transforms.operations.gravity import Point

pytestmark = pytest.mark.anyio

PLANS = [parse("w32", "webp"), parse("w20,h20,fit_cover,g_focal", "jpg")]
FOCAL = Point(Decimal("0.10"), Decimal("0.90"))


async def rebuilt(services: Services, *, dry_run: bool = False) -> list[Finding]:
    return [finding async for finding in rebuild(services, dry_run=dry_run)]


async def sold(services: Services, name: str) -> str:
    draft = ProductDraft(id=new_product_id(), name="Vase", price=Decimal("1.00"), currency="EUR")
    product, _ = await create_product(services, draft, [name])
    return product.images[0].id


async def all_kinds(services: Services) -> list[str]:
    """A picture that stands by itself, one of a product, one from another host."""
    alone = (await stored(services)).id
    await set_focal(services, alone, FOCAL)
    product = await sold(services, await staged(services, photo(64, 48, "png")))
    remote = await staged(services, photo(48, 64))
    await commit_remote(services, remote)
    return [alone, product, remote]


async def served(services: Services, image_ids: list[str]) -> dict[str, list[bytes]]:
    """Originals and variants, as the catalog leads to them."""
    result = {}
    for image_id in image_ids:
        known = await find(services, image_id)
        assert known.place
        variants = [await deliver(services, known, await resolve(services, plan, known, None)) for plan in PLANS]
        result[image_id] = [await services.store.get(known.place), *(delivery.variant.data for delivery in variants)]
    return result


async def test_after_the_catalog_is_lost_every_picture_is_served_as_before(
    standing: Services, ground: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(findings, "YOUNG", -findings.YOUNG)
    async with on(standing, ground) as services:
        ids = await all_kinds(services)
        before, whole = await served(services, ids), await keys(services)
    async with on(standing, await with_lost_catalog(ground, tmp_path)) as services:
        assert {(finding.subject, finding.kind, finding.mended) for finding in await rebuilt(services, dry_run=True)} == {
            (image_id, "unlisted", False) for image_id in ids
        }
        assert await services.catalog.images(ids) == {}
        assert sorted(finding.subject for finding in await rebuilt(services) if finding.mended) == sorted(ids)
        assert await rebuilt(services) == []
        assert [finding async for finding in reconcile.reconcile(services)] == []
        assert await served(services, ids) == before
        assert await keys(services) == whole
        rows = await services.catalog.images(ids)
        assert rows[ids[0]].focal == FOCAL
        assert {row.id for row in (await services.catalog.list_images(limit=9)).items if row.standalone} == set(ids)
        assert await sold(services, ids[1]) == ids[1]
        for message in await services.catalog.open_messages(["warm"], limit=9):
            await warm(services, message.id, message.subject)
        assert all(image.placeholders for image in (await services.catalog.images(ids)).values())
        assert all((await services.catalog.variants(ids)).values())


async def forgotten(services: Services) -> tuple[ImageRecord, bytes]:
    """A picture that an older copy of the catalog did not know yet, and its facts."""
    image = await stored(services)
    facts = await services.store.get(facts_key(image.id))
    await services.catalog.delete_image(image.id)
    await services.catalog.erase(image.id)
    return image, facts


@only_embedded
async def test_only_what_lacks_a_row_is_taken_up(services: Services) -> None:
    there, (image, facts) = await stored(services), await forgotten(services)
    deleting = await stored(services)
    await services.catalog.delete_image(deleting.id)
    assert [(finding.subject, finding.mended) for finding in await rebuilt(services)] == [(image.id, True)]
    record = await services.catalog.image(image.id)
    assert record
    assert KnownImage.from_record(record).to_json().encode() == facts
    assert await services.catalog.image(there.id) == there
    assert (await services.catalog.images([deleting.id]))[deleting.id].state == "deleting"


@only_embedded
@pytest.mark.parametrize("facts", [None, b"", b"[]", b"{}", b'{"id": 1, "facts": {}}'])
async def test_what_lacks_facts_gets_them_from_its_bytes(services: Services, facts: bytes | None) -> None:
    image, true = await forgotten(services)
    await services.store.delete(facts_key(image.id))
    if facts is not None:
        await put(services, facts_key(image.id), facts)
    assert [(finding.subject, finding.mended) for finding in await rebuilt(services)] == [(image.id, True)]
    assert await services.store.get(facts_key(image.id)) == true
    assert await find(services, image.id) == KnownImage.from_json(true.decode())


@only_embedded
async def test_an_original_that_was_moved_is_taken_up_where_it_is(services: Services) -> None:
    image, _ = await forgotten(services)
    place = original_key(image.id, "jpg", new_product_id())
    await put(services, place, await services.store.get(image.place))
    await services.store.delete(image.place)
    assert [finding.mended for finding in await rebuilt(services)] == [True]
    assert (await find(services, image.id)).place == place


@only_embedded
async def test_bytes_that_are_not_those_of_their_name_are_reported(services: Services) -> None:
    image, _ = await forgotten(services)
    await services.store.delete(image.place)
    await put(services, image.place, b"other bytes")
    await put(services, original_key(unknown(b"text"), "jpg", None), b"text")
    found = {finding.subject: (finding.kind, finding.mended) for finding in await rebuilt(services)}
    assert found == {image.id: ("damaged", False), unknown(b"text"): ("unlisted", False)}
    assert await services.catalog.images(found) == {}
