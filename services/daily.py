"""The comparison of catalog and store that runs by itself, once a day in one of all processes."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable

import structlog

from services.container import Services
from services.findings import Kind, Looked
from services.reconcile import reconcile
from transforms.errors import ProgImageError
from transforms.threads import threads_needed

log = structlog.get_logger(__name__)

EVERY_SECONDS = 60.0
DAY_SECONDS = 24 * 3600.0
CLOCK_SECONDS = 3600.0
# A store that was emptied must not fill the disk of the log.
MOST_LINES = 100
# Unlike the monotonic clock it goes on while the machine sleeps.
BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

Found = Counter[Kind]


class Clock:
    """Notices that somebody has set the clock: ages are not to be believed then."""

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._offset = self._now()

    def moved(self) -> bool:
        """By more than an hour, since this was asked the last time."""
        before, self._offset = self._offset, self._now()
        return abs(self._offset - before) > CLOCK_SECONDS

    def _now(self) -> float:
        return self._wall() - time.clock_gettime(BOOT_CLOCK)


async def reconcile_daily(services: Services, tell: Callable[[Found], None] = lambda _: None) -> None:
    """Never ends. `tell` is given how much of each kind was found; whoever has the turn and fails has had it."""
    clock = Clock()
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        if not await services.leases.turn("reconcile", seconds=DAY_SECONDS):
            continue
        if clock.moved():
            log.warning("reconcile_left_out", reason="The clock was set.")
            continue
        try:
            with threads_needed():
                tell(await reconcile_and_log(services))
        except ProgImageError as error:
            log.warning("reconcile_failed", reason=str(error))


async def reconcile_and_log(services: Services) -> Found:
    """One comparison, with a line for each loss and one at the end."""
    found, looked = Counter[Kind](), Looked()
    async for finding in reconcile(services, looked=looked):
        found[finding.kind] += 1
        if finding.lost and found[finding.kind] <= MOST_LINES:
            log.error("original_lost", image=finding.subject, how=finding.kind)
    log.info("reconciled", images=looked.images, objects=looked.objects, found=dict(found))
    return found
