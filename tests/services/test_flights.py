"""Flights: who joins one shares its end, but never another caller's lack of time."""

import asyncio

import pytest

from services.flights import Flights
from transforms import deadline
from transforms.errors import OutOfTime, PoolBusy

pytestmark = pytest.mark.anyio


async def join(flights: Flights[str], make: "Maker", seconds: float) -> tuple[str, bool]:
    """As a request does that has so much time."""
    deadline.start(seconds)
    return await flights.join("a", make)


class Maker:
    """What takes `takes` seconds, or as long as the first caller has; each attempt is counted."""

    def __init__(self, takes: float) -> None:
        self.takes, self.attempts = takes, 0

    async def __call__(self) -> str:
        self.attempts += 1
        async with deadline.waiting():
            await asyncio.sleep(self.takes)
        return "made"


class Begun(Maker):
    """What keeps to limits of its own once it is begun."""

    async def __call__(self) -> str:
        self.attempts += 1
        await asyncio.sleep(self.takes)
        return "made"


async def test_who_wants_the_same_shares_one_attempt() -> None:
    flights, maker = Flights[str](), Maker(0.05)
    results = await asyncio.gather(*(join(flights, maker, 5) for _ in range(3)))
    assert [leads for _, leads in results] == [True, False, False]
    assert maker.attempts == 1


async def test_when_the_first_runs_out_of_time_the_others_who_have_more_set_off_again() -> None:
    flights, maker = Flights[str](), Maker(0.2)
    first, *others = await asyncio.gather(*(join(flights, maker, seconds) for seconds in (0.05, 5, 5)), return_exceptions=True)
    assert isinstance(first, OutOfTime)
    assert others == [("made", True), ("made", False)]
    assert maker.attempts == 2


async def test_whoever_runs_out_of_time_leaves_and_the_others_get_what_was_begun() -> None:
    flights, maker = Flights[str](), Begun(0.2)
    results = await asyncio.gather(*(join(flights, maker, seconds) for seconds in (0.05, 0.1, 5)), return_exceptions=True)
    assert [type(result) for result in results] == [OutOfTime, OutOfTime, tuple]
    assert results[-1] == ("made", False)
    assert maker.attempts == 1


async def test_other_errors_are_those_of_all() -> None:
    async def fail() -> str:
        await asyncio.sleep(0.01)
        raise PoolBusy("Busy.")

    flights = Flights[str]()
    results = await asyncio.gather(*(flights.join("a", fail) for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [PoolBusy] * 3
