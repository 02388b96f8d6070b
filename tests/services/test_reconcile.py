"""Catalog and store may come to say different things: all of it is found, what can be mended is mended, and nothing else is touched."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from catalog.errors import ImageBusy
from catalog.records import ImageRecord, ProductDraft, new_product_id
from proxy.settings import Settings
from services import findings, orphans, reconcile, relay
from services.commit import carry_out, commit_images, create_product
from services.container import Services
from services.erase import delete_image
from services.findings import Finding, Looked
from services.ids import facts_key, original_key, variants_prefix
from services.makeable import put_once
from services.values import KnownImage
from tests.photos import photo
from tests.services.grounds import keys, only_embedded, put, staged, staged_original, stored, unknown
from transforms.operations.gravity import Point

pytestmark = pytest.mark.anyio

# Does something to what is stored, and says what will be found.
Disturbance = Callable[[Services, ImageRecord], Awaitable[str]]


@pytest.fixture
def all_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some servers know seconds only: what is written in the next ones is old too."""
    monkeypatch.setattr(findings, "YOUNG", timedelta(seconds=-10))
    monkeypatch.setattr(relay, "GRACE", timedelta())
    monkeypatch.setattr(reconcile, "LOOK_AGAIN", 0)


async def found(services: Services, *, dry_run: bool = False) -> list[Finding]:
    return [finding async for finding in reconcile.reconcile(services, dry_run=dry_run)]


async def a_draft_of(services: Services, images: Sequence[str]) -> None:
    draft = ProductDraft(id=new_product_id(), name="Vase", price=Decimal("1.00"), currency="EUR")
    await create_product(services, draft, images)


async def facts_are_lost(services: Services, image: ImageRecord) -> str:
    await services.store.delete(facts_key(image.id))
    return image.id


async def facts_are_old(services: Services, image: ImageRecord) -> str:
    await services.catalog.set_focal(image.id, Point(Decimal("0.1"), Decimal("0.9")))
    return image.id


async def a_patch_is_cut_off(services: Services, image: ImageRecord) -> str:
    original = await staged_original(services, new_product_id())
    await carry_out(services, await services.catalog.reserve([original]))
    return original.id


async def a_render_outlives_its_picture(services: Services, image: ImageRecord) -> str:
    gone = await stored(services)
    await delete_image(services, gone.id)
    await put(services, f"{variants_prefix(gone.id)}late.jpg", b"variant")
    return gone.id


async def a_deletion_leaves_facts(services: Services, image: ImageRecord) -> str:
    await put(services, facts_key(unknown(b"facts")), b"{}")
    return unknown(b"facts")


async def a_transfer_is_cut_off_and_given_up(services: Services, image: ImageRecord) -> str:
    await put(services, original_key(unknown(), "jpg", new_product_id()), b"original")
    await put(services, f"{variants_prefix(unknown())}x.jpg", b"variant")
    return unknown()


async def a_check_is_cut_off(services: Services, image: ImageRecord) -> str:
    return await put(services, "checks/left.txt", b"left")


async def a_commit_is_cut_off(services: Services, image: ImageRecord) -> str:
    await services.catalog.reserve([await staged_original(services)], standalone=True)
    return "commit"


async def a_deletion_is_cut_off(services: Services, image: ImageRecord) -> str:
    gone = await stored(services)
    await services.catalog.delete_image(gone.id)
    return f"erase {gone.id}"


DISTURBANCES: list[tuple[str, Disturbance]] = [
    ("facts", facts_are_lost),
    ("facts", facts_are_old),
    ("unreferenced", a_patch_is_cut_off),
    ("orphan", a_render_outlives_its_picture),
    ("orphan", a_deletion_leaves_facts),
    ("orphan", a_transfer_is_cut_off_and_given_up),
    ("leftover", a_check_is_cut_off),
    ("cut-off", a_commit_is_cut_off),
    ("cut-off", a_deletion_is_cut_off),
]


@only_embedded
@pytest.mark.usefixtures("all_is_old")
@pytest.mark.parametrize(("kind", "disturb"), DISTURBANCES, ids=[disturb.__name__ for _, disturb in DISTURBANCES])
async def test_what_came_apart_is_found_and_mended_and_all_else_stays(services: Services, kind: str, disturb: Disturbance) -> None:
    picture = photo(64, 48)
    image = await stored(services, picture)
    await a_draft_of(services, [await staged(services, photo(40, 30))])
    await relay.relay(services)
    assert await found(services) == []
    whole = await keys(services)

    subject = await disturb(services, image)
    disturbed = await keys(services)
    dry = await found(services, dry_run=True)
    assert [(finding.kind, finding.subject, finding.mended) for finding in dry if finding.subject[:4] != "warm"] == [(kind, subject, False)]
    assert await keys(services) == disturbed

    mended = [finding for finding in await found(services) if finding.subject[:4] != "warm"]
    assert mended == [replace(finding, mended=True) for finding in dry if finding.subject[:4] != "warm"]
    await relay.relay(services)
    assert await found(services) == []
    left = await keys(services)
    assert left == whole or disturb is a_commit_is_cut_off
    assert set(whole) <= set(left)
    assert await services.store.get(image.place) == picture
    record = await services.catalog.image(image.id)
    assert record
    assert (await services.store.get(facts_key(image.id))).decode() == KnownImage.from_record(record).to_json()


@pytest.mark.usefixtures("all_is_old")
async def test_a_lost_original_is_reported_until_somebody_uploads_it_again(services: Services) -> None:
    picture = photo(64, 48)
    image = await stored(services, picture)
    await a_draft_of(services, [await staged(services, photo(40, 30))])
    await relay.relay(services)
    await services.store.delete(image.place)
    for _ in range(2):
        (finding,) = await found(services)
        assert (finding.kind, finding.subject, finding.bytes, finding.mended, finding.lost) == (
            "missing", image.id, len(picture), False, True,
        )  # fmt: skip
    assert (await stored(services, picture)).id == image.id
    assert await services.store.get(image.place) == picture
    assert await found(services) == []


