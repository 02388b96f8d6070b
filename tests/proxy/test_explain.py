"""What is said of a picture's URL without making the picture: as a request would go, and nothing is changed."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from catalog.records import SourceRecord
from proxy.explain import check_there, explained, report
from proxy.report import Report, as_json, as_text
from proxy.server import CannotStart
from proxy.settings import Settings
from proxy.signing import Signer
from proxy.wiring import build
from services.commit import commit_images
from services.container import Services
from services.deliver import deliver
from services.embedded import EmbeddedRedis
from services.known import find
from services.quarantine import quarantined
from services.resolving import resolve
from services.stage import stage
from services.warm import warm
from tests.photos import photo
from tests.pictures import animation
from transforms.errors import DecoderCrashed
from transforms.geometry import Size
from transforms.grammar import parse

pytestmark = pytest.mark.anyio

SOURCE = "https://example.com/a.jpg"
KEY = "k" * 32
SIGNER = Signer(keys={"k1": KEY.encode()}, required="off")


@dataclass(frozen=True, kw_only=True)
class Place:
    """A server's data, and the images in it by name."""

    given: Mapping[str, Any]
    services: Services
    images: Mapping[str, str]

    @property
    def settings(self) -> Settings:
        return Settings(**self.given)

    async def explained(self, url: str, accept: str | None = None, **settings: Any) -> Report:
        """`{name}` in the URL is the id of that image. Other settings want collaborators of their own."""
        if settings:
            return await report(Settings(**{**self.given, **settings}), url.format(**self.images), accept)
        return await explained(self.services, self.settings, url.format(**self.images), accept)


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    server = EmbeddedRedis(tmp_path_factory.mktemp("explained"), maxmemory=256 * 1024**2)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory, redis: EmbeddedRedis) -> AsyncIterator[Place]:
    given: dict[str, Any] = {"data": tmp_path_factory.mktemp("data"), "redis_url": redis.url, "renderers": 1}
    async with build(Settings(**given)) as services:
        images = {
            "large": await _stored(services, photo(2400, 1800)),
            "moving": await _stored(services, animation(frames=3)),
            "crashing": await _stored(services, photo(65, 48)),
            "staged": await _staged(services, photo(66, 48)),
        }
        await warm(services, "a message", images["large"])
        crashing = await find(services, images["crashing"])
        with pytest.raises(DecoderCrashed):
            async with quarantined(services, crashing.sha256):
                raise DecoderCrashed("It did.")
        now = datetime.now(UTC)
        for url, fresh in ((SOURCE, timedelta(hours=1)), (f"{SOURCE}.old", -timedelta(hours=1))):
            record = SourceRecord(url=url, image_id=images["large"], etag='"v1"', fresh_until=now + fresh, checked_at=now)
            await services.catalog.remember_source(record)
        yield Place(given=given, services=services, images=images)


async def _staged(services: Services, picture: bytes) -> str:
    async def body() -> AsyncIterator[bytes]:
        yield picture

    return (await stage(services, body())).staged.image_id


async def _stored(services: Services, picture: bytes) -> str:
    (image,) = await commit_images(services, [await _staged(services, picture)])
    return image.id


