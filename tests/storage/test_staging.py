"""Staging on a real server: whole uploads, fair budgets, honest ends, and sane accounts when Redis forgets."""

from datetime import UTC, datetime, timedelta

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from storage.base import NotStored, OffsetMismatch, PurgeReport, StagingFull
from storage.staging import RedisStaging
from tests.storage.conftest import BUDGET, IMAGE, NOTHING, OTHER, SOON, MakeStaging, digest, stage, used

pytestmark = pytest.mark.anyio


async def test_an_upload_in_parts_is_read_whole(staging: RedisStaging) -> None:
    token = await staging.create()
    assert await staging.append(token, 0, b"one ") == 4
    assert await staging.append(token, 4, b"") == 4
    assert await staging.append(token, 4, b"two") == 7
    assert await staging.head(IMAGE) is None
    before = datetime.now(UTC)
    staged = await staging.finish(token, IMAGE, sha256=digest(b"one two"), facts={"width": 3, "alpha": False})
    assert (staged.bytes, staged.facts, staged.transferred) == (7, {"width": 3, "alpha": False}, False)
    assert timedelta(seconds=59) < staged.expires_at - before < timedelta(seconds=61)
    assert await staging.head(IMAGE) == staged
    assert await staging.read(IMAGE) == b"one two"
    with pytest.raises(NotStored):
        await staging.append(token, 7, b"more")


@pytest.mark.parametrize("offset", [0, 2, 4, 10_000])
async def test_an_append_at_another_offset_changes_nothing(staging: RedisStaging, client: Redis, offset: int) -> None:
    token = await staging.create()
    await staging.append(token, 0, b"abc")
    with pytest.raises(OffsetMismatch) as caught:
        await staging.append(token, offset, b"def")
    assert caught.value.facts == {"offset": 3}
    assert await staging.append(token, 3, b"def") == 6
    assert await used(client) == 6


async def test_of_parallel_appends_at_one_offset_one_wins(staging: RedisStaging, client: Redis) -> None:
    token = await staging.create()
    won: list[int] = []

    async def one(number: int) -> None:
        try:
            await staging.append(token, 0, bytes([number]) * 100)
        except OffsetMismatch:
            return
        won.append(number)

    async with anyio.create_task_group() as group:
        for number in range(10):
            group.start_soon(one, number)
    data = bytes(won) * 100
    assert len(won) == 1
    await staging.finish(token, IMAGE, sha256=digest(data), facts={})
    assert await staging.read(IMAGE) == data
    assert await used(client) == 100