@pytest.mark.usefixtures("all_is_old")
@pytest.mark.parametrize("cut", [1, 0])
async def test_a_damaged_original_is_left_alone_until_somebody_uploads_it_again(services: Services, cut: int) -> None:
    picture = photo(64, 48)
    image = await stored(services, picture)
    await relay.relay(services)
    damaged = picture[:-9] + bytes(9 - cut)
    await services.store.delete(image.place)
    await put(services, image.place, damaged)
    # Flipped bits are found by those who read it.
    assert [(finding.kind, finding.subject, finding.lost) for finding in await found(services)] == [("damaged", image.id, True)] * cut
    assert await services.store.get(image.place) == damaged
    assert (await stored(services, picture)).id == image.id
    assert await services.store.get(image.place) == picture
    assert await found(services) == []


@pytest.mark.usefixtures("all_is_old")
async def test_a_whole_picture_without_a_row_is_never_deleted(services: Services) -> None:
    kept, lost = await stored(services), await stored(services)
    await relay.relay(services)
    await put(services, f"{variants_prefix(lost.id)}x.jpg", b"variant")
    whole = await keys(services)
    # What a catalog that was restored from an older copy looks like.
    await services.catalog.delete_image(lost.id)
    await services.catalog.erase(lost.id)
    for _ in range(2):
        assert [(finding.kind, finding.subject, finding.mended) for finding in await found(services)] == [("unlisted", lost.id, False)]
    assert await keys(services) == whole
    assert kept.place in whole


@only_embedded
@pytest.mark.usefixtures("all_is_old")
async def test_a_catalog_that_knows_little_of_the_store_deletes_nothing(services: Services) -> None:
    for seed in (b"one", b"two"):
        await put(services, original_key(unknown(seed), "jpg", None), seed)
    await stored(services)
    await put(services, f"{variants_prefix(unknown())}x.jpg", b"variant")
    await relay.relay(services)
    whole = await keys(services)
    assert {(finding.kind, finding.mended) for finding in await found(services)} == {("orphan", False)}
    assert await keys(services) == whole


@only_embedded
async def test_nothing_younger_than_a_day_is_touched(services: Services, ground: Settings) -> None:
    await stored(services)
    young = [
        await put(services, f"{variants_prefix(unknown())}new.jpg", b"variant"),
        await put(services, "checks/new.txt", b"new"),
        await put(services, original_key(unknown(b"other"), "jpg", None), b"original"),
    ]
    old = await put(services, f"{variants_prefix(unknown())}old.jpg", b"variant")
    two_days = time.time() - 2 * 24 * 3600
    folder = Path(ground.storage_url)
    os.utime(folder / old, (two_days, two_days))
    assert await found(services) == []
    for key in young:
        os.utime(folder / key, (two_days, two_days))
    assert {(finding.kind, finding.mended) for finding in await found(services)} == {("orphan", True), ("leftover", True)}
    assert not set(young) & set(await keys(services))


@pytest.mark.usefixtures("all_is_old")
async def test_two_at_once_do_what_one_does(services: Services) -> None:
    image = await stored(services)
    for _, disturb in DISTURBANCES:
        await disturb(services, image)
    await asyncio.gather(*(found(services) for _ in range(3)))
    await relay.relay(services)
    assert await found(services) == []
    (kept,) = [key for key in await keys(services) if key.startswith("originals/images/") and image.id in key]
    assert kept == image.place


@pytest.mark.usefixtures("all_is_old")
async def test_a_picture_that_is_committed_while_its_orphan_goes_is_whole_or_refused(services: Services) -> None:
    for _ in range(3):
        await stored(services)
    for number in range(6):
        picture = photo(64, 48)
        name = await staged(services, picture)
        await put(services, original_key(name, "jpg", None), picture)
        _, image = await asyncio.gather(found(services), committed(services, name, after=0.01 * number))
        assert await services.store.get(image.place) == picture


async def committed(services: Services, name: str, *, after: float) -> ImageRecord:
    """As a client does it who tries again when he is told to."""
    await asyncio.sleep(after)
    for _ in range(50):
        try:
            return (await commit_images(services, [name]))[0]
        except ImageBusy:
            await asyncio.sleep(0.05)
    raise AssertionError("it stays busy")


@only_embedded
@pytest.mark.usefixtures("all_is_old")
async def test_more_than_a_page_is_looked_at(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings, "PAGE", 2)
    images = [await stored(services) for _ in range(3)]
    looked = Looked()
    for image in images:
        await put_once(services, f"{variants_prefix(image.id)}x.jpg", b"variant")
        await services.store.delete(facts_key(image.id))
    mended = [finding async for finding in reconcile.reconcile(services, looked=looked)]
    assert sorted(finding.subject for finding in mended if finding.kind == "facts") == sorted(image.id for image in images)
    assert (looked.images, looked.objects) == (3, 9)


def test_what_is_not_of_our_making_belongs_to_no_image() -> None:
    name = unknown()
    ours = [f"originals/images/{name}.jpg", f"originals/products/{new_product_id()}/{name}.png", f"facts/{name}.json"]
    for key in (*ours, f"variants/{name}/x/y.jpg"):
        assert orphans.image_of(key) == name
    for key in ("originals/readme.txt", f"variants/{name}.jpg", "facts/x.json", f"originals/{name}/x.jpg"):
        assert orphans.image_of(key) is None