@pytest.mark.parametrize(
    ("url", "accept", "section", "told"),
    [
        ("/img/{large}/h300,w0400.webp", None, "url", {"canonical": "/img/{large}/w400,h300.webp", "answer": "308 to …"}),
        ("https://cdn.example/img/{large}/w400.webp", None, "url", {"canonical": "/img/{large}/w400.webp", "answer": None}),
        ("/img/{large}/w%34%30%30.webp?v=2", None, "url", {"canonical": "/img/{large}/w400.webp", "answer": "308 to the canonical URL, …"}),
        ("/img/{large}/w40,h40,fit_cover,g_focal.webp", None, "url", {"focal": "307 to /img/{large}/w40,h40,fit_cover.webp, …"}),
        ("/img/{large}.png", None, "image", {"format": "jpg", "size": Size(2400, 1800), "original": "originals/images/{large}.jpg"}),
        ("/img/{large}", None, "headers", {"cache-control": "public, max-age=31536000, immutable", "accept-ranges": "bytes"}),
        ("/img/{large}/w200/rotate90,q50.jpg", None, "plan", {"steps": ["w200 -> 200 x 150", "rotate90 -> 150 x 200", "q50"]}),
        ("/img/{large}/p_thumbnail.webp", None, "plan", {"asked": "p_thumbnail.webp", "resolved": "w128,h128,fit_cover.webp"}),
        ("/img/{large}/p_thumbnail.webp", None, "headers", {"cache-control": "public, max-age=3600, must-revalidate"}),
        ("/img/{large}/w50.auto", "image/avif", "plan", {"resolved": "w50.avif"}),
        ("/img/{large}/w50.auto", None, "headers", {"content-location": "/img/{large}/w50.jpg", "vary": "Accept"}),
        ("/img/{large}/w50.webp.json", None, "headers", {"content-type": "application/json", "accept-ranges": None}),
        ("/img/{large}/trim/w50.webp", None, "plan", {"unknown": "the part to which it trims, …", "resolved": None}),
        ("/img/{large}/w256.webp", None, "cache", {"stored": True}),
        ("/img/{large}/w257.webp", None, "cache", {"stored": False, "etag": None, "bytes": None}),
        ("/img/{large}/w257.webp", None, "cost", {"decodes": Size(1024, 768), "resized_to": Size(257, 193), "bytes_held": 0}),
        ("/img/{large}/w2000/blur3.webp", None, "cost", {"decodes": Size(2400, 1800), "bytes_held": 2000 * 1500 * 3}),
        ("/img/{moving}/w30.jpg", None, "result", {"warnings": ["Only the first of 3 frames is shown: jpg does not move."]}),
        ("/img/{moving}/w30.webp", None, "result", {"frames": 3}),
        ("/img/{staged}/w30.webp", None, "cache", {"key": None, "stored": False}),
        ("/img/{staged}/w30.webp", None, "headers", {"cache-control": "private, max-age=60"}),
    ],
)  # fmt: skip
async def test_a_url_is_explained(place: Place, url: str, accept: str | None, section: str, told: dict[str, object]) -> None:
    found = await place.explained(url, accept)
    assert "problem" not in found
    for name, value in told.items():
        said = found[section].get(name)
        expected = value.format(**place.images) if isinstance(value, str) else value
        assert said == expected or (isinstance(expected, str) and str(said).startswith(expected.removesuffix("…"))), (name, said)


@pytest.mark.parametrize(
    ("url", "problem", "status"),
    [
        ("/x", "bad-request", 400),
        ("http://[/img/a", "bad-request", 400),
        ("/img/{large}/w0.webp", "bad-plan", 400),
        ("/img/aaaaaaaaaaaaaaaaaaaaaaaaaa/w9.webp", "unknown-image", 404),
        ("/img/{large}/p_none.webp", "bad-plan", 400),
        ("/img/{large}/crop_9000_0_9_9.webp", "impossible-output", 422),
        ("/img/{large}/w2400,palette/w9000,enlarge.png", "impossible-output", 422),
        ("/img/{crashing}/w9.webp", "decoder-failed", 422),
        ("/img/{large}/w31,wm_aaaaaaaaaaaaaaaaaaaaaaaaaa.webp", "unknown-image", 404),
        ("/img/{large}/w31,wm_{staged}.webp", "unknown-image", 404),
        ("/img/w9.webp?url=https://example.com/a.jpg", "remote-off", 403),
        ("/img/{large}/w9.webp?s=AAAA", "bad-signature", 403),
    ],
)
async def test_an_error_is_the_problem_that_it_would_be(place: Place, url: str, problem: str, status: int) -> None:
    found = (await place.explained(url))["problem"]
    assert (found["type"], found["status"]) == (f"/problems/{problem}", status)


