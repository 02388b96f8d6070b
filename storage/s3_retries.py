"""Trying S3 again: not for long, and not for many, so that a server in trouble is asked hardly more often than a healthy one."""

import random
import time
from collections.abc import Callable, Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ConnectionError as NoConnection
from botocore.exceptions import HTTPClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

TRIES = 3
PAUSE = 0.1
# A call that takes longer to fail is not begun anew: whoever waits for it has waited long enough.
LAST_TRY_SECONDS = 1.5
# For so many calls one may be tried again, beside those of a quiet time.
CALLS_PER_RETRY = 10
SAVED_RETRIES = 10

SILENCE = (NoConnection, HTTPClientError)
PASSING = {429, 500, 502, 503, 504}
BEGAN = "progimage_began"


class Retries:
    """A budget of retries, which every call adds a little to. In place of botocore's own, whose budget lets every fifth call repeat."""

    def __init__(self, client: "S3Client", *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._left = SAVED_RETRIES * CALLS_PER_RETRY
        client.meta.events.register("before-call.s3", self._begins)
        # The stubs say that no handler answers; for this event the answer is what counts.
        client.meta.events.register("needs-retry.s3", cast("Callable[..., None]", self._pause))

    def _begins(self, context: dict[str, Any], **_: object) -> None:
        context[BEGAN] = self._clock()
        with self._lock:
            self._left = min(self._left + 1, SAVED_RETRIES * CALLS_PER_RETRY)

    def _pause(
        self,
        attempts: int,
        response: tuple[Any, Mapping[str, Any]] | None,
        caught_exception: Exception | None,
        request_dict: Mapping[str, Any],
        **_: object,
    ) -> float | None:
        """The seconds until the next try; None for no other."""
        if attempts >= TRIES or not (isinstance(caught_exception, SILENCE) or _passes(response)):
            return None
        pause = random.uniform(0, PAUSE * 2**attempts)
        if self._clock() + pause - request_dict["context"][BEGAN] > LAST_TRY_SECONDS:
            return None
        return pause if self._may_repeat() else None

    def _may_repeat(self) -> bool:
        with self._lock:
            affordable = self._left >= CALLS_PER_RETRY
            self._left -= CALLS_PER_RETRY * affordable
        return affordable


def _passes(response: tuple[Any, Mapping[str, Any]] | None) -> bool:
    """Whether the answer is one that the same request may not get again."""
    if response is None:
        return False
    http, parsed = response
    # S3 says with a 400 that a body did not arrive in time.
    return http.status_code in PASSING or parsed.get("Error", {}).get("Code") == "RequestTimeout"
