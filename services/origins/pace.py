"""How long each step of a fetch may take, and how many bytes may come before its head is over."""

import time
from collections.abc import Callable

CONNECT = 2.0  # seconds for DNS, TCP and TLS
HEAD = 3.0  # seconds for the status and the headers
HEAD_BYTES = 64 * 1024
PATIENCE = 2.0  # seconds after which a body must have come at the rate
RATE = 8 * 1024  # bytes a second
PIECE = 16 * 1024


class Pace:
    """The clock of one request; `deadline` is when all of the fetch must be over."""

    def __init__(self, deadline: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._deadline, self._clock = deadline, clock
        self._due = clock() + CONNECT
        self._body_since: float | None = None
        self.received = 0

    @property
    def left(self) -> float:
        """Seconds that the step under way has; of a body, those until it would be slower than the rate."""
        due = self._due if self._body_since is None else self._body_since + max(PATIENCE, self.received / RATE)
        return max(0.0, min(due, self._deadline) - self._clock())

    @property
    def room(self) -> int:
        """Bytes that may be read at once: in small pieces, for parsing one keeps all others waiting."""
        return PIECE if self._body_since is not None else min(PIECE, HEAD_BYTES - self.received)

    def connected(self) -> None:
        self._due = self._clock() + HEAD

    def headed(self) -> None:
        self._body_since, self.received = self._clock(), 0
