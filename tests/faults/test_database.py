"""The database refuses, is frozen, slow or locked, or dies at a bad moment: what an app shows then, from outside."""

import asyncio
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from sqlalchemy import NullPool, text
from sqlalchemy.ext.asyncio import create_async_engine

from catalog.patience import FAILURES, LEFT_ALONE_SECONDS
from catalog.transactions import GLANCE_SECONDS, WORK_SECONDS
from services.memory import KNOWN_SECONDS
from tests.deployments import progimage_server
from tests.e2e.conftest import eventually, product, store, upload
from tests.faults.proxy import Proxy, proxy
from tests.faults.rules import Down, DropAnswer, Latency
from tests.photos import photo
from tests.servers import Server, family, frozen, postgres_server, redis_server

pytestmark = pytest.mark.xdist_group("faults-database")

CATALOG = ("/images", "/products", "/images/{id}", "/uploads/{id}")
SHOWN = 6
STORED = "w33.webp"
# One more look-up than an answer may wait for, and what a loaded machine adds.
QUICKLY = 2 * GLANCE_SECONDS + 1
AT_ONCE = 0.5
CUT_ALL = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname IS NOT NULL"


@dataclass(frozen=True, kw_only=True)
class Site:
    """An app that remembers no variants, PostgreSQL behind a proxy, and stored pictures with a stored variant each."""

    app: Server
    api: httpx2.Client
    postgres: Server
    between: Proxy
    pictures: tuple[tuple[str, bytes], ...]

    @property
    def image(self) -> str:
        return self.pictures[0][0]

    def works(self) -> bool:
        return self.api.get("/images").status_code == 200


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("database")
    (folder / "redis").mkdir()
    with ExitStack() as stack:
        postgres = stack.enter_context(postgres_server())
        between = stack.enter_context(proxy(postgres.url))
        settings = {
            "PROGIMAGE_DATABASE_URL": between.url,
            "PROGIMAGE_REDIS_URL": stack.enter_context(redis_server(folder / "redis")).url,
            "PROGIMAGE_MEMORY_CACHE": "0",
        }
        app = stack.enter_context(progimage_server(folder, settings))
        api = stack.enter_context(httpx2.Client(base_url=app.url, timeout=40, trust_env=False))
        originals = [photo(800, 600) for _ in range(SHOWN)]
        pictures = tuple((store(api, original), original) for original in originals)
        assert {api.get(f"/img/{image}/{STORED}").status_code for image, _ in pictures} == {200}
        yield Site(app=app, api=api, postgres=postgres, between=between, pictures=pictures)


@pytest.fixture(autouse=True)
def healthy(request: pytest.FixtureRequest) -> None:
    """No test begins with what the one before it broke."""
    if "site" in request.fixturenames:
        eventually(request.getfixturevalue("site").works, within=10)


def shows_pictures(site: Site, *, cold: str) -> list[float]:
    """Asks for all that is to be had without the catalog, each of another picture, which would be looked up; the seconds that it took."""
    (whole, original), (stored, _), (known, _), (made, _), *others = site.pictures
    # It is believed for so long what an image is.
    time.sleep(KNOWN_SECONDS)
    get = site.api.get
    answers = [get(f"/img/{whole}"), get(f"/img/{stored}/{STORED}"), get(f"/img/{known}/{STORED}", headers={"if-none-match": "*"})]
    answers += [get(f"/img/{image}/{STORED}") for image, _ in others]
    assert [answer.status_code for answer in answers] == [200, 200, 304, *(200 for _ in others)]
    assert answers[0].content == original
    new = get(f"/img/{made}/{cold}.webp")
    assert (new.status_code, new.headers["x-cache"]) == (200, "miss")
    again = get(f"/img/{made}/{cold}.webp")
    assert (again.headers["x-cache"], again.content) == ("hit", new.content)
    return [answer.elapsed.total_seconds() for answer in (*answers, again)]


def refuses(site: Site, *paths: str) -> list[float]:
    """Each path says in the same way that the catalog is away; the seconds that it took."""
    answers = [site.api.get(path.format(id=site.image)) for path in paths]
    answers.append(site.api.post("/images", content=photo(64, 48)))
    for answer in answers:
        assert (answer.status_code, answer.json()["type"]) == (503, "/problems/catalog-unavailable")
        assert 1 <= int(answer.headers["retry-after"]) <= 5
    assert site.api.get("/readyz").status_code == 200
    return [answer.elapsed.total_seconds() for answer in answers]


