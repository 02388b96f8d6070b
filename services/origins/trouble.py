"""What is said when a picture cannot be had: the reason to the log, one constant sentence to whoever asked.

Who could tell a closed port from a name that does not resolve could draw a map of our network.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import httpcore2
import structlog

from services.errors import SourceTooSlow, SourceUnavailable

log = structlog.get_logger(__name__)


def unavailable(host: str, reason: str) -> SourceUnavailable:
    log.warning("source_unavailable", host=host, reason=reason)
    return SourceUnavailable("The picture cannot be fetched from its host.")


def too_slow(host: str, reason: str) -> SourceTooSlow:
    log.warning("source_unavailable", host=host, reason=reason)
    return SourceTooSlow("The picture did not arrive from its host in time.")


@contextmanager
def translated(host: str) -> Iterator[None]:
    """The border for errors of the network and of its libraries."""
    try:
        yield
    except (httpcore2.TimeoutException, TimeoutError) as error:
        raise too_slow(host, type(error).__name__) from error
    except (httpcore2.NetworkError, OSError) as error:
        raise unavailable(host, f"{type(error).__name__}: {error}") from error
    except httpcore2.ProtocolError as error:
        # What the parser says quotes what came, and that is nothing for a log.
        raise unavailable(host, f"{type(error).__name__}: no proper HTTP") from error
