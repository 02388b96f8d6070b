"""Whether database, store, outbox and staging agree after something was broken; and whether all that was promised is there.

`agreement(deployment, created)` looks from a process of its own that has the settings of the deployment.
"""

import asyncio
import hashlib
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any

import httpx2
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col, func, select

from catalog.models import ImageRow, OutboxRow, ProductRow
from catalog.records import ImageRecord
from catalog.repository import Catalog
from catalog.session import connect
from proxy.settings import Settings, load
from proxy.wiring import object_store
from services.embedded import EmbeddedRedis
from services.ids import facts_key, image_id
from services.values import KnownImage
from storage.base import ObjectStore, StorageError
from tests.deployments import Deployment, environment
from tests.servers import REPOSITORY

READERS = 4
TRIES = 3
Look = Callable[[ObjectStore, ImageRecord], Awaitable[str]]
FOLDERS = ("originals/", "facts/", "variants/")


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """What does not agree; each is empty when all is well, but for `orphans`, which are counted by folder and cost no more than space.

    `lost`: told to be stored and not readable byte for byte. `damaged`: rows that are ready and whose object is missing or another.
    `untrue`: facts objects that are missing or say something else than the row. `unfinished`: rows that are neither ready nor gone.
    `undone`: outbox messages by kind. `staging`: what its books have wrong.
    """

    lost: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()
    untrue: tuple[str, ...] = ()
    unfinished: tuple[str, ...] = ()
    undone: Mapping[str, int] = field(default_factory=dict)
    staging: tuple[str, ...] = ()
    orphans: Mapping[str, int] = field(default_factory=dict)
    images: int = 0

    @property
    def complaints(self) -> dict[str, object]:
        return {name: value for name, value in asdict(self).items() if value and name not in {"orphans", "images"}}