def ask(url: str, *statements: str) -> object:
    """Ask PostgreSQL itself, in one transaction; the first value of the last answer."""

    async def once() -> object:
        engine = create_async_engine(url.replace("postgresql", "postgresql+asyncpg"), poolclass=NullPool)
        async with engine.connect() as connection:
            for statement in statements:
                found = await connection.execute(text(statement))
            value: object = found.scalar() if found.returns_rows else None
        await engine.dispose()
        return value

    return asyncio.run(once())


@contextmanager
def locked(site: Site, mode: str, seconds: float) -> Iterator[None]:
    """Somebody holds the table of images for so long."""
    held = f"SELECT count(*) FROM pg_locks WHERE mode = '{mode.title().replace(' ', '')}Lock' AND granted AND relation = 'image'::regclass"
    with ThreadPoolExecutor(1) as holder:
        holding = holder.submit(ask, site.postgres.url, f"LOCK TABLE image IN {mode} MODE", f"SELECT pg_sleep({seconds})")
        eventually(lambda: ask(site.postgres.url, held))
        yield
        holding.result()


@pytest.mark.row("D1")
def test_pictures_are_shown_while_the_database_refuses_connections(site: Site) -> None:
    with site.between.broken(Down()):
        assert max(shows_pictures(site, cold="w101")) < AT_ONCE
        assert max(refuses(site, *CATALOG)) < 1
        assert upload(site.api, photo(64, 48))
    eventually(site.works, within=1)
    assert store(site.api, photo(64, 48))


@pytest.mark.row("D1")
@pytest.mark.soak
def test_pictures_are_shown_while_the_database_is_frozen(site: Site) -> None:
    with frozen(*family(site.postgres.pid)):
        waited = shows_pictures(site, cold="w102")
        assert max(waited) < QUICKLY
        assert sum(seconds > GLANCE_SECONDS for seconds in waited) <= FAILURES
    eventually(site.works, within=LEFT_ALONE_SECONDS + 2)


@pytest.mark.row("D7")
@pytest.mark.soak
def test_pictures_are_shown_while_every_query_takes_too_long(site: Site) -> None:
    with site.between.broken(Latency(seconds=1, to="client")):
        assert max(shows_pictures(site, cold="w103")) < QUICKLY
        assert site.api.get(f"/images/{site.image}").status_code == 200
    eventually(site.works, within=LEFT_ALONE_SECONDS + 2)


@pytest.mark.soak
def test_a_database_that_is_far_away_is_slow_and_no_more(site: Site) -> None:
    with site.between.broken(Latency(seconds=0.1)):
        shows_pictures(site, cold="w104")
        assert store(site.api, photo(64, 48))
        assert site.api.get(f"/img/{upload(site.api, photo(64, 48))[0]}/w32.webp").status_code == 200


@pytest.mark.soak
def test_the_catalog_says_at_once_that_it_is_away_when_it_was_silent_several_times(site: Site) -> None:
    paths = ["/images", "/products", f"/images/{site.image}"]
    with frozen(*family(site.postgres.pid)), ThreadPoolExecutor(len(paths)) as clients:
        first = list(clients.map(site.api.get, paths))
        assert {answer.status_code for answer in first} == {503}
        assert max(answer.elapsed.total_seconds() for answer in first) < WORK_SECONDS + 2
        assert sorted(refuses(site, *CATALOG))[: len(CATALOG) - 1][-1] < 1
        shows_pictures(site, cold="w105")
    eventually(site.works, within=LEFT_ALONE_SECONDS + 2)
    assert store(site.api, photo(64, 48))


@pytest.mark.row("D3")
def test_connections_that_are_cut_are_noticed_by_nobody(site: Site) -> None:
    """What was not committed is done once more; so is looking."""
    with ThreadPoolExecutor(4) as clients:
        looked = [clients.submit(site.api.get, "/images") for _ in range(4)]
        wrote = [clients.submit(store, site.api, photo(64, 48)) for _ in range(4)]
        ask(
            site.postgres.url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname IS NOT NULL",
        )
        assert {answer.result().status_code for answer in looked} == {200}
        assert len({each.result() for each in wrote}) == 4


