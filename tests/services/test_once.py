"""Once and deliver, in two processes' collaborators on one Redis, one store and one catalog."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.settings import Settings
from proxy.wiring import build
from services import known
from services.container import Services
from services.deliver import Delivery, deliver
from services.embedded import EmbeddedRedis
from services.errors import TooManyVariants
from services.once import once
from services.resolving import resolve
from storage.leases import Leases
from storage.redis_client import connect
from tests.photos import photo
from tests.safety.deadly import crash
from tests.servers import free_port
from tests.services import grounds
from transforms.errors import DecoderCrashed, ImpossibleOutput
from transforms.grammar import parse

pytestmark = pytest.mark.anyio

Processes = tuple[Services, Services]


@pytest.fixture
async def processes(tmp_path: Path, redis: EmbeddedRedis) -> AsyncIterator[Processes]:
    """The collaborators of two processes."""
    settings = Settings(data=tmp_path, redis_url=redis.url, renderers=1, variants_per_image=2)
    async with AsyncExitStack() as stack:
        one, other = [await stack.enter_async_context(build(settings)) for _ in range(2)]
        yield one, other


async def staged(services: Services) -> str:
    return await grounds.staged(services, photo(320, 240))


async def stored(services: Services) -> str:
    return (await grounds.stored(services, photo(320, 240))).id


async def variant(services: Services, image_id: str, plan: str, *, trusted: bool = True) -> Delivery:
    image = await known.find(services, image_id)
    resolved = await resolve(services, parse(plan, "webp"), image, None)
    return await deliver(services, image, resolved, trusted=trusted)


async def test_a_variant_that_two_processes_miss_is_made_by_one_and_found_by_the_other(processes: Processes) -> None:
    image_id = await stored(processes[0])
    answers = await asyncio.gather(*(variant(services, image_id, "w64") for services in processes for _ in range(5)))
    assert len({answer.variant.data for answer in answers}) == 1
    assert sorted(answer.how for answer in answers) == ["coalesced"] * 9 + ["miss"]
    assert {(await variant(services, image_id, "w64")).how for services in processes} == {"hit"}


async def test_what_is_stored_is_found_without_asking_redis(processes: Processes, redis: EmbeddedRedis) -> None:
    one, other = processes
    image_id = await stored(one)
    made = await variant(one, image_id, "w64")
    async with connect(redis.url) as client:
        before = (await client.info("stats"))["total_commands_processed"]
        found = await variant(other, image_id, "w64")
        assert (await client.info("stats"))["total_commands_processed"] == before + 1
    assert (found.how, found.variant) == ("hit", made.variant)


async def test_without_redis_each_process_makes_its_own_and_all_give_the_same_bytes(processes: Processes) -> None:
    image_id = await stored(processes[0])
    apart = [replace(services, leases=Leases(connect(f"redis://127.0.0.1:{free_port()}"), seconds=9)) for services in processes]
    answers = await asyncio.gather(*(variant(services, image_id, "w64") for services in apart for _ in range(3)))
    assert len({answer.variant.data for answer in answers}) == 1
    assert sorted(answer.how for answer in answers) == ["coalesced"] * 4 + ["miss"] * 2
    for services in apart:
        await services.leases.close()


async def test_what_is_only_staged_is_made_by_each_process(processes: Processes) -> None:
    image_id = await staged(processes[0])
    assert [(await variant(services, image_id, "w64")).how for services in processes] == ["miss", "miss"]


async def test_who_gets_an_error_keeps_it_and_the_others_try_one_after_the_other(processes: Processes) -> None:
    making, most, tries = 0, 0, 0

    async def look() -> None:
        return None

    async def make() -> None:
        nonlocal making, most, tries
        making, tries = making + 1, tries + 1
        most = max(most, making)
        await asyncio.sleep(0.02)
        making -= 1
        raise ImpossibleOutput("It fits into no byte.")

    asked = [once(services, "a", look, make) for services in processes for _ in range(3)]
    errors = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(error) for error in errors] == [ImpossibleOutput] * 6
    assert (most, tries) == (1, 6)


async def test_who_has_waited_for_a_whole_lease_makes_it_beside_the_other(processes: Processes, redis: EmbeddedRedis) -> None:
    impatient = replace(processes[0], leases=Leases(connect(redis.url), seconds=0.3))

    async def look() -> None:
        return None

    async def make() -> str:
        return "made"

    began = time.monotonic()
    async with processes[1].leases.hold("a"):
        assert await once(impatient, "a", look, make) == "made"
    assert 0.3 <= time.monotonic() - began < 3
    await impatient.leases.close()


async def test_a_variant_that_is_impossible_is_so_for_all_who_asked(processes: Processes) -> None:
    image_id = await stored(processes[0])
    asked = [variant(services, image_id, "w64,maxbytes1") for services in processes for _ in range(3)]
    errors = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(error) for error in errors] == [ImpossibleOutput] * 6


async def test_a_child_that_dies_of_it_dies_once(processes: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    image_id = await stored(processes[0])
    before = [await services.pool.run(os.getpid) for services in processes]
    monkeypatch.setattr("services.deliver.execute", crash)
    asked = [variant(services, image_id, "w64") for services in processes for _ in range(3)]
    errors = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(error) for error in errors] == [DecoderCrashed] * 6
    after = [await services.pool.run(os.getpid) for services in processes]
    assert len(set(before) & set(after)) == 1


async def test_an_image_that_has_its_variants_gets_no_more_for_callers_who_are_not_trusted(processes: Processes) -> None:
    one, other = processes
    image_id = await stored(one)
    for plan in ("w64", "w65"):
        assert (await variant(one, image_id, plan, trusted=False)).how == "miss"
    for services in processes:
        with pytest.raises(TooManyVariants) as refused:
            await variant(services, image_id, "w66", trusted=False)
        assert refused.value.facts == {"maximum": 2}
        assert (await variant(services, image_id, "w65", trusted=False)).how == "hit"
    assert (await variant(other, image_id, "w66")).how == "miss"
    assert (await variant(one, image_id, "w66", trusted=False)).how == "hit"
    assert (await variant(one, await staged(one), "w67", trusted=False)).how == "miss"


async def test_many_at_once_are_no_way_around_the_limit(processes: Processes) -> None:
    one, _ = processes
    image_id = await stored(one)
    asked = [variant(one, image_id, f"w{width}", trusted=False) for width in range(20, 26)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert 0 < sum(isinstance(answer, Delivery) for answer in answers) <= 2, answers
    assert await one.catalog.count_variants(image_id) <= 2
    assert not one.building


async def test_a_refusal_is_not_shared_with_those_who_are_trusted(processes: Processes) -> None:
    one, _ = processes
    image_id = await stored(one)
    for plan in ("w64", "w65"):
        await variant(one, image_id, plan)
    asked = [variant(one, image_id, "w66", trusted=trusted) for trusted in (False, False, True, True)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(answer, Delivery) for answer in answers[2:])
