"""The render pool: late and crashing work ends, everybody else is served, and nothing stays behind."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from functools import partial
from math import inf
from pathlib import Path

import pytest
import pyvips

from transforms.errors import BrokenImage, DecoderCrashed, PoolBusy, RenderTimeout, TooMuchWork
from transforms.pool import RenderPool
from transforms.watch import watched

pytestmark = pytest.mark.anyio


def die(number: int) -> None:
    os.kill(os.getpid(), number)


def be_killed_once(mark: Path) -> str:
    if mark.exists():
        return "done"
    mark.touch()
    die(signal.SIGKILL)
    return "not killed"


def raise_broken() -> None:
    raise BrokenImage("It is cut off.", where="at the end")


def touch(path: Path) -> None:
    path.touch()


def sleep_in_c(seconds: float) -> None:
    """Like a decoder that never looks at Python's signal handlers."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    time.sleep(seconds)


def allocate(count: int) -> int:
    return len(bytes(count))


def chatter() -> None:
    os.write(1, b"x" * 1_000_000)
    os.write(2, b"x" * 1_000_000)


def variable(name: str) -> str | None:
    return os.environ.get(name)


def modules() -> set[str]:
    return {name.partition(".")[0] for name in sys.modules}


def set_mark(value: str) -> None:
    os.environ["G_MARK"] = value


@pytest.fixture(scope="module")
async def pool() -> AsyncIterator[RenderPool]:
    """One pool for all tests that leave it as it was; most of their time would be the start of children."""
    pool = RenderPool(workers=2, queue=2, prepare=partial(set_mark, "prepared"))
    await pool.warm_up()
    yield pool
    await pool.close()


async def test_a_result_comes_back_and_success_is_noted(pool: RenderPool) -> None:
    before = time.monotonic()
    assert await pool.run(divmod, 7, 2) == (3, 1)
    assert before <= pool.last_success <= time.monotonic()


async def test_an_error_of_ours_keeps_its_type_and_its_facts(pool: RenderPool) -> None:
    with pytest.raises(BrokenImage, match="cut off") as caught:
        await pool.run(raise_broken)
    assert caught.value.facts == {"where": "at the end"}


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL])
async def test_a_crash_is_told_and_a_second_wave_works_at_once(pool: RenderPool, number: int) -> None:
    with pytest.raises(DecoderCrashed):
        await pool.run(die, number)
    assert list(await asyncio.gather(pool.run(abs, -1), pool.run(abs, -2))) == [1, 2]


async def test_a_child_that_is_killed_over_a_call_is_not_blamed_on_the_call(pool: RenderPool, tmp_path: Path) -> None:
    assert await pool.run(be_killed_once, tmp_path / "mark") == "done"


async def test_a_child_that_dies_while_idle_is_not_blamed_on_the_next_call(pool: RenderPool) -> None:
    os.kill(await pool.run(os.getpid), signal.SIGKILL)
    assert await pool.run(abs, -1) == 1
    await asyncio.sleep(0.15)
    assert await pool.run(abs, -2) == 2


async def test_late_work_is_killed_at_its_deadline(pool: RenderPool) -> None:
    began = time.monotonic()
    with pytest.raises(RenderTimeout):
        await pool.run(sleep_in_c, 30.0, deadline=0.2)
    assert time.monotonic() - began < 1
    assert await pool.run(abs, -1) == 1


async def test_nothing_begins_after_its_deadline(pool: RenderPool, tmp_path: Path) -> None:
    with pytest.raises((RenderTimeout, PoolBusy)):
        await pool.run(touch, tmp_path / "begun", deadline=0)
    assert not (tmp_path / "begun").exists()


async def test_the_queue_has_an_end_and_waiting_has_a_limit() -> None:
    pool = RenderPool(workers=2, queue=2, wait=0.4)
    running = [asyncio.create_task(pool.run(time.sleep, 1.0)) for _ in range(2)]
    waiting = [asyncio.create_task(pool.run(abs, -1)) for _ in range(2)]
    await asyncio.sleep(0.05)
    assert (pool.running, pool.waiting) == (2, 2)
    with pytest.raises(PoolBusy, match="Too many"):
        await pool.run(abs, -1)
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [PoolBusy, PoolBusy]
    await asyncio.gather(*running)
    assert (pool.running, pool.waiting) == (0, 0)
    await pool.close()


async def test_who_waits_is_served_when_a_slot_gets_free(pool: RenderPool) -> None:
    running = [asyncio.create_task(pool.run(time.sleep, 0.1)) for _ in range(2)]
    await asyncio.sleep(0)
    assert await pool.run(abs, -3) == 3
    await asyncio.gather(*running)


async def test_cancelling_frees_the_slot_of_a_runner_and_the_place_of_a_waiter(pool: RenderPool) -> None:
    tasks = [asyncio.create_task(pool.run(time.sleep, 30.0)) for _ in range(4)]
    await asyncio.sleep(0.1)
    assert (pool.running, pool.waiting) == (2, 2)
    for task in reversed(tasks):
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (pool.running, pool.waiting) == (0, 0)
    assert await pool.run(abs, -1) == 1


async def test_two_event_loops_share_one_pool(pool: RenderPool) -> None:
    results = await asyncio.gather(*(asyncio.to_thread(asyncio.run, pool.run(abs, -number)) for number in range(4)))
    assert results == [0, 1, 2, 3]


