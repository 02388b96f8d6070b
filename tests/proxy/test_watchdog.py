"""An event loop that stands still is the business of somebody who does not wait for it."""

import asyncio
import io
import json
import time

import pytest

from proxy.watchdog import Watchdog

pytestmark = pytest.mark.anyio

SECONDS = 0.1


async def turning(watchdog: Watchdog) -> None:
    while True:
        watchdog.turned()
        await asyncio.sleep(0.01)


def guilty() -> None:
    time.sleep(SECONDS * 5)


@pytest.mark.row("A3")
async def test_who_blocks_the_loop_stands_in_the_log_while_it_is_blocked(log: io.StringIO) -> None:
    written: list[float] = []
    watchdog = Watchdog(lambda: written.append(time.monotonic()), seconds=SECONDS)
    turns = asyncio.create_task(turning(watchdog))
    await asyncio.sleep(SECONDS * 2)
    assert not log.getvalue()
    guilty()
    ended = time.monotonic()
    await asyncio.sleep(SECONDS * 2)
    turns.cancel()
    watchdog.stop()
    (line,) = map(json.loads, log.getvalue().splitlines())
    assert line["event"] == "event_loop_blocked"
    assert line["seconds"] >= SECONDS
    assert "in guilty" in line["stack"]
    assert written[0] < ended
