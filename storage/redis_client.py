"""What a Redis server is asked before staging and tasks use it: whether it is there, and to end. These calls block."""

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from storage.base import StorageUnavailable

CONNECT_SECONDS = 1
ANSWER_SECONDS = 3


def ping(url: str) -> bool:
    """Whether a server answers at this URL and has its data loaded."""
    with _client(url) as client:
        try:
            return bool(client.ping())
        except RedisError:
            return False


def shut_down(url: str) -> None:
    """Ask the server to write what it has and end; StorageUnavailable when it does not. A server that is away is fine."""
    with _client(url) as client:
        try:
            client.shutdown()
        except RedisError as error:
            raise StorageUnavailable("The Redis server does not shut down.") from error


def _client(url: str) -> Redis:
    return Redis.from_url(url, socket_connect_timeout=CONNECT_SECONDS, socket_timeout=ANSWER_SECONDS, retry=Retry(NoBackoff(), 0))