async def test_what_is_told_is_what_is_made(place: Place) -> None:
    told = await place.explained("/img/{large}/w300.webp")
    image = await find(place.services, place.images["large"])
    delivery = await deliver(place.services, image, await resolve(place.services, parse("w300", "webp"), image, None))
    again = await place.explained("/img/{large}/w300.webp")
    assert (told["cache"]["stored"], again["cache"]["stored"]) == (False, True)
    assert again["cache"]["key"] == told["cache"]["key"]
    assert (again["cache"]["bytes"], again["cache"]["etag"]) == (len(delivery.variant.data), delivery.variant.etag)
    assert again["headers"]["etag"] == f'"{delivery.variant.etag}"'
    assert again["result"]["size"] == delivery.variant.size


async def test_nothing_is_changed(place: Place) -> None:
    def files() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in place.settings.data.rglob("*") if path.is_file() and "sqlite" not in path.name}

    before = files()
    for url in ("/img/{large}/w299.webp", "/img/{large}/trim.png", "/img/{staged}/w20.webp"):
        await place.explained(url)
    assert files() == before


async def test_the_order_of_auto_is_the_operators(place: Place) -> None:
    found = await place.explained("/img/{large}/w50.auto", "image/avif,image/webp", auto_order="webp,avif")
    assert found["plan"]["resolved"] == "w50.webp"


async def test_signatures(place: Place) -> None:
    keys, path = f"k1={KEY}", f"/img/{place.images['large']}/w31.webp"
    until = int(datetime.now(UTC).timestamp()) + 1000
    good = await place.explained(SIGNER.signed(path, exp=str(until)), signing_keys=keys, signatures="all")
    assert good["signature"] == {"verdict": "good", "until": datetime.fromtimestamp(until, UTC)}
    assert "must-revalidate" in str(good["headers"]["cache-control"])
    late = await place.explained(SIGNER.signed(path, exp=str(until - 2000)), signing_keys=keys)
    assert late["problem"]["type"] == "/problems/expired-signature"
    missing = await place.explained(path, signing_keys=keys, signatures="all")
    assert missing["problem"]["type"] == "/problems/bad-signature"
    full = await place.explained(path, signing_keys=keys, variants_per_image=1)
    assert full["problem"]["type"] == "/problems/too-many-variants"
    assert "problem" not in await place.explained(SIGNER.signed(path), signing_keys=keys, variants_per_image=1)


async def test_a_remote_picture_is_explained_from_what_is_remembered(place: Place) -> None:
    async def told(url: str) -> Report:
        return await place.explained(f"/img/w31.webp?url={url}", remote_sources="example.com")

    fresh, old, unknown = await told(SOURCE), await told(f"{SOURCE}.old"), await told(f"{SOURCE}.new")
    assert fresh["source"].items() >= {"url": SOURCE, "known": "fresh: its host is not asked", "etag": '"v1"'}.items()
    assert fresh["image"]["id"] == old["image"]["id"] == place.images["large"]
    assert fresh["url"]["canonical"] == "/img/w31.webp?url=https%3A%2F%2Fexample.com%2Fa.jpg"
    assert "would be asked" in str(old["source"]["known"])
    assert list(unknown) == ["url", "signature", "source"]
    refused = await told("https://example.org/a.jpg")
    assert refused["problem"]["type"] == "/problems/source-not-allowed"


async def test_text_and_json_say_the_same(place: Place) -> None:
    found = await place.explained("/img/{large}/w2000/blur3.webp")
    text, data = as_text(found), json.loads(as_json(found))
    assert list(data) == list(found)
    assert data["cost"]["decodes"] == [2400, 1800]
    assert data["cost"]["reads"] == [{"what": "original", "key": data["image"]["original"], "bytes": data["image"]["bytes"]}]
    lines = text.splitlines()
    assert all(any(line.startswith(section) for line in lines) for section in found)
    assert any(line.split() == ["decodes", "2400", "x", "1800"] for line in lines)
    assert any("blur3 -> 2000 x 1500" in line for line in lines)


def test_no_catalog_is_made_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="no catalog"):
        check_there(Settings(data=tmp_path / "typo"))
    assert not list(tmp_path.iterdir())
