"""Two versions of ProgImage at work on the same database, Redis and store, as while a deployment is rolled (rows A5 and D8)."""

import asyncio
import hashlib
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from catalog.session import MIGRATIONS, connect, revision_state
from proxy.doctor import CHECKS
from proxy.settings import Settings
from services.values import ETAG_LENGTH
from tests.deployments import progimage_server
from tests.e2e.conftest import product, store, upload
from tests.photos import photo
from tests.servers import Server, postgres_server, redis_server

pytestmark = pytest.mark.xdist_group("faults-versions")

MOST = 3
LATEST = "9999"
# The next version: another engine, which makes other bytes of the same plan, and a schema that grew.
NEXT_VERSION = """
import sys
from dataclasses import replace
from pathlib import Path
from transforms import formats, plan

plan.ENGINE_VERSION += 1
formats.FORMATS["webp"] = replace(formats.FORMATS["webp"], quality=50)
if not any("multiprocessing" in argument for argument in sys.orig_argv):
    import catalog.session

    catalog.session.MIGRATIONS = Path({migrations!r})
"""
EXPANDING = """
import sqlalchemy as sa
from alembic import op

revision = "{latest}"
down_revision = "{head}"


def upgrade():
    op.add_column("image", sa.Column("later", sa.Text, nullable=True))
    op.add_column("variant", sa.Column("later", sa.Integer, server_default=sa.text("0"), nullable=False))
    op.create_table("later", sa.Column("id", sa.Integer, primary_key=True))
"""


@dataclass(frozen=True, kw_only=True)
class Versions:
    """Clients of an older process, which was there first, and of one of the next version; what both stand on."""

    older: httpx2.Client
    newer: httpx2.Client
    settings: dict[str, str]

    @property
    def both(self) -> tuple[httpx2.Client, httpx2.Client]:
        return self.older, self.newer

    def variants(self, image: str) -> set[str]:
        """The bytes of each of the stored variants, as etags."""
        return {etag_of(path.read_bytes()) for path in Path(self.settings["PROGIMAGE_STORAGE_URL"], "variants", image).glob("*")}


def etag_of(data: bytes) -> str:
    return f'"{hashlib.sha256(data).hexdigest()[:ETAG_LENGTH]}"'


@contextmanager
def running_app(folder: Path, settings: dict[str, str]) -> Iterator[tuple[Server, httpx2.Client]]:
    with progimage_server(folder, settings) as app, httpx2.Client(base_url=app.url, timeout=30, trust_env=False) as api:
        yield app, api


@pytest.fixture(scope="module", params=[pytest.param("sqlite", marks=pytest.mark.soak), "postgresql"])
def versions(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Versions]:
    folder = tmp_path_factory.mktemp("versions")
    with ExitStack() as stack:
        grown = request.param == "postgresql"
        settings = {
            "PROGIMAGE_DATABASE_URL": stack.enter_context(postgres_server()).url if grown else f"sqlite:///{folder}/catalog.db",
            "PROGIMAGE_REDIS_URL": stack.enter_context(redis_server(folder)).url,
            "PROGIMAGE_STORAGE_URL": str(folder / "store"),
            # What an etag is has to be looked up.
            "PROGIMAGE_MEMORY_CACHE": "0",
            "PROGIMAGE_VARIANTS_PER_IMAGE": str(MOST),
        }
        _, older = stack.enter_context(running_app(folder / "older", settings))
        # It has asked this database before it changed.
        used(older)
        _, newer = stack.enter_context(running_app(folder / "newer", {**settings, "PYTHONPATH": str(next_version(folder / "next"))}))
        assert asyncio.run(schema(settings)) == LATEST
        yield Versions(older=older, newer=newer, settings=settings)


def next_version(folder: Path) -> Path:
    """A folder from which each Python makes itself the next version when it starts."""
    shutil.copytree(MIGRATIONS, folder / "migrations", ignore=shutil.ignore_patterns("__pycache__"))
    head = max(path.name[:4] for path in (folder / "migrations/versions").glob("*.py"))
    (folder / f"migrations/versions/{LATEST}_later.py").write_text(EXPANDING.format(latest=LATEST, head=head))
    (folder / "sitecustomize.py").write_text(NEXT_VERSION.format(migrations=str(folder / "migrations")))
    return folder


