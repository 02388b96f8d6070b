"""The breaker, on a clock of our own, and the memory of origins."""

import asyncio
from dataclasses import dataclass

import pytest

from services.errors import SourceBusy, SourceUnavailable
from services.origins import gates
from services.origins.breaker import Breaker
from services.origins.gates import Gates
from services.origins.source_url import parse


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def failing(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        assert breaker.admits()
        breaker.failed()


def test_it_opens_after_failures_in_a_row_and_a_success_between_starts_anew() -> None:
    breaker = Breaker(failures=3, seconds=10, clock=Clock())
    failing(breaker, 2)
    breaker.succeeded()
    failing(breaker, 3)
    assert not breaker.admits()


@pytest.mark.parametrize("outcome", ["success", "failure", "nobody tells"])
def test_after_a_while_one_call_tries(outcome: str) -> None:
    clock = Clock()
    breaker = Breaker(failures=3, seconds=10, clock=clock)
    failing(breaker, 3)
    clock.now += 9.9
    assert not breaker.admits()
    clock.now += 0.2
    assert breaker.admits()
    assert not breaker.admits(), "one at a time"
    if outcome == "success":
        breaker.succeeded()
        assert breaker.admits()
        return
    if outcome == "failure":
        breaker.failed()
    clock.now += 9.9
    assert not breaker.admits()
    clock.now += 0.2
    assert breaker.admits()


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
    with pytest.raises(SourceBusy):
        async with known.enter(held):
            pass
    async with known.enter(parse("https://held.example/")), known.enter(down):
        pass
    leave.set()
    await asyncio.gather(*tasks)
    async with known.enter(held):
        pass
