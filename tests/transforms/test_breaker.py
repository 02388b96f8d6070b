"""The breaker, on a clock of our own."""

from dataclasses import dataclass

import pytest

from transforms.breaker import Breaker


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