async def schema(settings: dict[str, str]) -> str | None:
    engine = connect(settings["PROGIMAGE_DATABASE_URL"])
    try:
        return (await revision_state(engine)).current
    finally:
        await engine.dispose()


async def diagnosed(settings: dict[str, str]) -> str:
    """What `progimage doctor` says of the database."""
    (check,) = (check for check in CHECKS if check.name == "database")
    return await check.look(Settings(database_url=settings["PROGIMAGE_DATABASE_URL"]))


def used(api: httpx2.Client) -> None:
    """It takes pictures and products, shows and lists them, changes and deletes them."""
    picture = photo(120, 90)
    made = product(api, upload(api, picture))
    (image,) = made["images"]
    assert api.get(image["url"]).content == picture
    assert api.get(f"/img/{image['id']}/w64.webp").status_code == 200
    assert api.get("/products").json()["products"][0]["id"] == made["id"]
    assert api.get("/images").json()["images"][0]["id"] == image["id"]
    assert api.patch(f"/products/{made['id']}", json={"price": "2.00"}).status_code == 200
    assert api.delete(f"/products/{made['id']}").status_code == 200
    assert api.get(f"/images/{image['id']}").status_code == 404


@pytest.mark.row("A5")
def test_each_version_gives_its_own_bytes_and_confirms_no_others(versions: Versions) -> None:
    image = store(versions.older, photo(320, 240))
    url, tags = f"/img/{image}/w200.webp", []
    for api in versions.both:
        first, second = api.get(url), api.get(url)
        assert first.headers["etag"] == second.headers["etag"] == etag_of(first.content)
        assert first.content == second.content
        tags.append(first.headers["etag"])
    assert len(set(tags)) == 2
    assert versions.variants(image) == set(tags)
    for api, own, others in zip(versions.both, tags, reversed(tags), strict=True):
        for _ in range(2):
            assert api.get(url, headers={"if-none-match": own}).status_code == 304
            answer = api.get(url, headers={"if-none-match": others})
            assert (answer.status_code, answer.headers["etag"], etag_of(answer.content)) == (200, own, own)
    assert versions.older.delete(f"/images/{image}").status_code == 200
    assert versions.variants(image) == set()


@pytest.mark.row("A5")
@pytest.mark.soak
def test_what_one_version_made_is_not_counted_or_listed_by_the_other(versions: Versions) -> None:
    image = store(versions.older, photo(320, 240))
    urls = [f"/img/{image}/w{100 + number}.webp" for number in range(MOST)]
    for api in versions.both:
        assert api.get(f"/images/{image}").json()["variants"] == []
        sizes = [len(api.get(url).content) for url in urls]
        listed = api.get(f"/images/{image}").json()["variants"]
        assert [(each["url"].removeprefix(str(api.base_url)), each["bytes"]) for each in listed] == list(zip(urls, sizes, strict=True))
        assert api.get(f"/img/{image}/w99.webp").status_code == 429


@pytest.mark.row("A5", "D8")
def test_each_version_goes_on_with_what_the_other_began(versions: Versions) -> None:
    for first, second in (versions.both, versions.both[::-1]):
        picture = photo(120, 90)
        key = {"idempotency-key": f"from {first.base_url}"}
        body = {"name": "Vase", "price": "1.00", "images": upload(first, picture)}
        made = [api.post("/products", json=body, headers=key) for api in (second, first)]
        assert [answer.status_code for answer in made] == [201, 200]
        product_id = made[0].json()["id"]
        assert first.get(f"/img/{body['images'][0]}").content == picture
        assert [api.get("/products").json()["products"][0]["id"] for api in (first, second)] == [product_id] * 2
        assert first.delete(f"/products/{product_id}").status_code == 200
        assert second.get(f"/products/{product_id}").status_code == 404


@pytest.mark.row("D8")
def test_an_older_version_starts_on_a_schema_that_is_newer_and_says_so(versions: Versions, tmp_path: Path) -> None:
    with running_app(tmp_path, versions.settings) as (app, api):
        assert "schema_is_newer" in app.log_text()
        used(api)
    assert asyncio.run(schema(versions.settings)) == LATEST
    assert f"schema {LATEST}, which a newer ProgImage made" in asyncio.run(diagnosed(versions.settings))
