"""Commits that are cut off between the database and the store, on either side (rows D5 and D6): completed or given up, never half of one.

Single faults of the store are in test_store.py, lost answers of the database in test_database.py; objects that no row knows, their
age and their erasure in tests/services/test_reconcile.py.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from uuid import uuid4

import boto3
import httpx2
import pytest
from mypy_boto3_s3 import S3Client
from redis import Redis
from sqlalchemy import NullPool, text
from sqlalchemy.ext.asyncio import create_async_engine

from catalog.session import connect
from services.relay import GRACE
from tests.deployments import S3_CREDENTIALS, Deployment, progimage_server
from tests.e2e.conftest import eventually, upload
from tests.faults.invariants import agreement
from tests.faults.proxy import Proxy, proxy
from tests.faults.rules import Down, Stall
from tests.photos import photo
from tests.servers import postgres_server, redis_server, s3_server

pytestmark = pytest.mark.xdist_group("faults-commits")

BUCKET = "commits"
# A store that was away is asked again after two seconds at the latest.
PATIENCE = 5


@dataclass(frozen=True, kw_only=True)
class Place:
    """An app that does its own sweeping, with proxies before its database and its store, and ways past them."""

    deployment: Deployment
    api: httpx2.Client
    store: Proxy
    database: Proxy
    objects: S3Client
    staging: Redis
    direct_url: str

    def keys(self, image: str) -> list[str]:
        """What the store has of an image."""
        found = self.objects.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return sorted(each["Key"] for each in found if image in each["Key"])

    def ask(self, statement: str, **values: object) -> list[object]:
        """What PostgreSQL itself says, or does."""

        async def once() -> list[object]:
            engine = create_async_engine(connect(self.direct_url).url, poolclass=NullPool)
            async with engine.begin() as connection:
                result = await connection.execute(text(statement), values)
                found = list(result.scalars()) if result.returns_rows else []
            await engine.dispose()
            return found

        return asyncio.run(once())

    def expire(self, image: str) -> None:
        """The time of a staged picture is over."""
        assert self.staging.unlink(f"staging:image:{image}", f"staging:facts:{image}") == 2


@dataclass(frozen=True, kw_only=True)
class Order:
    """A product that a client wants to have made of a new picture, which it has staged."""

    place: Place
    image: str
    picture: bytes
    key: str = field(default_factory=lambda: str(uuid4()))

    def send(self) -> httpx2.Response:
        body = {"name": "Vase", "price": "1.00", "images": [self.image]}
        return self.place.api.post("/products", json=body, headers={"idempotency-key": self.key})

    def sent_until_answered(self) -> httpx2.Response:
        """As a client does it who tries again when he is told to."""
        ends = time.monotonic() + PATIENCE
        while (answer := self.send()).status_code == 503 and time.monotonic() < ends:
            time.sleep(0.1)
        return answer

    @property
    def product(self) -> str | None:
        """The id of its row, in whatever state."""
        found = self.place.ask("SELECT id FROM product WHERE idempotency_key = :key", key=self.key)
        return str(found[0]) if found else None

    @property
    def listed(self) -> bool:
        return self.product in {item["id"] for item in self.place.api.get("/products?limit=100").json()["products"]}

    def shown(self) -> httpx2.Response:
        return self.place.api.get(f"/img/{self.image}")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("commits")
    with ExitStack() as stack:
        postgres, redis = stack.enter_context(postgres_server()), stack.enter_context(redis_server(folder))
        s3 = stack.enter_context(s3_server(folder / "s3"))
        store, database = stack.enter_context(proxy(s3.url)), stack.enter_context(proxy(postgres.url))
        settings = {
            "PROGIMAGE_DATABASE_URL": database.url,
            "PROGIMAGE_REDIS_URL": redis.url,
            "PROGIMAGE_INLINE_TASKS": "true",
            "PROGIMAGE_STORAGE_URL": f"s3://{BUCKET}",
            "PROGIMAGE_S3_ENDPOINT_URL": store.url,
            "PROGIMAGE_MEMORY_CACHE": "0",
            "PROGIMAGE_WARM": "",
            **S3_CREDENTIALS,
        }
        app = stack.enter_context(progimage_server(folder / "app", settings))
        objects = boto3.session.Session("tests", "tests", region_name="us-east-1").client("s3", endpoint_url=s3.url)
        stack.callback(objects.close)
        yield Place(
            deployment=Deployment(name="commits", url=app.url, env=settings, apps=(app,)),
            api=stack.enter_context(httpx2.Client(base_url=app.url, timeout=30, trust_env=False)),
            store=store,
            database=database,
            objects=objects,
            staging=stack.enter_context(Redis.from_url(redis.url)),
            direct_url=postgres.url,
        )


def order(place: Place) -> Order:
    picture = photo(120, 90)
    return Order(place=place, image=upload(place.api, picture)[0], picture=picture)


def store_is_away(ordered: Order) -> None:
    """The database has taken the commit down, and the store refuses its bytes."""
    with ordered.place.store.broken(Down()):
        refused(ordered.send(), "storage-unavailable")
        assert ordered.shown().content == ordered.picture
        assert ordered.place.api.get(f"/img/{ordered.image}/w50.webp").status_code == 200
        assert not ordered.listed
    assert ordered.place.keys(ordered.image) == []


def database_is_cut(ordered: Order) -> None:
    """The store has all of it, and the database goes away before it can be told."""
    place = ordered.place
    with ThreadPoolExecutor(1) as client, place.store.broken(Stall(to="client", method="PUT", target="facts/")):
        place.store.fired.clear()
        answer = client.submit(ordered.send)
        eventually(lambda: place.store.fired)
        with place.database.broken(Down()):
            place.store.set()
            refused(answer.result(), "catalog-unavailable")
            assert ordered.shown().content == ordered.picture
    assert [key.partition("/")[0] for key in place.keys(ordered.image)] == ["facts", "originals"]
    assert not ordered.listed


CUTS = [store_is_away, database_is_cut]
EACH = [pytest.param(store_is_away, marks=pytest.mark.soak), database_is_cut]
Cut = Callable[[Order], None]


def refused(answer: httpx2.Response, problem: str) -> None:
    assert (answer.status_code, answer.json()["type"]) == (503, f"/problems/{problem}")
    assert 1 <= int(answer.headers["retry-after"]) <= 5


@pytest.mark.row("D5", "D6")
@pytest.mark.parametrize("cut", EACH)
def test_the_same_request_completes_what_was_cut_off(place: Place, cut: Cut) -> None:
    ordered = order(place)
    cut(ordered)
    begun = ordered.product
    assert begun
    assert place.api.get(f"/products/{begun}").status_code == 404
    assert place.api.get(f"/images/{ordered.image}").status_code == 404
    assert ordered.shown().content == ordered.picture
    answer = ordered.sent_until_answered()
    assert (answer.status_code, answer.json()["id"]) == (200, begun)
    assert ordered.listed
    assert place.api.get(f"/images/{ordered.image}").status_code == 200
    assert ordered.shown().content == ordered.picture
    assert len(place.keys(ordered.image)) == 2


@pytest.mark.row("D5", "D6")
@pytest.mark.parametrize("cut", EACH)
def test_a_commit_whose_staged_bytes_are_gone_has_failed_and_leaves_nothing(place: Place, cut: Cut) -> None:
    ordered = order(place)
    cut(ordered)
    place.expire(ordered.image)
    assert ordered.sent_until_answered().status_code == 410
    assert (ordered.product, place.keys(ordered.image)) == (None, [])
    assert [ordered.shown().status_code, ordered.send().status_code] == [410, 410]
    assert place.api.get(f"/images/{ordered.image}").status_code == 404
    # The key is free again.
    assert upload(place.api, ordered.picture) == [ordered.image]
    assert ordered.send().status_code == 201
    assert ordered.shown().content == ordered.picture


@pytest.mark.row("D5", "D6")
@pytest.mark.soak
def test_what_nobody_asks_for_again_is_completed_or_given_up_or_erased_by_the_sweeper(place: Place) -> None:
    kept, gone = [order(place) for _ in CUTS], [order(place) for _ in CUTS]
    for orders in (kept, gone):
        for ordered, cut in zip(orders, CUTS, strict=True):
            cut(ordered)
    begun = [ordered.product for ordered in kept]
    for ordered in gone:
        place.expire(ordered.image)
    # Its client learns that it has failed while the store is away still, which keeps what it has.
    told = gone[CUTS.index(database_is_cut)]
    with place.store.broken(Down()):
        assert told.sent_until_answered().status_code == 410
        assert told.shown().status_code == 410
    assert (told.product, len(place.keys(told.image))) == (None, 2)
    place.ask("UPDATE outbox SET created_at = created_at - CAST(:age AS interval)", age=GRACE)
    found = agreement(place.deployment, [ordered.image for ordered in kept])
    assert (found.complaints, found.orphans) == ({}, {})
    assert [ordered.product for ordered in kept] == begun
    assert all(ordered.listed and ordered.shown().content == ordered.picture for ordered in kept)
    for ordered in gone:
        assert (ordered.product, place.keys(ordered.image), ordered.shown().status_code) == (None, [], 410)