@pytest.mark.row("D3", "D4")
def test_an_answer_to_a_commit_that_is_lost_makes_no_second_product(site: Site) -> None:
    """Nobody can know whether it was carried out: the client is told 503, and its key finds what is there."""
    pictures = [photo(120, 90) for _ in range(6)]
    with site.between.broken(DropAnswer(target="COMMIT", chance=0.5, close=True)):
        made = [created(site.api, picture) for picture in pictures]
    assert any(tries for _, tries in made), "nothing was lost"
    assert len(site.between.fired) >= len(pictures) / 2
    listed = [item["id"] for item in site.api.get("/products?limit=100").json()["products"]]
    for (product_id, _), picture in zip(made, pictures, strict=True):
        assert listed.count(product_id) == 1
        (image,) = site.api.get(f"/products/{product_id}").json()["images"]
        assert site.api.get(image["url"]).content == picture
    assert len(listed) == len(set(listed)) == len(pictures)


def created(api: httpx2.Client, picture: bytes) -> tuple[str, int]:
    """The id of a product that a patient client makes, and how often it was told to try again."""
    key, tries = str(uuid4()), 0
    image = patiently(lambda: api.post("/uploads", content=picture), 202)["id"]
    body = {"name": "Vase", "price": "1.00", "images": [image]}
    while True:
        answer = api.post("/products", json=body, headers={"idempotency-key": key})
        if answer.status_code in {200, 201}:
            return str(answer.json()["id"]), tries
        assert answer.status_code == 503, answer.text
        tries += 1
        assert tries < 40


def patiently(send: Callable[[], httpx2.Response], status: int) -> dict[str, Any]:
    while (answer := send()).status_code == 503:
        time.sleep(0.1)
    assert answer.status_code == status, answer.text
    return dict(answer.json())


@pytest.mark.soak
def test_a_table_that_is_locked_holds_up_who_writes_and_nobody_who_looks(site: Site) -> None:
    with locked(site, "EXCLUSIVE", 10):
        answer = site.api.post("/images", content=photo(64, 48))
        assert (answer.status_code, answer.json()["type"]) == (503, "/problems/catalog-unavailable")
        assert answer.elapsed.total_seconds() < WORK_SECONDS + 1
        assert site.works()
    assert store(site.api, photo(64, 48))


@pytest.mark.row("D7")
@pytest.mark.soak
def test_when_all_connections_are_taken_pictures_are_shown_and_the_catalog_says_so(site: Site) -> None:
    """Nobody can even look at images here, so every connection that somebody takes is held."""
    with locked(site, "ACCESS EXCLUSIVE", 12), ThreadPoolExecutor(30) as clients:
        crowd = [clients.submit(site.api.get, "/images") for _ in range(30)]
        time.sleep(1.5)
        assert max(shows_pictures(site, cold="w106")) < QUICKLY
        assert {answer.result().status_code for answer in crowd} == {503}
    eventually(site.works, within=LEFT_ALONE_SECONDS + 2)


LOCK = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print(flush=True)
time.sleep(30)
"""


@pytest.mark.row("D2")
@pytest.mark.soak
def test_a_sqlite_file_that_another_process_locks_is_read_all_the_same(tmp_path: Path) -> None:
    with progimage_server(tmp_path) as app, httpx2.Client(base_url=app.url, timeout=40, trust_env=False) as api:
        image = store(api, photo(800, 600))
        made = product(api, upload(api, photo(64, 48)))
        with subprocess.Popen([sys.executable, "-c", LOCK, str(tmp_path / "data/catalog.sqlite3")], stdout=subprocess.PIPE) as other:
            assert other.stdout
            other.stdout.readline()
            began = time.monotonic()
            with ThreadPoolExecutor(8) as writers:
                wrote = [writers.submit(api.post, "/images", content=photo(64, 48)) for _ in range(8)]
                while not all(each.done() for each in wrote):
                    for path in (
                        f"/products/{made['id']}",
                        "/images",
                        f"/img/{image}",
                        f"/img/{image}/w{int(time.monotonic() % 200) + 50}.jpg",
                    ):
                        answer = api.get(path)
                        assert answer.status_code == 200, answer.text
                        assert answer.elapsed.total_seconds() < 3
            assert {each.result().status_code for each in wrote} == {503}
            assert time.monotonic() - began < 20
            other.kill()
        assert store(api, photo(64, 48))
    with sqlite3.connect(tmp_path / "data/catalog.sqlite3") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
