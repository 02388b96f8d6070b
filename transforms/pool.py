"""RenderPool: functions that may hang, crash or eat memory, run in children that can be killed, behind a queue with an end.

Pebble keeps the children. What it does not do is done here: the bounded queue (transforms/lanes.py), our errors, a pool that breaks and
is replaced, and children that neither know secrets, nor outlive their parent, nor keep it from its work.
"""

import asyncio
import os
import resource
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from math import inf
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import TypeVar, TypeVarTuple

from pebble import ProcessExpired, ProcessPool

from transforms import deadline as deadlines
from transforms.errors import DecoderCrashed, PoolBusy, RenderTimeout, RenderUnavailable
from transforms.lanes import Gate, Lane, Place, Ticket
from transforms.laps import QUEUE, Timed, timed
from transforms.threads import A_CHILDS, check_threads
from transforms.watch import TOO_LONG, soft_deadline

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

CRASHED = "The decoder crashed on this picture."
# Pebble looks at its children ten times a second. When it has not killed a late one after this, it has lost sight of it.
GRACE = 5.0
# The largest pictures left a child with at most 260 MiB (`python -m bench.fullsize`): what is above that is not given back.
RESIDENT = 384 << 20
# The parent answers what needs no child, so it comes first: the kernel gives a child about a third of its share then.
NICE = 5
# What a decoder may know of its surroundings; keys and addresses are not among it.
HARMLESS = ("PATH", "HOME", "LANG", "TZ", "TMPDIR")
HARMLESS_PREFIXES = ("LC_", "LD_", "MALLOC_", "PYTHON", "VIPS_", "G_")

# The place that was promised to the call that this task is about to make.
_promised: ContextVar[Place | None] = ContextVar("promised", default=None)


class RenderPool:
    """Runs functions in at most `workers` children at once (default: one a core).

    At most `queue` calls wait for a child, each at most `wait` seconds; when a third of it is foreseen, a call is turned away at once. It
    works for `soft` seconds; then it is told to stop. It takes `deadline` seconds in all; then its child is killed. None
    begins after the deadline of its request (transforms/deadline.py). Children may use `memory` bytes of address space, are replaced after
    `max_tasks` calls or when they have grown to `resident` bytes, and begin with `prepare()`.
    May be used from several event loops and threads at once.
    """

    def __init__(
        self,
        *,
        workers: int | None = None,
        queue: int = 64,
        wait: float = 3.0,
        soft: float = 5.0,
        deadline: float = 8.0,
        max_tasks: int = 500,
        memory: int = 2 << 30,
        resident: int = RESIDENT,
        prepare: Callable[[], None] | None = None,
    ) -> None:
        self.last_success = -inf
        self._workers = workers or os.cpu_count() or 1
        self._wait, self._soft, self._deadline = wait, soft, deadline
        self._turns = _Turns(max_tasks)
        self._turns.resident = resident
        self._child = (memory, prepare)
        self._gate = Gate(slots=self._workers, queue=queue, wait=wait)
        self._closed = False
        self._lock = threading.Lock()
        self._pool = self._new_pool()

    @property
    def running(self) -> int:
        """Calls that have a child."""
        return self._gate.running

    @property
    def waiting(self) -> int:
        """Calls that wait for one."""
        return self._gate.waiting

    @property
    def full(self) -> bool:
        """Whether a call would have to wait."""
        return self._gate.full

    @property
    def saturated(self) -> bool:
        """Whether it has turned calls away for a second, or stood still for so long that it would."""
        return self._gate.saturated

    def check_room(self, lane: Lane = Lane.COLD) -> None:
        """PoolBusy when `run` would turn a call away now: for somebody about to do what is needed for this call only."""
        self._gate.check(lane)

    @contextmanager
    def promise(self, lane: Lane = Lane.COLD) -> Iterator[None]:
        """Around what is done for the sake of one call of `run`, and that call: PoolBusy now, for it is not turned away later."""
        place = self._gate.promise(lane)
        token = _promised.set(place)
        try:
            yield
        finally:
            _promised.reset(token)
            self._gate.give_back(place)

    async def run(self, function: Callable[[*Ts], T], *args: *Ts, deadline: float | None = None, lane: Lane = Lane.COLD) -> T:
        """What `function(*args)` returns or raises in a child; everything must pickle, and pictures go by path.

        PoolBusy when it waited too long or would have to, OutOfTime when its request was over before it began, RenderTimeout when
        `deadline` seconds after this call it was not done, DecoderCrashed when the child died of it. Cancelling the caller kills the
        child. `last_success` is time.monotonic().
        """
        return (await self.timed(function, *args, deadline=deadline, lane=lane))[0]

    async def timed(
        self, function: Callable[[*Ts], T], *args: *Ts, deadline: float | None = None, lane: Lane = Lane.COLD
    ) -> tuple[T, Mapping[str, float]]:
        """As `run`, with the seconds of its parts: the time until a child began with it, then those of transforms/laps.py."""
        if self._closed:
            raise PoolBusy("The server is shutting down.")
        began = time.monotonic()
        ends = began + (self._deadline if deadline is None else deadline)
        async with self._slot(lane, min(self._wait, ends - time.monotonic())) as ticket:
            done = await self._render(function, args, ends)
            if done.first:
                # What its child took to start says nothing about the calls to come; what it takes to hand them over does.
                ticket.began = done.began
        self.last_success = time.monotonic()
        return done.result, {QUEUE: done.began - began, **done.laps}

    async def warm_up(self) -> None:
        """Start the children and wait until they answer, so that the first request need not."""
        await asyncio.to_thread(lambda: self._pool.active)
        await asyncio.gather(*(self.run(_answer) for _ in range(self._workers)))
        self._gate.forget()

    async def close(self, *, drain: float = 0.0) -> None:
        """Take no new calls, give those that were taken `drain` seconds, then end the children."""
        self._closed = True
        await asyncio.to_thread(self._gate.wait_empty, drain)
        await asyncio.to_thread(_end, self._pool)

    @asynccontextmanager
    async def _slot(self, lane: Lane, wait: float) -> AsyncIterator[Ticket]:
        ticket = self._gate.enter(lane, _promised.get())
        try:
            try:
                async with deadlines.waiting():
                    await asyncio.wait_for(asyncio.wrap_future(ticket), wait)
            except TimeoutError:
                raise self._gate.turned_away("All workers are busy with other pictures: try again soon.") from None
            yield ticket
        finally:
            self._gate.leave(ticket)

    async def _render(self, function: Callable[[*Ts], T], args: tuple[*Ts], ends: float) -> Timed[T]:
        try:
            try:
                return await self._attempt(function, args, ends)
            except (BrokenProcessPool, ProcessExpired) as error:
                if isinstance(error, ProcessExpired) and error.exitcode != -signal.SIGKILL:
                    raise
                # A child that dies while it has nothing to do breaks all of pebble's pool, and one that was killed may have been in the way
                # of somebody who needed its memory: the call is not to blame, unless it happens again.
                return await self._attempt(function, args, ends)
        except TimeoutError:
            raise RenderTimeout(TOO_LONG) from None
        except ProcessExpired as error:
            # libvips does not survive that it can start no thread. Those of all children that died of it are free by now.
            check_threads(A_CHILDS * self._workers)
            raise DecoderCrashed(CRASHED) from error
        except BrokenProcessPool as error:
            raise RenderUnavailable("No worker can be kept alive: try again soon.") from error

    async def _attempt(self, function: Callable[[*Ts], T], args: tuple[*Ts], ends: float) -> Timed[T]:
        now = time.monotonic()
        left, begun_by = ends - now, min(ends, now + deadlines.left())
        if begun_by <= now:
            raise deadlines.out_of_time()
        pool = self._working_pool()
        try:
            future: Future[Timed[T]] = pool.schedule(_timely, args=(begun_by, self._soft, function, args), timeout=left)
        except RuntimeError as error:
            raise BrokenProcessPool("It broke at this moment.") from error
        try:
            async with asyncio.timeout(left + GRACE) as wall:
                return await asyncio.wrap_future(future)
        finally:
            if wall.expired():
                self._replace(pool)

    def _working_pool(self) -> ProcessPool:
        """Pebble's pool, or a new one where it has broken."""
        pool = self._pool
        if not pool.active:
            self._replace(pool)
        return self._pool

    def _replace(self, pool: ProcessPool) -> None:
        """Take a new pool unless another call did so already."""
        with self._lock:
            if self._pool is pool and not self._closed:
                self._pool = self._new_pool()
                threading.Thread(target=_end, args=(pool,), daemon=True).start()

    def _new_pool(self) -> ProcessPool:
        return ProcessPool(
            max_workers=self._workers, max_tasks=self._turns, initializer=_begin, initargs=self._child, context=get_context("spawn")
        )


