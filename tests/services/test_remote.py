"""Remote pictures: asked for once, believed for a while, shown while their host is in trouble, forgotten in the end."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from catalog.errors import CatalogUnavailable, ImageBusy
from catalog.records import ProductDraft, SourceRecord, new_product_id
from catalog.repository import Catalog
from catalog.session import connect
from proxy.settings import Settings
from proxy.wiring import build
from services.commit import commit_images, create_product
from services.container import Services
from services.embedded import EmbeddedRedis
from services.erase import delete_image, delete_product
from services.errors import SourceBusy, SourceMissing, SourceUnavailable
from services.origins.source_url import parse
from services.purge import purge
from services.remote import Remote, find
from services.stage import stage
from storage.base import NotStored, StorageUnavailable
from storage.redis_client import connect as connect_redis
from tests.origins.origin import Origin, Script, origin, page
from tests.photos import photo
from tests.servers import free_port
from transforms.errors import BrokenImage, LimitExceeded, ProgImageError, UnsupportedFormat

pytestmark = pytest.mark.anyio

PHOTO, OTHER = photo(64, 48), photo(64, 48)
SAID = ('ETag: "1"', "Last-Modified: Sat, 21 Nov 2026 12:00:00 GMT", "Cache-Control: max-age=600")
UNCHANGED = page(b"", status="304 Not Modified")


@pytest.fixture
async def host() -> AsyncIterator[Origin]:
    async with origin() as served:
        served.pages["/vase.jpg"] = page(PHOTO, *SAID)
        yield served


@pytest.fixture
def settings(tmp_path: Path, redis: EmbeddedRedis, host: Origin) -> Settings:
    return Settings(
        data=tmp_path,
        redis_url=redis.url,
        remote_sources=host.host,
        remote_ports=str(host.port),
        remote_networks="127.0.0.0/8",
        max_bytes="100kB",
        renderers=1,
    )


@pytest.fixture
async def services(settings: Settings) -> AsyncIterator[Services]:
    async with build(settings) as built:
        yield built


@pytest.fixture
async def pair(services: Services, settings: Settings) -> AsyncIterator[tuple[Services, Services]]:
    """What two processes on the same data have."""
    async with build(settings) as other:
        yield services, other


async def shown(services: Services, host: Origin, *, signed: bool = False) -> Remote:
    return await find(services, parse(host.url("/vase.jpg")), signed=signed)


async def refusal(services: Services, host: Origin, *, signed: bool = False) -> type[ProgImageError]:
    with pytest.raises(ProgImageError) as raised:
        await shown(services, host, signed=signed)
    return raised.type


async def known(services: Services, host: Origin) -> SourceRecord:
    record = await services.catalog.source(host.url("/vase.jpg"))
    assert record
    return record


async def let_pass(services: Services, host: Origin, time: timedelta) -> None:
    """As if it had been asked for so much earlier."""
    record = await known(services, host)
    earlier = replace(record, fresh_until=record.fresh_until - time, checked_at=record.checked_at - time)
    await services.catalog.remember_source(earlier)
    services.memory.sources.clear()


async def upload(services: Services, data: bytes) -> str:
    async def body() -> AsyncIterator[bytes]:
        yield data

    return (await stage(services, body())).staged.image_id


def slowly(answer: bytes, begun: asyncio.Event, go: asyncio.Event) -> Script:
    async def write(writer: asyncio.StreamWriter) -> None:
        begun.set()
        await go.wait()
        writer.write(answer)
        await writer.drain()

    return write


async def test_a_picture_is_fetched_once_and_stored_like_any_other(services: Services, host: Origin) -> None:
    first = await shown(services, host)
    assert 590 <= first.fresh <= 600
    assert first.image.place == f"originals/remote/{first.image.id}.jpg"
    assert await services.store.get(first.image.place) == PHOTO
    assert await services.staging.head(first.image.id) is None
    assert (await services.catalog.list_images(limit=9)).items == ()
    (message,) = await services.catalog.open_messages(["warm"], limit=9, patience=timedelta(0))
    assert message.subject == first.image.id
    assert await shown(services, host) == first
    services.memory.sources.clear()
    assert (await shown(services, host)).image == first.image
    assert len(host.asked) == 1


async def test_of_many_requests_in_two_processes_one_asks_the_host(pair: tuple[Services, Services], host: Origin) -> None:
    found = await asyncio.gather(*(shown(services, host) for services in pair * 10))
    assert len({remote.image.id for remote in found}) == 1
    assert len(host.asked) == 1


async def test_the_caller_who_leaves_takes_the_picture_from_nobody(services: Services, host: Origin) -> None:
    begun, go = asyncio.Event(), asyncio.Event()
    host.pages["/vase.jpg"] = slowly(page(PHOTO), begun, go)
    leaving = asyncio.create_task(shown(services, host))
    await begun.wait()
    staying = asyncio.create_task(shown(services, host))
    leaving.cancel()
    go.set()
    assert (await staying).image.bytes == len(PHOTO)
    assert len(host.asked) == 1


async def test_when_its_time_is_over_the_host_is_asked_whether_it_changed(services: Services, host: Origin) -> None:
    first = await shown(services, host)
    await let_pass(services, host, timedelta(minutes=10))
    host.pages["/vase.jpg"] = UNCHANGED
    again = await shown(services, host)
    assert again.image == first.image
    assert 'if-none-match: "1"' in host.asked[1].lower()
    assert "if-modified-since: sat, 21 nov 2026 12:00:00 gmt" in host.asked[1].lower()
    record = await known(services, host)
    assert (record.etag, record.fresh_until > datetime.now(UTC)) == ('"1"', True)
    await let_pass(services, host, timedelta(hours=2))
    host.pages["/vase.jpg"] = page(OTHER, 'ETag: "2"')
    assert (await shown(services, host)).image.bytes == len(OTHER)
    assert (await known(services, host)).etag == '"2"'
    assert len(host.asked) == 3


TROUBLE = [page(b"", status="503 Busy"), page(b"", status="500 Oops"), page(b"", *SAID), page(PHOTO, length=len(PHOTO) + 1)]


@pytest.mark.parametrize("answer", TROUBLE, ids=["busy", "failing", "empty", "cut off"])
async def test_while_its_host_is_in_trouble_the_picture_of_the_last_day_is_shown(services: Services, host: Origin, answer: bytes) -> None:
    first = await shown(services, host)
    await let_pass(services, host, timedelta(hours=23))
    host.pages["/vase.jpg"] = answer
    for _ in range(2):
        stale = await shown(services, host)
        assert stale.image == first.image
        assert stale.fresh <= 10
    assert len(host.asked) == 2
    await let_pass(services, host, timedelta(hours=2))
    assert await refusal(services, host) in (SourceBusy, SourceUnavailable)


async def test_a_picture_that_its_host_has_no_more_is_shown_no_more(services: Services, host: Origin) -> None:
    await shown(services, host)
    await let_pass(services, host, timedelta(hours=1))
    host.pages["/vase.jpg"] = page(b"", status="404 Not Found")
    assert await refusal(services, host) is SourceMissing


REFUSED: dict[str, tuple[bytes, type[ProgImageError], int]] = {
    "missing": (page(b"", status="404 Not Found"), SourceMissing, 60),
    "failing": (page(b"", status="500 Oops"), SourceUnavailable, 10),
    "busy": (page(b"", status="429 Slow down"), SourceBusy, 10),
    "empty": (page(b""), SourceUnavailable, 10),
    "no picture": (page(b"<!doctype html>"), UnsupportedFormat, 60),
    "broken": (page(PHOTO[: len(PHOTO) // 2]), BrokenImage, 60),
    "too large": (page(PHOTO + bytes(200_000)), LimitExceeded, 60),
}


async def test_what_was_refused_is_refused_for_a_while_without_asking_again(services: Services, host: Origin) -> None:
    source = parse(host.url("/vase.jpg"))
    for name, (answer, kind, seconds) in REFUSED.items():
        host.pages["/vase.jpg"] = answer
        host.asked.clear()
        services.memory.sources.clear()
        assert {name: [await refusal(services, host) for _ in range(3)]} == {name: [kind] * 3}
        assert services.memory.sources[str(source), False].believed == timedelta(seconds=seconds)
        assert len(host.asked) == 1
        host.pages["/vase.jpg"] = page(PHOTO)
        assert (await shown(services, host, signed=True)).image.bytes == len(PHOTO)
        assert await refusal(services, host) is kind
        await delete_image(services, (await known(services, host)).image_id)


async def test_a_picture_that_was_deleted_is_fetched_again(pair: tuple[Services, Services], host: Origin) -> None:
    for services in pair:
        first = await shown(services, host)
    await delete_image(pair[0], first.image.id)
    for services in pair:
        services.memory.known.clear()
        assert (await shown(services, host)).image == first.image
    assert len(host.asked) == 2


async def test_a_picture_that_is_deleted_while_its_host_is_asked_is_fetched_again(services: Services, host: Origin) -> None:
    first, begun, go = await shown(services, host), asyncio.Event(), asyncio.Event()
    await let_pass(services, host, timedelta(hours=1))
    host.pages["/vase.jpg"] = slowly(UNCHANGED, begun, go)
    asking = asyncio.create_task(shown(services, host))
    await begun.wait()
    await delete_image(services, first.image.id)
    host.pages["/vase.jpg"] = page(PHOTO)
    go.set()
    assert (await asking).image == first.image
    assert await services.store.get(first.image.place or "") == PHOTO


async def test_what_redis_lost_on_its_way_is_fetched_again(services: Services, host: Origin, redis: EmbeddedRedis) -> None:
    answer, client = page(PHOTO), connect_redis(redis.url)

    async def write_and_lose(writer: asyncio.StreamWriter) -> None:
        host.pages["/vase.jpg"] = answer
        writer.write(answer[:-99])
        while not await client.keys("staging:upload:*"):
            pass
        await client.flushall()
        writer.write(answer[-99:])
        await writer.drain()

    host.pages["/vase.jpg"] = write_and_lose
    assert (await shown(services, host)).image.bytes == len(PHOTO)
    assert len(host.asked) == 2
    await client.aclose()


async def test_while_a_picture_is_being_deleted_its_host_is_left_alone(services: Services, host: Origin) -> None:
    first = await shown(services, host)
    await services.catalog.delete_image(first.image.id)
    services.memory.known.clear()
    assert [await refusal(services, host) for _ in range(3)] == [ImageBusy] * 3
    assert len(host.asked) == 3


async def test_with_the_product_that_showed_it_too_a_picture_goes_and_comes_again(services: Services, host: Origin) -> None:
    first = await shown(services, host)
    draft = ProductDraft(id=new_product_id(), name="Vase", price=Decimal("1.00"), currency="EUR")
    await create_product(services, draft, [first.image.id])
    assert [image.id for image in (await services.catalog.list_images(limit=9)).items] == [first.image.id]
    await delete_product(services, draft.id)
    assert (await shown(services, host)).image == first.image
    assert (await services.catalog.list_images(limit=9)).items == ()


async def test_what_somebody_uploaded_or_stored_stays_his(services: Services, host: Origin) -> None:
    image_id = await upload(services, PHOTO)
    assert (await shown(services, host)).image.id == image_id
    (stored,) = await commit_images(services, [image_id])
    assert (await services.catalog.list_images(limit=9)).items == (stored,)
    assert await services.catalog.expire_sources(datetime.now(UTC) + timedelta(days=1)) == []


async def test_pictures_whose_sources_nobody_asked_for_in_a_long_time_are_purged(services: Services, host: Origin) -> None:
    first = await shown(services, host)
    (place,) = {first.image.place}
    await purge(services)
    assert await services.store.get(place or "") == PHOTO
    await purge(replace(services, remote_ttl=timedelta(seconds=-1)))
    assert await services.catalog.image(first.image.id) is None
    with pytest.raises(NotStored):
        await services.store.get(place or "")
    services.memory.known.clear()
    assert (await shown(services, host)).image == first.image


async def test_that_redis_is_away_is_told_and_not_remembered(services: Services, host: Origin, redis: EmbeddedRedis) -> None:
    redis.stop()
    assert await refusal(services, host) is StorageUnavailable
    redis.start()
    assert (await shown(services, host)).image.bytes == len(PHOTO)


async def test_without_sql_no_host_is_asked(services: Services, host: Origin) -> None:
    engine = connect(f"postgresql://postgres@127.0.0.1:{free_port()}/postgres")
    assert await refusal(replace(services, catalog=Catalog(engine)), host) is CatalogUnavailable
    assert host.asked == []
    await engine.dispose()
