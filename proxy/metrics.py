"""What is counted, for Prometheus. All labels come from short lists: a stranger cannot make new time series.

With several processes the command line sets PROMETHEUS_MULTIPROC_DIR before this is imported: each process then counts into files of its
own there, and `exposition` adds them up.
"""

import os
from collections.abc import Mapping

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from starlette.requests import Request
from starlette.responses import Response

from services.findings import KINDS, Kind
from services.values import Timings
from transforms.laps import STAGES

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NO_ROUTE = "none"

_requests = Histogram("progimage_request_seconds", "Requests by route, method and status.", ("route", "method", "status"), buckets=SECONDS)
_variants = Counter("progimage_variants_total", "Variants answered: hit, miss (built for this request) or coalesced.", ("how",))
_renders = Histogram("progimage_render_seconds", "Time from asking the pool for a render to its end.", buckets=SECONDS)
_staged_bytes = Counter("progimage_staged_bytes_total", "Bytes of uploads that were staged whole.")
_shed = Counter("progimage_shed_total", "Requests turned away with 503, by problem.", ("problem",))
_waiting = Gauge("progimage_renders_waiting", "Renders that wait for a child.", multiprocess_mode="livesum")
_running = Gauge("progimage_renders_running", "Renders that have a child.", multiprocess_mode="livesum")

_redis_away = Gauge("progimage_redis_away", "1 while Redis does not answer this process, else 0.", multiprocess_mode="livemax")
_found = Gauge("progimage_reconcile_found", "What came apart, by kind, at the daily comparison.", ("kind",), multiprocess_mode="mostrecent")
_late = Histogram("progimage_loop_late_seconds", "How late the event loop came back, ten times a second.", buckets=SECONDS)

# Looking a labelled series up takes longer than adding to it, and every request does.
_series: dict[tuple[str, str, int], Histogram] = {}


def request_answered(route: str, method: str, status: int, seconds: float) -> None:
    """`route` is the template of the route, never a path."""
    key = (route, method if method in METHODS else "other", status)
    series = _series.get(key)
    if series is None:
        series = _series[key] = _requests.labels(*key)
    series.observe(seconds)


def variant_answered(how: str, timings: Timings) -> None:
    """`how` is hit, miss or coalesced; a render is counted for the one who caused it."""
    _variants.labels(how).inc()
    if how == "miss":
        rendered(timings)


def rendered(timings: Timings) -> None:
    """A picture was rendered, in this time."""
    _renders.observe(sum(seconds for stage, seconds in timings if stage in STAGES))


def staged(size: int) -> None:
    _staged_bytes.inc(size)


def shed(problem: str) -> None:
    """`problem` is the slug of the error."""
    _shed.labels(problem).inc()


def pool_state(*, waiting: int, running: int) -> None:
    """What the render pool of this process does now; to be told again when it changes."""
    _waiting.set(waiting)
    _running.set(running)


def loop_turned(*, late: float) -> None:
    """How many seconds later than it was asked to."""
    _late.observe(late)


def redis_state(*, away: bool) -> None:
    _redis_away.set(away)


def reconciled(found: Mapping[Kind, int]) -> None:
    """What a comparison of catalog and store has found of each kind."""
    for kind in KINDS:
        _found.labels(kind).set(found.get(kind, 0))


def exposition() -> bytes:
    """All numbers, those of the other processes too."""
    if SHARED_FOLDER not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # it has no annotations
    return generate_latest(registry)


def close() -> None:
    """Take the gauges of a process that ends out of the sum."""
    if SHARED_FOLDER in os.environ:
        mark_process_dead(os.getpid())  # type: ignore[no-untyped-call]  # nor has it


async def metrics_page(_: Request) -> Response:
    return Response(exposition(), media_type=CONTENT_TYPE_LATEST, headers={"cache-control": "no-store"})
