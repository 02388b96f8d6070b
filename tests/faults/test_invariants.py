"""The checker of invariants finds nothing where all is well, and everything that was broken."""

import asyncio
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx2
import pytest
from redis import Redis
from sqlalchemy import text

from catalog.session import connect
from proxy.settings import Settings
from services.embedded import EmbeddedRedis
from services.ids import facts_key
from tests.deployments import Deployment, embedded
from tests.e2e.conftest import eventually
from tests.faults.invariants import agreement
from tests.faults.tagged import tagged

# It is needed in the soak only.
pytestmark = pytest.mark.soak


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Deployment]:
    """A deployment that nobody misses."""
    with embedded(tmp_path) as deployment:
        yield deployment


def stored(deployment: Deployment, *numbers: int) -> list[str]:
    with httpx2.Client(base_url=deployment.url, timeout=30, trust_env=False) as api:
        return [eventually(partial(accepted, api, tagged(number))) for number in numbers]


def accepted(api: httpx2.Client, picture: bytes) -> str | None:
    """Its id, or None: a busy machine may ask to come again."""
    answer = api.post("/images", content=picture)
    assert answer.status_code in {201, 503}, answer.text
    return str(answer.json()["id"]) if answer.status_code == 201 else None


def test_what_was_stored_is_readable_and_agrees(deployment: Deployment) -> None:
    ids = stored(deployment, 101, 102)
    found = agreement(deployment, ids)
    assert found.lost == ()
    assert found.images >= 2
    # Other tests use the same deployment, and may have left something behind.
    assert not [complaint for complaint in (*found.damaged, *found.untrue, *found.unfinished) if complaint.startswith(tuple(ids))]


def execute(settings: Settings, statement: str) -> None:
    async def run() -> None:
        engine = connect(settings.database_url)
        async with engine.begin() as connection:
            await connection.execute(text(statement))
        await engine.dispose()

    asyncio.run(run())


@pytest.mark.xdist_group("faults-invariants")
def test_each_break_is_found(own: Deployment) -> None:
    missing, changed, untrue, hidden, whole = stored(own, 1, 2, 3, 4, 5)
    settings = Settings(data=Path(own.env["PROGIMAGE_DATA"]))
    root = Path(settings.storage_url)
    (root / f"originals/images/{missing}.jpg").unlink()
    (root / f"originals/images/{changed}.jpg").write_bytes(tagged(6))
    (root / facts_key(untrue)).write_text("{}")
    (root / "originals/images" / f"{'a' * 26}.jpg").write_bytes(b"whose is it?")
    execute(settings, f"UPDATE image SET state = 'deleting' WHERE id = '{hidden}'")
    execute(settings, "INSERT INTO outbox (id, kind, subject, payload, created_at) VALUES ('x', 'commit', 'gone', '{}', '2040-01-01')")
    with Redis.from_url(EmbeddedRedis(settings.data, maxmemory=0).url) as redis:
        redis.hincrby("staging:sizes", "total", 7)
    found = agreement(own, [missing, whole, "b" * 26], settle=0)
    assert subjects(found.damaged) == {missing, changed}
    assert subjects(found.untrue) == {untrue}
    assert subjects(found.unfinished) == {hidden}
    assert found.undone["commit"] == 1
    assert subjects(found.lost) == {missing, "b" * 26}
    assert len(found.staging) == 1
    # That of nobody, and that of the row which is on its way.
    assert found.orphans["originals/"] == 2
    assert found.images == 4


def subjects(complaints: tuple[str, ...]) -> set[str]:
    return {complaint.split(":")[0] for complaint in complaints}