async def test_the_budget_is_never_passed_by_parallel_uploads(staging: RedisStaging, client: Redis) -> None:
    full: list[bool] = []

    async def one() -> None:
        token = await staging.create()
        try:
            await staging.append(token, 0, bytes(BUDGET // 4))
        except StagingFull:
            full.append(True)

    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(one)
    assert len(full) == 6
    assert await used(client) == BUDGET


async def test_a_refused_append_leaves_the_upload_as_it_was(staging: RedisStaging, client: Redis) -> None:
    token = await staging.create()
    await staging.append(token, 0, bytes(BUDGET))
    with pytest.raises(StagingFull):
        await staging.append(token, BUDGET, b"x")
    assert await used(client) == BUDGET
    assert await staging.drop(token)
    await stage(staging, bytes(BUDGET))


@pytest.mark.parametrize("whole", [True, False])
async def test_what_expires_gives_its_bytes_back(make_staging: MakeStaging, client: Redis, whole: bool) -> None:
    staging = make_staging(ttl=SOON, unfinished=SOON)
    token = await staging.create()
    await staging.append(token, 0, bytes(BUDGET))
    if whole:
        await staging.finish(token, IMAGE, sha256=digest(bytes(BUDGET)), facts={})
    await anyio.sleep(0.1)
    assert await staging.head(IMAGE) is None
    await stage(staging, bytes(BUDGET), OTHER)
    assert await used(client) == BUDGET


async def test_every_append_gives_an_upload_new_time(make_staging: MakeStaging) -> None:
    staging = make_staging(unfinished=timedelta(milliseconds=150))
    token = await staging.create()
    for end in range(4):
        await anyio.sleep(0.06)
        await staging.append(token, end, b"x")
    await anyio.sleep(0.2)
    with pytest.raises(NotStored):
        await staging.append(token, 4, b"x")


async def test_an_expired_image_is_remembered_for_a_day(make_staging: MakeStaging, client: Redis) -> None:
    staging = make_staging(ttl=SOON)
    assert not await staging.expired(IMAGE)
    await stage(staging, b"data")
    assert not await staging.expired(IMAGE)
    await anyio.sleep(0.1)
    assert await staging.expired(IMAGE)
    with pytest.raises(NotStored):
        await staging.read(IMAGE)
    await staging.purge()
    assert await staging.expired(IMAGE)
    day = 24 * 3600 * 1000
    assert day - 2000 < await client.pttl(f"staging:gone:{IMAGE}") <= day


async def test_an_image_staged_anew_replaces_the_former(staging: RedisStaging, client: Redis) -> None:
    await stage(staging, b"the former, which is longer")
    await staging.mark_transferred(IMAGE)
    await stage(staging, b"the new")
    staged = await staging.head(IMAGE)
    assert staged is not None
    assert (staged.bytes, staged.transferred) == (7, False)
    assert await staging.read(IMAGE) == b"the new"
    assert await used(client) == 7


async def test_what_is_dropped_is_forgotten_and_frees_its_bytes(staging: RedisStaging, client: Redis) -> None:
    await stage(staging, b"data")
    token = await staging.create()
    await staging.append(token, 0, b"half")
    assert await staging.drop(IMAGE)
    assert await staging.drop(token)
    assert not await staging.drop(IMAGE)
    assert not await staging.drop("never")
    assert not await staging.expired(IMAGE)
    assert await used(client) == 0


async def test_purge_takes_the_transferred_and_the_expired_and_spares_the_rest(make_staging: MakeStaging, client: Redis) -> None:
    brief, staging = make_staging(ttl=SOON), make_staging()
    await stage(brief, b"expired", "e" * 26)
    await stage(staging, b"transferred", IMAGE)
    await stage(staging, b"stays", OTHER)
    await staging.mark_transferred(IMAGE)
    assert await staging.read(IMAGE) == b"transferred"
    token = await staging.create()
    await staging.append(token, 0, b"under way")
    await anyio.sleep(0.1)
    assert await staging.purge() == PurgeReport(transferred=1, expired=1, bytes=18)
    assert await staging.purge() == NOTHING
    assert await staging.head(IMAGE) is None
    assert not await staging.expired(IMAGE)
    assert await staging.read(OTHER) == b"stays"
    assert await staging.append(token, 9, b"!") == 10
    assert await used(client) == 15


async def test_marking_what_is_gone_leaves_nothing_behind(staging: RedisStaging, client: Redis) -> None:
    await staging.mark_transferred(IMAGE)
    assert await client.keys() == []


async def test_nothing_stays_for_ever(make_staging: MakeStaging, client: Redis) -> None:
    staging = make_staging(ttl=SOON, unfinished=SOON)
    await stage(staging, b"data")
    await staging.create()
    await anyio.sleep(0.1)
    await staging.purge()
    left = {key: await client.pttl(key) for key in await client.keys()}
    assert left.pop(b"staging:gone:" + IMAGE.encode()) > 0
    assert set(left) == {b"staging:sizes"}


STEPS = st.tuples(st.sampled_from(["create", "append", "finish", "drop", "purge"]), st.integers(0, 3), st.binary(max_size=50))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS))
async def test_the_accounts_are_right_after_any_steps(staging: RedisStaging, client: Redis, steps: list[tuple[str, int, bytes]]) -> None:
    await client.flushall()
    uploads: dict[int, tuple[str, bytes]] = {}
    images: dict[str, bytes] = {}
    for step, number, data in steps:
        name = f"image{number}"
        if step == "create":
            uploads.setdefault(number, (await staging.create(), b""))
        elif step == "append" and number in uploads:
            token, before = uploads[number]
            await staging.append(token, len(before), data)
            uploads[number] = (token, before + data)
        elif step == "finish" and number in uploads:
            token, images[name] = uploads.pop(number)
            await staging.finish(token, name, sha256=digest(images[name]), facts={})
        elif step == "drop":
            assert await staging.drop(name) == (images.pop(name, None) is not None)
        elif step == "purge":
            await staging.mark_transferred(name)
            freed = images.pop(name, b"")
            # An image without bytes costs nothing, so purge may leave it to its time.
            assert (await staging.purge()).bytes == len(freed)
    assert await used(client) == sum(len(data) for _, data in uploads.values()) + sum(map(len, images.values()))
    for name, data in images.items():
        assert await staging.read(name) == data
