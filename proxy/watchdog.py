"""A watchdog: says where the event loop stands when it does not turn. Every other line of the log would wait for it."""

import sys
import threading
import traceback
from collections.abc import Callable
from time import monotonic

import structlog

log = structlog.get_logger(__name__)

BLOCKED_SECONDS = 2.0


class Watchdog:
    """Watches the thread that makes it, which must say now and then that it has `turned`; `say` writes out what was logged."""

    def __init__(self, say: Callable[[], None], *, seconds: float = BLOCKED_SECONDS) -> None:
        self._say, self._seconds = say, seconds
        self._watched, self._turned = threading.get_ident(), monotonic()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._thread.start()

    def turned(self) -> float:
        """The seconds since the last turn."""
        last, self._turned = self._turned, monotonic()
        return self._turned - last

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        told = 0.0
        while not self._stopped.wait(self._seconds / 4):
            turned = self._turned
            if turned != told and monotonic() - turned > self._seconds:
                told = turned
                self._tell(monotonic() - turned)

    def _tell(self, seconds: float) -> None:
        stack = traceback.format_stack(sys._current_frames().get(self._watched))  # noqa: SLF001  there is no other way to look at a thread
        log.error("event_loop_blocked", seconds=round(seconds, 1), stack="".join(stack))
        self._say()
