"""The border to the task engine: Dramatiq on Redis, told to notice a dead worker within seconds."""

import anyio
from dramatiq import Message
from dramatiq.brokers.redis import RedisBroker
from dramatiq.common import dq_name
from dramatiq.middleware import AgeLimit, Callbacks, Retries, ShutdownNotifications, TimeLimit

from catalog.records import OutboxMessage
from storage.redis_client import ANSWER_SECONDS, PATIENCE, ImpatientRedis, connect_blocking
from transforms.threads import threads_needed

QUEUE = "progimage"
MAX_RETRIES = 3


def make_broker(url: str, *, seconds: float = ANSWER_SECONDS) -> RedisBroker:
    """With Dramatiq's defaults the task of a killed worker did not come back within 150 s; with these it does in 10.

    `seconds` is how long an answer of Redis may take. With the defaults of its client one that is away would be tried for minutes.
    """
    middleware = [AgeLimit(), TimeLimit(), ShutdownNotifications(), Callbacks(), Retries(max_retries=MAX_RETRIES, min_backoff=500)]
    broker = RedisBroker(  # type: ignore[no-untyped-call]  # dramatiq does not annotate it
        client=connect_blocking(url, seconds=seconds), middleware=middleware, heartbeat_timeout=10_000, maintenance_chance=1_000_000
    )
    broker.declare_queue(QUEUE)
    return broker


class Tasks:
    """Sends outbox messages to the workers. The outbox keeps the record; the queue is only the trigger."""

    def __init__(self, broker: RedisBroker, redis: ImpatientRedis) -> None:
        self._broker, self._redis = broker, redis

    async def send(self, message: OutboxMessage) -> None:
        """StorageUnavailable when Redis cannot take it, NoThreads when nobody can ask: it stays in the outbox then."""
        # It may take a connection first, for that client has its own.
        async with self._redis.asking(2 * PATIENCE):
            with threads_needed():
                await anyio.to_thread.run_sync(self._enqueue, message)

    async def none_waits(self) -> bool:
        """Whether no task waits or is worked on, anywhere: all that were sent are done, given up, or lost with the data of Redis."""
        async with self._redis.asking():
            counts = [await self._redis.hlen(f"{self._broker.namespace}:{queue}.msgs") for queue in (QUEUE, dq_name(QUEUE))]
        return not any(counts)

    def _enqueue(self, message: OutboxMessage) -> None:
        self._broker.enqueue(Message(queue_name=QUEUE, actor_name=message.kind, args=(message.id, message.subject), kwargs={}, options={}))

    def close(self) -> None:
        close_broker(self._broker)


def close_broker(broker: RedisBroker) -> None:
    broker.close()
    broker.client.close()
