"""The queue before the children: lanes that take turns, and an end that is measured in time."""

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from enum import Enum
from math import inf

from transforms.errors import PoolBusy

# What the last call weighs in the mean time of a call: when the work changes, five calls are two thirds of the way.
NEWEST = 0.2
# Of the time that one may wait: as much may be foreseen. The rest is for what was foreseen wrongly, so that few wait in vain: when
# much more comes all of a sudden, those who are turned away take from the children a large part of the processor that they had.
FORESEEN = 1 / 3
# Seconds without anybody being turned away after which there is room again.
LULL = 1.0


class Lane(Enum):
    """What a call is for. Pictures that somebody waits for and uploads take turns; background work waits until nobody else does."""

    COLD = "cold"
    UPLOAD = "upload"
    BACKGROUND = "background"


OTHER = {Lane.COLD: Lane.UPLOAD, Lane.UPLOAD: Lane.COLD}


class Ticket(Future[None]):
    """Done when its holder may go on, which was at the time `began`; one who knows better when the work began may set that."""

    def __init__(self, lane: Lane) -> None:
        super().__init__()
        self.lane = lane
        self.began = inf


@dataclass(eq=False, kw_only=True)
class Place:
    """Promised to a call that is on its way to the gate."""

    lane: Lane
    used: bool = False


class Gate:
    """`slots`, and before them an orderly queue of at most `queue`, and of nobody who would have to wait longer than `wait` seconds.

    First come, first served within a lane: whoever was let in has a slot in time, so that nothing is gained by serving the last one first.
    """

    def __init__(self, *, slots: int, queue: int, wait: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.running = 0
        self._slots, self._queue, self._wait, self._clock = slots, queue, wait, clock
        self._lines: dict[Lane, deque[Ticket]] = {lane: deque() for lane in Lane}
        self._coming = dict.fromkeys(Lane, 0)
        self._turn = Lane.COLD
        self._mean = 0.0
        self._moved = clock()
        # The first and the last time that somebody was turned away, without a pause of a second between.
        self._first_shed = self._last_shed = -inf
        self._changed = threading.Condition()

    @property
    def waiting(self) -> int:
        return sum(map(len, self._lines.values()))

    @property
    def full(self) -> bool:
        return self.running >= self._slots

    @property
    def saturated(self) -> bool:
        """Whether people have been turned away for a second, or would be, for nothing has moved for so long."""
        now = self._clock()
        turned_away = now - self._last_shed < LULL <= now - self._first_shed
        return turned_away or (self.full and self._overdue() > FORESEEN * self._wait)

    def expected(self, lane: Lane) -> float:
        """Seconds until a newcomer would have a slot, as things went lately. A slot that is overdue is taken to need as long again."""
        ahead = self._ahead(lane)
        if self.full:
            return abs(self._overdue()) + ahead * self._pace
        return max(0, ahead + 1 - self._free) * self._pace

    def check(self, lane: Lane) -> None:
        """PoolBusy when a newcomer would have to wait too long; background work may wait."""
        if self.waiting + sum(self._coming.values()) >= self._queue + self._free:
            raise self.turned_away("Too many pictures wait for a worker: try again soon.")
        if lane is not Lane.BACKGROUND and self.expected(lane) > FORESEEN * self._wait:
            raise self.turned_away("The pictures that wait already take too long: try again soon.")

    def promise(self, lane: Lane) -> Place:
        """A place for one call; PoolBusy. Whoever has it must give it back, whether it was used or not."""
        with self._changed:
            self.check(lane)
            self._coming[lane] += 1
        return Place(lane=lane)

    def give_back(self, place: Place) -> None:
        with self._changed:
            self._use(place)

    def turned_away(self, sentence: str) -> PoolBusy:
        """The error for somebody, who is counted."""
        now = self._clock()
        if now - self._last_shed >= LULL:
            self._first_shed = now
        self._last_shed = now
        return PoolBusy(sentence, waiting=self.waiting)

    def forget(self) -> None:
        """What calls took until now says nothing about those that come."""
        self._mean = 0.0

    def wait_empty(self, seconds: float) -> None:
        """Return when nobody runs or waits, or after so long."""
        with self._changed:
            self._changed.wait_for(lambda: not self.running and not self.waiting, seconds)

    def enter(self, lane: Lane, promised: Place | None = None) -> Ticket:
        """A place in line; PoolBusy unless one was promised and is not used yet."""
        ticket = Ticket(lane)
        with self._changed:
            if promised is None or not self._use(promised):
                self.check(lane)
            if self.full:
                self._lines[lane].append(ticket)
            else:
                self.running += 1
                self._admit(ticket)
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Give the slot to the next in line, or the place in the line up. Whoever entered must leave, whatever happened."""
        with self._changed:
            if ticket.cancel():
                if ticket in (line := self._lines[ticket.lane]):
                    line.remove(ticket)
                    self._changed.notify_all()
                return
            self._learn(self._clock() - ticket.began)
            if following := self._following():
                self._admit(following)
            else:
                self.running -= 1
                self._changed.notify_all()

    def _use(self, place: Place) -> bool:
        """Whether it was still there to be used."""
        if fresh := not place.used:
            place.used = True
            self._coming[place.lane] -= 1
        return fresh

    def _admit(self, ticket: Ticket) -> None:
        ticket.began = self._moved = self._clock()
        ticket.set_result(None)

    def _following(self) -> Ticket | None:
        for lane in (self._turn, OTHER[self._turn], Lane.BACKGROUND):
            while self._lines[lane]:
                ticket = self._lines[lane].popleft()
                if ticket.set_running_or_notify_cancel():
                    self._turn = OTHER.get(lane, self._turn)
                    return ticket
        return None

    @property
    def _free(self) -> int:
        return self._slots - self.running

    @property
    def _pace(self) -> float:
        """Seconds from one slot that comes free to the next one."""
        return self._mean / self._slots

    def _overdue(self) -> float:
        """Seconds since the next slot should have come free; less than nothing while it may be on time."""
        return self._clock() - self._moved - self._pace

    def _ahead(self, lane: Lane) -> int:
        """How many of those who wait or were promised a place would come before a newcomer."""
        counts = {each: len(line) + self._coming[each] for each, line in self._lines.items()}
        if lane is Lane.BACKGROUND:
            return sum(counts.values())
        return counts[lane] + min(counts[OTHER[lane]], counts[lane] + 1)

    def _learn(self, seconds: float) -> None:
        self._mean += (seconds - self._mean) * (NEWEST if self._mean else 1)