async def test_children_are_prepared_and_know_no_secrets(pool: RenderPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROGIMAGE_SIGNING_KEY", "secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with pytest.raises(DecoderCrashed):
        await pool.run(die, signal.SIGKILL)
    names = ["G_MARK", "PROGIMAGE_SIGNING_KEY", "AWS_SECRET_ACCESS_KEY"]
    for _ in range(2):
        assert [await pool.run(variable, name) for name in names] == ["prepared", None, None]


async def test_what_a_decoder_prints_goes_nowhere(pool: RenderPool, capfd: pytest.CaptureFixture[str]) -> None:
    await pool.run(chatter)
    assert capfd.readouterr() == ("", "")


async def test_children_stay_within_their_memory(pool: RenderPool) -> None:
    assert await pool.run(allocate, 100_000_000) == 100_000_000
    with pytest.raises(MemoryError):
        await pool.run(allocate, 3_000_000_000)


async def test_children_are_replaced_after_their_tasks() -> None:
    pool = RenderPool(workers=1, max_tasks=2)
    pids = [await pool.run(os.getpid) for _ in range(4)]
    await pool.close()
    assert pids[0] == pids[1] != pids[2] == pids[3]


GROWN = bytearray()


def grow(count: int) -> int:
    """Keep so many more bytes, as a leak or fragmented memory would."""
    GROWN.extend(b"x" * count)
    return os.getpid()


async def test_a_child_that_has_grown_is_replaced_and_no_call_is_lost() -> None:
    pool = RenderPool(workers=2, queue=1000, wait=60, deadline=60, resident=160 << 20)
    pids = await asyncio.gather(*(pool.run(grow, 20 << 20) for _ in range(20)))
    await pool.close()
    # A child begins with more than 20 MiB.
    assert max(pids.count(pid) for pid in set(pids)) <= 7


async def test_a_child_that_stays_small_is_not_replaced() -> None:
    pool = RenderPool(workers=1)
    assert len({await pool.run(grow, 1) for _ in range(20)}) == 1
    await pool.close()


def render(height: int) -> None:
    """Work that libvips does piece by piece; a height of 1,000 takes a good second."""
    pyvips.concurrency_set(1)
    watched(pyvips.Image.gaussnoise(1000, height).median(21)).avg()


async def test_work_that_takes_too_long_stops_by_itself_and_its_child_lives_on() -> None:
    pool = RenderPool(workers=1, soft=0.3, deadline=60)
    child = await pool.run(os.getpid)
    for _ in range(3):
        began = time.monotonic()
        with pytest.raises((RenderTimeout, TooMuchWork), match="too long"):
            await pool.run(render, 1_000_000)
        assert time.monotonic() - began < 5
    assert await pool.run(os.getpid) == child
    await pool.close()


def fail_late() -> None:
    time.sleep(0.2)
    raise_broken()


async def test_what_fails_after_its_time_is_called_late_and_what_ends_well_is_taken() -> None:
    """A decoder that was stopped says that the picture is broken, and the uploader would be told so."""
    pool = RenderPool(workers=1, soft=0.1)
    with pytest.raises(RenderTimeout):
        await pool.run(fail_late)
    await pool.run(time.sleep, 0.2)
    await pool.close()


def work_late() -> None:
    began = time.process_time()
    while time.process_time() - began < 0.2:
        pass
    raise_broken()


async def test_what_was_busy_all_of_its_time_is_too_much_work_on_any_machine() -> None:
    pool = RenderPool(workers=1, soft=0.1)
    with pytest.raises(TooMuchWork, match="make the result smaller"):
        await pool.run(work_late)
    await pool.close()


async def test_closing_lets_taken_calls_finish_and_takes_no_new_ones() -> None:
    pool = RenderPool(workers=1)
    assert pool.last_success == -inf
    tasks = [asyncio.create_task(pool.run(time.sleep, 0.1)) for _ in range(2)]
    await asyncio.sleep(0)
    closing = asyncio.create_task(pool.close(drain=5))
    await asyncio.sleep(0)
    with pytest.raises(PoolBusy, match="shutting down"):
        await pool.run(abs, -1)
    assert await asyncio.gather(*tasks) == [None, None]
    await closing


PARENT = """
import asyncio, os, sys, time
from transforms.pool import RenderPool
from tests.transforms.test_pool import modules

async def main():
    pool = RenderPool(workers=1)
    print(await pool.run(os.getpid), *await pool.run(modules), flush=True)
    await pool.run(time.sleep, 60.0, deadline=60.0)

if __name__ == "__main__":
    asyncio.run(main())
"""


def test_a_child_is_light_and_dies_with_its_parent_in_the_middle_of_a_call(tmp_path: Path) -> None:
    program = tmp_path / "parent.py"
    program.write_text(PARENT)
    with subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": "."}) as parent:
        assert parent.stdout is not None
        child, *imported = parent.stdout.readline().split()
        assert not {"proxy", "services", "catalog", "storage", "starlette", "sqlalchemy", "boto3"} & set(imported)
        parent.kill()
        ends = time.monotonic() + 5
        while Path("/proc", child, "cmdline").exists() and Path("/proc", child, "cmdline").read_bytes():
            assert time.monotonic() < ends, "the child outlived its parent"
            time.sleep(0.01)