def _end(pool: ProcessPool) -> None:
    pool.stop()  # type: ignore[no-untyped-call]  # pebble's types are not complete
    pool.join()


class _Turns(int):
    """How many calls a child may take. Pebble's loop asks `done < turns` between two calls: a child that has grown takes no more.

    So it ends as one ends that has had all its turns: when it has sent its result and holds nothing, and is replaced.
    """

    resident: int

    def __gt__(self, done: int) -> bool:
        return int(self) > done and _resident() < self.resident


def _resident() -> int:
    """The bytes of memory that this process has in use."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _timely(begun_by: float, soft: float, function: Callable[[*Ts], T], args: tuple[*Ts]) -> Timed[T]:
    """Begin nothing for a caller who has given up: a new child takes a while to start. Parent and child share the monotonic clock."""
    if time.monotonic() >= begun_by:
        raise deadlines.out_of_time()
    with soft_deadline(soft):
        return timed(function, *args)


def _answer() -> None:
    """Nothing: that a child can be asked is the news."""


def _begin(memory: int, prepare: Callable[[], None] | None) -> None:
    """Make a child safe to feed with strangers' files."""
    threading.Thread(target=_die_with_parent, daemon=True).start()
    # Pebble's handler is Python code and would wait for the decoder to return; Ctrl-C is meant for the parent, which drains.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in list(os.environ):
        if name not in HARMLESS and not name.startswith(HARMLESS_PREFIXES):
            del os.environ[name]
    # Nobody reads what decoders print: a chatty one would fill the pipe and hang.
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    os.close(null)
    os.nice(NICE)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if prepare is not None:
        prepare()


def _die_with_parent() -> None:
    """End this child when its parent is gone. (PR_SET_PDEATHSIG would fire when the *thread* ends that started it.)"""
    if (parent := parent_process()) is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGKILL)
