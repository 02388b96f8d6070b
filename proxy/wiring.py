"""The one place that makes collaborators: web application, worker and command line all start here."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import timedelta
from functools import partial
from urllib.parse import urlsplit

from sqlalchemy.ext.asyncio import AsyncEngine

from catalog.repository import Catalog
from catalog.session import connect as connect_catalog
from catalog.session import migrate
from proxy.admission import Admission, Ladder
from proxy.settings import Settings, WrongSetting, refusal, variable
from proxy.signing import Signer
from services.broker import Tasks, make_broker
from services.container import Services
from services.edges import Edges
from services.memory import Memory
from services.origins.fetch import Origins
from storage.base import ObjectStore, Staging
from storage.leases import Leases
from storage.opening import open_store
from storage.quarantine import Quarantine
from storage.redis_client import PATIENCE, ImpatientRedis
from storage.redis_client import connect as connect_redis
from storage.staging import RedisStaging
from transforms.engine import prepare
from transforms.errors import ProgImageError
from transforms.limits import Limits
from transforms.pool import RenderPool

# A lease outlives the longest render by this much, so that it is lost by a dead holder only.
LEASE_MARGIN = 2.0


@asynccontextmanager
async def build(settings: Settings, *, looking: bool = False) -> AsyncIterator[Services]:
    """All collaborators, connected, the schema migrated; closed again at the end. `redis_url` must be set by now.

    For somebody who is only `looking` nothing is made: schema and store are as they are.
    """
    async with AsyncExitStack() as stack:
        engine = connect_catalog(settings.database_url)
        stack.push_async_callback(engine.dispose)
        store = object_store(settings)
        stack.push_async_callback(store.close)
        if not looking:
            await prepare_places(engine, store)
        staging, quarantine, leases, tasks = on_redis(settings, stack)
        edges = Edges(settings.edges)
        stack.push_async_callback(edges.close)
        pool = render_pool(settings)
        stack.push_async_callback(partial(pool.close, drain=settings.render_deadline))
        yield Services(
            store=store,
            staging=staging,
            quarantine=quarantine,
            leases=leases,
            origins=origins(settings),
            edges=edges,
            catalog=Catalog(engine),
            pool=pool,
            tasks=tasks,
            memory=Memory(settings.memory_cache),
            limits=limits(settings),
            warm=settings.warm,
            auto_order=settings.auto_order,
            presets=settings.presets,
            variants_per_image=settings.variants_per_image,
            remote_ttl=timedelta(seconds=settings.remote_ttl),
        )


def on_redis(settings: Settings, stack: AsyncExitStack) -> tuple[Staging, Quarantine, Leases, Tasks]:
    """What works on Redis, closed with the stack. One client: what one learns of a server that is away spares the others the wait."""
    redis = connect_redis(settings.redis_url)
    staging = uploads(settings, redis)
    quarantine = Quarantine(redis)
    leases = Leases(redis, seconds=settings.render_deadline + LEASE_MARGIN)
    for collaborator in (staging, quarantine, leases):
        stack.push_async_callback(collaborator.close)
    tasks = Tasks(make_broker(settings.redis_url, seconds=PATIENCE), redis)
    stack.callback(tasks.close)
    return staging, quarantine, leases, tasks


async def prepare_places(engine: AsyncEngine, store: ObjectStore) -> None:
    """Bring the schema up to date and make the bucket or the folder."""
    with blamed("database_url"):
        await migrate(engine)
    with blamed("storage_url"):
        await store.prepare()


@contextmanager
def blamed(field: str) -> Iterator[None]:
    """Whoever reads on the terminal that a server is away learns which setting led there."""
    try:
        yield
    except ProgImageError as error:
        error.add_note(f"Is {variable(field)} right? `progimage doctor` looks at it.")
        raise


def check_urls(settings: Settings) -> None:
    """WrongSetting for a URL that the library behind it does not take; nothing is connected yet."""
    for name, take in (("database_url", connect_catalog), ("storage_url", lambda _: object_store(settings)), ("redis_url", connect_redis)):
        text = getattr(settings, name)
        try:
            if text:
                take(text)
        except Exception as error:
            # Each library has errors of its own for this, and some quote the password.
            raise WrongSetting(refusal(name, text)) from error


def object_store(settings: Settings) -> ObjectStore:
    return open_store(settings.storage_url, endpoint_url=settings.s3_endpoint_url)


def uploads(settings: Settings, redis: ImpatientRedis | None = None) -> Staging:
    client = redis or connect_redis(settings.redis_url)
    return RedisStaging(client, ttl=timedelta(seconds=settings.staging_ttl), budget=settings.staging_budget)


def origins(settings: Settings) -> Origins:
    return Origins(
        sources=settings.remote_sources,
        ports=settings.remote_ports,
        networks=settings.remote_networks,
        own_host=urlsplit(settings.public_url).hostname or "",
        max_bytes=settings.max_bytes,
        deadline=settings.remote_deadline,
    )


def admission(settings: Settings) -> Admission:
    return Admission(
        signer=Signer(keys=settings.signing_keys, required=settings.signatures),
        ladder=Ladder(mode=settings.width_ladder, widths=settings.widths),
    )


def limits(settings: Settings) -> Limits:
    return Limits(
        accepted=frozenset(settings.accept),
        upload_bytes=settings.max_bytes,
        pixels=settings.max_pixels,
        side=settings.max_side,
        frames=settings.max_frames,
        animation_pixels=settings.max_animation_pixels,
        metadata=settings.max_metadata,
    )


def render_pool(settings: Settings) -> RenderPool:
    return RenderPool(
        workers=settings.renderers,
        queue=settings.render_queue,
        wait=settings.render_wait,
        soft=settings.render_soft_deadline,
        deadline=settings.render_deadline,
        max_tasks=settings.render_recycle,
        memory=settings.render_memory,
        prepare=partial(prepare, frozenset(settings.accept)),
    )
