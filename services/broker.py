"""The border to the task engine: Dramatiq on Redis, told to notice a dead worker within seconds."""

import anyio
from dramatiq import Message
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AgeLimit, Callbacks, Retries, ShutdownNotifications, TimeLimit

from catalog.records import OutboxMessage
from storage.staging import translated

QUEUE = "progimage"
MAX_RETRIES = 3


def make_broker(url: str) -> RedisBroker:
    """With Dramatiq's defaults the task of a killed worker did not come back within 150 s; with these it does in 10."""
    middleware = [AgeLimit(), TimeLimit(), ShutdownNotifications(), Callbacks(), Retries(max_retries=MAX_RETRIES, min_backoff=500)]
    broker = RedisBroker(  # type: ignore[no-untyped-call]  # dramatiq does not annotate it
        url=url, middleware=middleware, heartbeat_timeout=10_000, maintenance_chance=1_000_000
    )
    broker.declare_queue(QUEUE)
    return broker


class Tasks:
    """Sends outbox messages to the workers. The outbox keeps the record; the queue is only the trigger."""

    def __init__(self, broker: RedisBroker) -> None:
        self._broker = broker

    async def send(self, message: OutboxMessage) -> None:
        """StorageUnavailable when Redis cannot take it: it stays in the outbox then."""
        await anyio.to_thread.run_sync(self._enqueue, message)

    def _enqueue(self, message: OutboxMessage) -> None:
        with translated():
            self._broker.enqueue(
                Message(queue_name=QUEUE, actor_name=message.kind, args=(message.id, message.subject), kwargs={}, options={})
            )

    def close(self) -> None:
        self._broker.close()
