"""A breaker: who failed several times in a row is left alone for a while, which spares both sides."""

import time
from collections.abc import Callable


class Breaker:
    """Open for `seconds` after `failures` in a row; then one call may try, and the next `seconds` later, until one succeeds."""

    def __init__(self, *, failures: int = 5, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit, self._seconds, self._clock = failures, seconds, clock
        self._failures = 0
        self._retry_at = 0.0

    @property
    def open(self) -> bool:
        """Whether the last calls failed, also while one more may try."""
        return self._failures >= self._limit

    def admits(self) -> bool:
        """Whether to call now. A call whose end nobody tells of counts for nothing."""
        if not self.open:
            return True
        if self._clock() < self._retry_at:
            return False
        # Not only marked as under way: a caller who leaves must not keep the breaker open for good.
        self._retry_at = self._clock() + self._seconds
        return True

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self) -> None:
        self._failures += 1
        if self.open:
            self._retry_at = self._clock() + self._seconds
