"""The memory of origins: who is being fetched from, and who is down."""

import asyncio

import pytest

from services.errors import SourceUnavailable
from services.origins import gates
from services.origins.gates import Gates
from services.origins.source_url import parse
from transforms.errors import PoolBusy


@pytest.mark.anyio
async def test_many_origins_together_are_no_way_around_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gates, "WAIT", 0.05)
    monkeypatch.setattr(gates, "AT_ONCE_IN_ALL", 2)
    known = Gates()
    async with known.enter(parse("http://h1.example/")), known.enter(parse("http://h2.example/")):
        with pytest.raises(PoolBusy):
            async with known.enter(parse("http://h3.example/")):
                pass
    async with known.enter(parse("http://h3.example/")):
        pass


@pytest.mark.anyio
async def test_a_crowd_of_origins_makes_nobody_forget_who_is_being_fetched_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gates, "WAIT", 0.05)
    held, down = parse("http://held.example/"), parse("http://down.example/")
    known = Gates()
    leave = asyncio.Event()

    async def hold() -> None:
        async with known.enter(held):
            await leave.wait()

    tasks = [asyncio.create_task(hold()) for _ in range(gates.AT_ONCE)]
    await asyncio.sleep(0)
    for _ in range(5):
        async with known.enter(down) as breaker:
            breaker.failed()
    with pytest.raises(SourceUnavailable):
        async with known.enter(down):
            pass
    for number in range(gates.REMEMBERED + 10):
        async with known.enter(parse(f"http://h{number}.example/")):
            pass
    with pytest.raises(PoolBusy):
        async with known.enter(held):
            pass
    async with known.enter(parse("https://held.example/")), known.enter(down):
        pass
    leave.set()
    await asyncio.gather(*tasks)
    async with known.enter(held):
        pass
