"""The gate before the children, on a clock of its own: who comes next, who is turned away, and when it says that it is saturated."""

from math import isclose

import pytest

from transforms.errors import PoolBusy
from transforms.lanes import Gate, Lane

COLD, UPLOAD, BACKGROUND = Lane.COLD, Lane.UPLOAD, Lane.BACKGROUND


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def gate(clock: Clock, *, slots: int = 1, queue: int = 100, wait: float = 3.0, mean: float = 0.0) -> Gate:
    """One that has seen calls of `mean` seconds."""
    made = Gate(slots=slots, queue=queue, wait=wait, clock=clock)
    ticket = made.enter(COLD)
    clock.now += mean
    made.leave(ticket)
    return made


def turned_away(gate: Gate, lane: Lane = COLD) -> bool:
    try:
        gate.check(lane)
    except PoolBusy:
        return True
    return False


@pytest.mark.parametrize(
    ("come", "served"),
    [
        ([COLD, COLD, COLD], [0, 1, 2]),
        ([COLD, COLD, UPLOAD, UPLOAD], [0, 2, 1, 3]),
        ([UPLOAD, UPLOAD, UPLOAD, COLD], [3, 0, 1, 2]),
        ([BACKGROUND, BACKGROUND, UPLOAD, COLD], [3, 2, 0, 1]),
        ([BACKGROUND, COLD, COLD, UPLOAD], [1, 3, 2, 0]),
    ],
)
def test_cold_and_upload_take_turns_and_background_waits_until_nobody_else_does(clock: Clock, come: list[Lane], served: list[int]) -> None:
    busy = gate(clock)
    holder = busy.enter(COLD)
    tickets = [busy.enter(lane) for lane in come]
    order = []
    for _ in come:
        busy.leave(holder)
        holder = next(ticket for ticket in tickets if ticket.done() and tickets.index(ticket) not in order)
        order.append(tickets.index(holder))
    assert order == served


@pytest.mark.parametrize(
    ("slots", "waiting", "lane", "seconds"),
    [
        (1, {}, COLD, 0.2),
        (1, {COLD: 3}, COLD, 0.8),
        (2, {COLD: 3}, COLD, 0.4),
        (1, {COLD: 3}, UPLOAD, 0.4),
        (1, {COLD: 2, UPLOAD: 2}, UPLOAD, 1.0),
        (1, {BACKGROUND: 3}, COLD, 0.2),
        (1, {COLD: 1, UPLOAD: 1, BACKGROUND: 1}, BACKGROUND, 0.8),
    ],
)
def test_the_wait_is_foreseen(clock: Clock, slots: int, waiting: dict[Lane, int], lane: Lane, seconds: float) -> None:
    busy = gate(clock, slots=slots, mean=0.2)
    for _ in range(slots):
        busy.enter(COLD)
    for each, count in waiting.items():
        for _ in range(count):
            busy.enter(each)
    assert isclose(busy.expected(lane), seconds)


def test_who_would_wait_too_long_is_turned_away_at_once_but_background_work_waits(clock: Clock) -> None:
    busy = gate(clock, mean=0.4)
    for lane in (COLD, COLD, COLD):
        busy.enter(lane)
    assert turned_away(busy, COLD)
    assert not turned_away(busy, UPLOAD)
    assert not turned_away(busy, BACKGROUND)
    with pytest.raises(PoolBusy, match="take too long") as caught:
        busy.enter(COLD)
    assert caught.value.facts == {"waiting": 2}


def test_a_free_slot_is_given_whatever_was_slow_before(clock: Clock) -> None:
    assert not turned_away(gate(clock, mean=30))


def test_the_queue_has_an_end_in_numbers_too(clock: Clock) -> None:
    busy = gate(clock, queue=1)
    busy.enter(COLD)
    busy.enter(BACKGROUND)
    for lane in Lane:
        assert turned_away(busy, lane)


def test_the_mean_follows_what_calls_take(clock: Clock) -> None:
    busy = gate(clock, mean=1)
    for _ in range(25):
        ticket = busy.enter(COLD)
        clock.now += 0.1
        busy.leave(ticket)
    busy.enter(COLD)
    assert 0.1 < busy.expected(COLD) < 0.11


def test_a_place_that_was_promised_counts_at_once_and_is_kept(clock: Clock) -> None:
    busy = gate(clock, queue=1)
    busy.enter(COLD)
    place = busy.promise(COLD)
    assert turned_away(busy)
    busy.enter(COLD, place)
    assert turned_away(busy)
    with pytest.raises(PoolBusy):
        busy.enter(COLD, place)
    busy.give_back(place)
    assert busy.waiting == 1


def test_a_place_that_is_not_used_goes_to_somebody_else(clock: Clock) -> None:
    free = gate(clock, queue=0)
    place = free.promise(COLD)
    assert turned_away(free)
    free.give_back(place)
    free.give_back(place)
    assert not turned_away(free)
    free.promise(COLD)
    assert turned_away(free)


def saturated(gate: Gate) -> bool:
    return gate.saturated


def test_it_is_saturated_while_it_turns_people_away_for_more_than_a_second(clock: Clock) -> None:
    busy = gate(clock, queue=0)
    told = []
    for _ in range(30):
        ticket = busy.enter(COLD)
        clock.now += 0.1
        turned_away(busy)
        told.append(saturated(busy))
        busy.leave(ticket)
    assert told == [False] * 10 + [True] * 20
    clock.now += 0.9
    assert saturated(busy)
    clock.now += 0.2
    assert not saturated(busy)
    busy.enter(COLD)
    turned_away(busy)
    assert not saturated(busy)


def test_it_is_saturated_when_nothing_moves_for_a_third_of_the_time_that_one_may_wait(clock: Clock) -> None:
    stuck = gate(clock, slots=2, mean=0.2)
    tickets = [stuck.enter(COLD) for _ in range(2)]
    clock.now += 1
    assert not saturated(stuck)
    clock.now += 0.2
    assert saturated(stuck)
    assert turned_away(stuck)
    stuck.leave(tickets[0])
    assert not turned_away(stuck)
