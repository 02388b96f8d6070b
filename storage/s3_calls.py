"""Calls that block, for an event loop: in threads of their own, each in its turn, and none to a server that does not answer."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from storage.base import StorageError, StorageUnavailable
from storage.s3_client import is_silence
from transforms import deadline
from transforms.breaker import Breaker

P = ParamSpec("P")
T = TypeVar("T")

# How long a call may wait for those before it, and for how long a silent server is left alone.
TURN_SECONDS = 1
ALONE_SECONDS = 2


class Calls:
    """At most `threads` at a time; a caller that gives up leaves the queue at once. With the errors of the calls come:

    StorageUnavailable, at once while the server is left alone, and for who had to wait too long for those before it; OutOfTime.
    """

    def __init__(self, threads: int) -> None:
        # Not anyio's threads: those belong to everybody, and a silent server must not take them all.
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="s3")
        self._breaker = Breaker(seconds=ALONE_SECONDS)

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if not self._breaker.admits():
            raise StorageUnavailable("The object store did not answer just now, and is left alone for a moment.")
        work = self._threads.submit(_before, time.monotonic() + TURN_SECONDS, partial(call, *args, **kwargs))
        try:
            async with deadline.waiting():
                done = await asyncio.wrap_future(work)
        except TimeoutError as error:
            raise StorageUnavailable("Too many wait for the object store already.") from error
        except StorageError as error:
            (self._breaker.failed if is_silence(error) else self._breaker.succeeded)()
            raise
        self._breaker.succeeded()
        return done

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _before(late: float, call: Callable[[], T]) -> T:
    """The call's result; TimeoutError when its turn comes too late."""
    if time.monotonic() > late:
        raise TimeoutError
    return call()
