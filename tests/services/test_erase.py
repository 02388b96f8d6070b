"""Deletion with edges: they are told, what is answered says so, and one that is away holds nothing up."""

import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from services import relay
from services.container import Services
from services.edges import SECONDS, Edges
from services.erase import delete_image
from services.ids import facts_key, variants_prefix
from services.makeable import put_once
from tests.photos import photo
from tests.servers import free_port, nginx_server
from tests.services.grounds import keys, only_embedded, stored

pytestmark = [pytest.mark.anyio, only_embedded]

PICTURE = photo(64, 48)


@pytest.fixture(autouse=True)
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "GRACE", timedelta())


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


async def open_erasures(services: Services) -> list[str]:
    return [message.subject for message in await services.catalog.open_messages(["erase"], limit=9)]


async def test_a_deletion_removes_every_object_and_counts_them(services: Services) -> None:
    image = await stored(services)
    await put_once(services, f"{variants_prefix(image.id)}variant.jpg", b"bytes")
    assert sorted(await keys(services)) == sorted([facts_key(image.id), image.place, f"{variants_prefix(image.id)}variant.jpg"])
    (erasure,) = await delete_image(services, image.id)
    assert (erasure.image_id, erasure.objects, erasure.edges, erasure.done) == (image.id, 3, {}, True)
    assert await keys(services) == []
    assert await open_erasures(services) == []


async def test_an_edge_that_is_away_holds_up_neither_deletion_nor_upload(services: Services, silent: str, tmp_path: Path) -> None:
    refusing, purge = f"http://127.0.0.1:{free_port()}", free_port()
    told = f"http://127.0.0.1:{purge}"
    held = replace(services, edges=Edges([refusing, silent, told]))
    image = await stored(held, PICTURE)
    with nginx_server(tmp_path / "nginx", ["127.0.0.1:9"], purge_port=purge):
        began = time.monotonic()
        (erasure,) = await delete_image(held, image.id)
        assert time.monotonic() - began < SECONDS + 0.4
    assert (tmp_path / "nginx/deleted" / image.id).is_file()
    assert (erasure.edges, erasure.done) == ({refusing: False, silent: False, told: True}, False)
    assert await keys(held) == []
    assert await held.catalog.image(image.id) is None
    assert await open_erasures(held) == [image.id]
    assert (await stored(held, PICTURE)).id == image.id
    await held.edges.close()


async def test_an_edge_that_comes_back_is_told_by_the_relay_and_what_was_uploaded_anew_stays(services: Services, tmp_path: Path) -> None:
    purge = free_port()
    held = replace(services, edges=Edges([f"http://127.0.0.1:{purge}"]))
    image = await stored(held, PICTURE)
    await delete_image(held, image.id)
    await stored(held, PICTURE)
    with nginx_server(tmp_path / "nginx", ["127.0.0.1:9"], purge_port=purge):
        await relay.relay(held)
        assert (tmp_path / "nginx/deleted" / image.id).is_file()
    assert await open_erasures(held) == []
    assert await held.store.get(image.place)
    assert (await held.catalog.images([image.id]))[image.id].state == "ready"
    await held.edges.close()


async def test_an_erasure_that_failed_lets_others_go_first(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "AT_ONCE", 1)
    held = replace(services, edges=Edges([f"http://127.0.0.1:{free_port()}"]))
    await delete_image(held, (await stored(held)).id)
    await held.catalog.delete_image((await stored(held)).id)
    await relay.relay(held)
    assert len(await keys(held)) == 2
    await relay.relay(held)
    assert await keys(held) == []
    await held.edges.close()
