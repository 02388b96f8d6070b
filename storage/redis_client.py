"""The way to Redis: clients that wait for no answer for long, and what a server is asked before it is used.

Redis helps with much and is the truth about nothing that was promised. Work goes on without it, so nobody may hang on it either.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, cast

import redis
import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import OutOfMemoryError, ReadOnlyError, RedisError, ResponseError
from redis.retry import Retry

from storage.base import StagingFull, StorageUnavailable
from transforms.breaker import Breaker

log = structlog.get_logger(__name__)

# A server that takes longer than this to answer is away: a request must not wait for it.
PATIENCE = 0.25
# A megabyte is longer on its way.
PATIENCE_WITH_BYTES = 0.5
# The turns of the event loop that a question is given: while the loop stands still nobody can look at an answer.
TURNS = 4
# How a connection ends: uvloop says RuntimeError when it did so a moment ago.
ENDED = (redis.ConnectionError, RuntimeError)
# Where no request waits.
CONNECT_SECONDS = 1
ANSWER_SECONDS = 3
LEFT_ALONE_SECONDS = 2
CONNECTIONS = 64


class ImpatientRedis(Redis):
    """An asyncio client whose questions are asked within `asking`, so that a server that is away or frozen holds nobody up."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._breaker = Breaker(seconds=LEFT_ALONE_SECONDS)

    @property
    def away(self) -> bool:
        """Whether it failed several times in a row, and has not answered since."""
        return self._breaker.open

    @asynccontextmanager
    async def asking(self, seconds: float = PATIENCE) -> AsyncIterator[None]:
        """Around a question that is given so much time. StagingFull: Redis has no memory left. StorageUnavailable: it failed or was too
        slow, or it did so several times in a row and was not asked.
        """
        if not self._breaker.admits():
            raise StorageUnavailable("Redis cannot be reached, and is left alone for a moment.")
        try:
            with translated():
                async with _turns_of(seconds):
                    yield
        except (StagingFull, StorageUnavailable) as error:
            self._failed(error.__cause__)
            raise
        except (ValueError, TypeError, LookupError) as error:
            raise StorageUnavailable("Redis gave an answer that is none.") from error
        self._answered()

    def _failed(self, cause: BaseException | None) -> None:
        if isinstance(cause, ResponseError):
            # It refused: so it is there.
            self._answered()
            return
        was_away = self.away
        self._breaker.failed()
        if self.away and not was_away:
            log.warning("redis_away", reason=str(cause) or type(cause).__name__)

    def _answered(self) -> None:
        if self.away:
            log.info("redis_back")
        self._breaker.succeeded()


@asynccontextmanager
async def _turns_of(seconds: float) -> AsyncIterator[None]:
    """A clock as `asyncio.timeout`, for so many seconds in which the loop turns: for one that stands still, only a part of them counts."""
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle

    def turn(left: int) -> None:
        nonlocal timer
        if left:
            timer = loop.call_later(seconds / TURNS, turn, left - 1)
        else:
            clock.reschedule(loop.time())

    async with asyncio.timeout(None) as clock:
        timer = loop.call_later(seconds / TURNS, turn, TURNS - 1)
        try:
            yield
        finally:
            timer.cancel()


def connect(url: str) -> ImpatientRedis:
    """An asyncio client; `url` is redis://, rediss:// or unix://. Its connections are bounded, and so is waiting for one."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=CONNECTIONS,
        timeout=CONNECT_SECONDS,
        socket_connect_timeout=CONNECT_SECONDS,
        # `asking` has the clock. This one is kept by wait_for, which now and then swallows the end of an outer clock (Python 3.11).
        socket_timeout=None,
        # An append whose answer was lost has perhaps been done: sent again it would be refused for its offset.
        retry=AsyncRetry(NoBackoff(), 0),
    )
    return cast(ImpatientRedis, ImpatientRedis.from_pool(pool))


class BlockingRedis(redis.Redis):
    """A client for threads. Whatever keeps the server from working counts as a lost connection, which a caller knows how to bear."""

    def execute_command(self, *arguments: Any, **options: Any) -> Any:
        try:
            return super().execute_command(*arguments, **options)  # type: ignore[no-untyped-call]  # redis does not annotate it
        except (redis.TimeoutError, OutOfMemoryError, ReadOnlyError) as error:
            raise redis.ConnectionError(str(error)) from error


def connect_blocking(url: str, *, seconds: float) -> BlockingRedis:
    """`seconds` is the time for a connection, for each answer, and for each wait for a free one of the bounded connections."""
    return cast(BlockingRedis, BlockingRedis.from_pool(_pool(url, seconds)))


def _pool(url: str, seconds: float) -> redis.BlockingConnectionPool:
    return redis.BlockingConnectionPool.from_url(
        url,
        max_connections=CONNECTIONS,
        timeout=seconds,
        socket_connect_timeout=min(seconds, CONNECT_SECONDS),
        socket_timeout=seconds,
        retry=Retry(NoBackoff(), 0),
    )


@contextmanager
def translated() -> Iterator[None]:
    """Redis's errors as ours: no memory left is StagingFull, anything else StorageUnavailable."""
    try:
        yield
    except OutOfMemoryError as error:
        raise StagingFull("There is no room for more uploads at this moment.") from error
    except (RedisError, OSError, *ENDED) as error:
        raise StorageUnavailable("Redis cannot be reached, is too slow or refused.") from error


def ping(url: str) -> bool:
    """Whether a server answers at this URL and has its data loaded."""
    with redis.Redis.from_pool(_pool(url, ANSWER_SECONDS)) as client:
        try:
            return bool(client.ping())
        except RedisError:
            return False


def shut_down(url: str) -> None:
    """Ask the server to write what it has and end; StorageUnavailable when it does not. A server that is away is fine."""
    with redis.Redis.from_pool(_pool(url, ANSWER_SECONDS)) as client:
        try:
            client.shutdown()
        except RedisError as error:
            raise StorageUnavailable("The Redis server does not shut down.") from error