def agreement(deployment: Deployment, created: Iterable[str] = (), *, settle: float = 30) -> Agreement:
    """Look once the outbox is empty, or after `settle` seconds. `created` are ids that were answered with 201 and not deleted since."""
    told = json.dumps({"url": deployment.url, "created": sorted(set(created)), "settle": settle})
    command = [sys.executable, "-m", "tests.faults.invariants"]
    done = subprocess.run(
        command,
        input=told,
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env=environment(deployment.env),
        timeout=settle + 600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return Agreement(**{name: _frozen(value) for name, value in found.items()})


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


@dataclass(frozen=True, kw_only=True)
class _Grounds:
    settings: Settings
    engine: AsyncEngine
    catalog: Catalog
    store: ObjectStore


async def _look(url: str, created: list[str], settle: float) -> Agreement:
    settings = load()
    engine, store = connect(settings.database_url), object_store(settings)
    grounds = _Grounds(settings=settings, engine=engine, catalog=Catalog(engine), store=store)
    try:
        undone, unfinished = await _settled(engine, settle)
        images = await _images(grounds)
        return Agreement(
            lost=await asyncio.to_thread(_lost, url, created),
            damaged=await _each(_damage, store, images),
            untrue=await _each(_untruth, store, images),
            unfinished=unfinished,
            undone=undone,
            staging=await _staging(settings),
            orphans=await _orphans(grounds, images),
            images=len(images),
        )
    finally:
        await engine.dispose()
        await store.close()


async def _settled(engine: AsyncEngine, seconds: float) -> tuple[dict[str, int], tuple[str, ...]]:
    """The messages by kind, and rows on their way, once there are none, or the time is over."""
    end = time.monotonic() + seconds
    while True:
        async with engine.connect() as connection:
            messages = await connection.execute(select(OutboxRow.kind, func.count()).group_by(col(OutboxRow.kind)))
            undone = {str(kind): number for kind, number in messages}
            rows = [
                await connection.execute(select(table.id, table.state).where(table.state != "ready")) for table in (ImageRow, ProductRow)
            ]
            unfinished = tuple(f"{name}: {state}" for found in rows for name, state in found)
        if not (undone or unfinished) or time.monotonic() > end:
            return undone, unfinished
        await asyncio.sleep(0.1)


async def _images(grounds: _Grounds) -> dict[str, ImageRecord]:
    """All that are ready."""
    async with grounds.engine.connect() as connection:
        ids = [name for (name,) in await connection.execute(select(ImageRow.id).where(ImageRow.state == "ready"))]
    found: dict[str, ImageRecord] = {}
    for at in range(0, len(ids), 500):
        found |= await grounds.catalog.images(ids[at : at + 500])
    return found


async def _each(look: Look, store: ObjectStore, images: Mapping[str, ImageRecord]) -> tuple[str, ...]:
    turns = asyncio.Semaphore(READERS)

    async def one(image: ImageRecord) -> str:
        async with turns:
            return await look(store, image)

    return tuple(filter(None, await asyncio.gather(*map(one, images.values()))))


async def _damage(store: ObjectStore, image: ImageRecord) -> str:
    data = await _held(store, image.place)
    same = isinstance(data, bytes) and len(data) == image.bytes and hashlib.sha256(data).hexdigest() == image.sha256
    return "" if same else f"{image.id}: {data if isinstance(data, str) else 'other bytes'}"


async def _untruth(store: ObjectStore, image: ImageRecord) -> str:
    facts, expected = await _held(store, facts_key(image.id)), KnownImage.from_record(image).to_json()
    return "" if facts == expected.encode() else f"{image.id}: {facts!r} and not {expected}"


async def _held(store: ObjectStore, key: str) -> bytes | str:
    """The object, or why there is none."""
    try:
        return await store.get(key)
    except StorageError as error:
        return f"{key}: {error}"


async def _orphans(grounds: _Grounds, images: Mapping[str, ImageRecord]) -> dict[str, int]:
    """Objects to which no row leads."""
    places = {image.place for image in images.values()}
    counted: Counter[str] = Counter()
    for folder in FOLDERS:
        async for found in grounds.store.list(folder):
            known = found.key in places if folder == "originals/" else found.key.split("/")[1].removesuffix(".json") in images
            counted[folder] += not known
    return {folder: number for folder, number in counted.items() if number}


async def _staging(settings: Settings) -> tuple[str, ...]:
    """Whether the bytes that count against the budget are those that are there."""
    url = settings.redis_url or EmbeddedRedis(settings.data, maxmemory=0).url
    wrong = []
    async with Redis.from_url(url, socket_timeout=5, decode_responses=True) as client:
        sizes = {str(name): int(size) for name, size in (await client.hgetall("staging:sizes")).items()}
        total = sizes.pop("total", 0)
        if total != sum(sizes.values()):
            wrong.append(f"{total} bytes counted, {sum(sizes.values())} listed")
        for name, size in sizes.items():
            there = await client.strlen(f"staging:image:{name}") or await client.strlen(f"staging:upload:{name}")
            if there not in {0, size}:
                wrong.append(f"{name}: {there} bytes, {size} counted")
    return tuple(wrong)


def _lost(url: str, created: list[str]) -> tuple[str, ...]:
    with httpx2.Client(base_url=url, timeout=30, trust_env=False) as client, ThreadPoolExecutor(READERS) as pool:
        return tuple(filter(None, pool.map(lambda name: _loss(client, name), created)))


def _loss(client: httpx2.Client, name: str) -> str:
    """An id names its bytes: no original need be kept for comparison."""
    for attempt in range(TRIES):
        time.sleep(attempt)
        answer = client.get(f"/img/{name}")
        if answer.status_code == 200:
            break
    if answer.status_code != 200:
        return f"{name}: {answer.status_code}"
    same = image_id(hashlib.sha256(answer.content).hexdigest()) == name
    return "" if same else f"{name}: {len(answer.content)} other bytes"


if __name__ == "__main__":
    json.dump(asdict(asyncio.run(_look(**json.load(sys.stdin)))), sys.stdout)
