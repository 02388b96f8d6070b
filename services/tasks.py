"""What the workers can do: thin wrappers that bring a Dramatiq thread to the event loop where the services live."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from dramatiq import Broker, actor

from services.broker import QUEUE
from services.container import Services
from services.warm import warm


def register(broker: Broker, services: Services, loop: asyncio.AbstractEventLoop) -> None:
    """Declare the actors. Each is named after the kind of outbox message that it works off."""
    actor(actor_name="warm", queue_name=QUEUE, broker=broker)(_bridge(warm, services, loop))


def _bridge(
    use_case: Callable[[Services, str, str], Coroutine[Any, Any, None]], services: Services, loop: asyncio.AbstractEventLoop
) -> Callable[[str, str], None]:
    def run(message_id: str, subject: str) -> None:
        asyncio.run_coroutine_threadsafe(use_case(services, message_id, subject), loop).result()

    return run
