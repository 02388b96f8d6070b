"""Staging when Redis forgets, damages, is full, may evict or is away: honest errors, and accounts that mend themselves."""

from collections.abc import AsyncIterator

import anyio
import pytest
from redis.asyncio import Redis

from storage.base import NotStored, PurgeReport, StagingFull, StorageUnavailable
from storage.redis_client import connect
from storage.staging import RedisStaging
from tests.servers import free_port
from tests.storage.conftest import BUDGET, IMAGE, NOTHING, OTHER, SOON, MakeStaging, digest, stage, used

pytestmark = pytest.mark.anyio


async def test_when_redis_lost_everything_uploads_are_gone_and_new_ones_work(staging: RedisStaging, client: Redis) -> None:
    token = await staging.create()
    await staging.append(token, 0, b"half")
    await stage(staging, b"whole")
    await client.flushall()
    for lost in (staging.append(token, 4, b"more"), staging.finish(token, IMAGE, sha256=digest(b""), facts={}), staging.read(IMAGE)):
        with pytest.raises(NotStored):
            await lost
    assert await staging.head(IMAGE) is None
    await staging.mark_transferred(IMAGE)
    assert not await staging.drop(IMAGE)
    assert await staging.purge() == NOTHING
    await stage(staging, bytes(BUDGET))
    assert await used(client) == BUDGET


@pytest.mark.parametrize("lost", ["sizes", "ledger", f"image:{IMAGE}", f"facts:{IMAGE}", "upload"])
async def test_when_redis_lost_a_part_the_accounts_mend_themselves(make_staging: MakeStaging, client: Redis, lost: str) -> None:
    staging = make_staging(ttl=SOON, unfinished=SOON)
    token = await staging.create()
    await staging.append(token, 0, b"half")
    await stage(staging, b"whole")
    await client.delete(f"staging:{lost}:{token}" if lost == "upload" else f"staging:{lost}")
    await staging.drop(token)
    await anyio.sleep(0.1)
    await staging.purge()
    assert await used(client) == 0
    await stage(staging, bytes(BUDGET))


@pytest.mark.parametrize("damage", [b"", b"dat", b"DATA", b"data and more"])
async def test_damaged_bytes_are_never_handed_out(staging: RedisStaging, client: Redis, damage: bytes) -> None:
    await stage(staging, b"data")
    await client.set(f"staging:image:{IMAGE}", damage)
    with pytest.raises(StorageUnavailable):
        await staging.read(IMAGE)


@pytest.fixture
async def crowded(client: Redis, staging: RedisStaging) -> AsyncIterator[str]:
    """A server without memory for anything more; gives the token of an upload under way."""
    token = await staging.create()
    await staging.append(token, 0, b"half")
    await stage(staging, b"whole", OTHER)
    await client.config_set("maxmemory", "1mb")
    yield token
    await client.config_set("maxmemory", "256mb")


async def test_a_server_without_memory_is_full_but_lets_go(crowded: str, staging: RedisStaging, client: Redis) -> None:
    with pytest.raises(StagingFull):
        await staging.append(crowded, 4, b"more")
    with pytest.raises(StagingFull):
        await staging.create()
    await staging.finish(crowded, IMAGE, sha256=digest(b"half"), facts={})
    await staging.mark_transferred(IMAGE)
    assert await staging.read(IMAGE) == b"half"
    assert await staging.drop(OTHER)
    assert await staging.purge() == PurgeReport(transferred=1, expired=0, bytes=4)
    assert await used(client) == 0


async def test_a_server_that_may_evict_is_refused_with_the_mend(staging: RedisStaging, client: Redis) -> None:
    await staging.check()
    await client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        with pytest.raises(StorageUnavailable, match="noeviction"):
            await staging.check()
    finally:
        await client.config_set("maxmemory-policy", "noeviction")


async def test_a_server_that_is_away_is_unavailable(anyio_backend: str) -> None:
    staging = RedisStaging(connect(f"redis://127.0.0.1:{free_port()}"), ttl=SOON, budget=1)
    with anyio.fail_after(1):
        for ask in (staging.create, staging.purge, staging.check):
            with pytest.raises(StorageUnavailable):
                await ask()
        for question in (staging.head, staging.read, staging.expired, staging.drop):
            with pytest.raises(StorageUnavailable):
                await question(IMAGE)
    await staging.close()
