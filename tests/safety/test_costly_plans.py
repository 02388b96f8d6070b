"""Rows 21, 23 and 24 of the table of bad inputs: legal plans that cost as much as they can, on pictures that cost as much as they can."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import pyvips

from tests.pictures import encoded
from transforms.engine import prepare
from transforms.engine.posted import transform
from transforms.errors import ImpossibleOutput, RenderTimeout
from transforms.grammar import parse
from transforms.limits import Limits
from transforms.pool import RenderPool

pytestmark = pytest.mark.anyio

LIMITS = Limits()


@pytest.fixture(scope="module")
async def pool() -> AsyncIterator[RenderPool]:
    pool = RenderPool(workers=1, wait=60, prepare=partial(prepare, LIMITS.accepted))
    yield pool
    await pool.close()


async def made(pool: RenderPool, path: Path, text: str, extension: str) -> tuple[int, int]:
    rendered = await pool.run(partial(transform, accept=None, order=()), parse(text, extension), path, LIMITS, {})
    return rendered.rendition.size


def noise(width: int, height: int) -> pyvips.Image:
    return pyvips.Image.gaussnoise(width, height, sigma=60, mean=128, seed=7).cast("uchar").bandjoin([0, 255]).copy(interpretation="srgb")


@pytest.mark.parametrize("text", ["_", *(pytest.param(text, marks=pytest.mark.soak) for text in ("q100", "lossless"))])
async def test_noise_without_loss_becomes_avif_or_is_stopped(pool: RenderPool, tmp_path: Path, text: str) -> None:
    path = tmp_path / "noise.webp"
    path.write_bytes(encoded(noise(2400, 1800), ".webp", lossless=True, effort=0))
    try:
        assert await made(pool, path, text, "avif") == (2400, 1800)
    except RenderTimeout:
        assert text == "lossless"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("blur100", marks=pytest.mark.soak),
        "trim,w2000,h2000,fit_cover,g_attention,rotate45,blur100,bg_blur",
        pytest.param("ar_1_1,g_entropy,rotate33,median31,mask_star/blur100/pixelate2/rotate17", marks=pytest.mark.soak),
        "w4000,h4000,fit_contain,enlarge,bg_blur/rotate45,sharpen10/median31",
    ],
)
async def test_the_worst_of_legal_plans_ends_or_is_stopped(pool: RenderPool, tmp_path: Path, text: str) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded(noise(4000, 3000), ".jpg", Q=90))
    try:
        assert min(await made(pool, path, text, "webp")) > 0
    except (RenderTimeout, ImpossibleOutput):
        # Its child is ready for the next.
        assert await made(pool, path, "w64", "webp") == (64, 48)


@pytest.mark.parametrize(
    "text", ["trim,w100", "w100,h100,fit_cover,g_attention", "w100,h100,fit_cover,g_entropy", "ar_1_1,g_attention,w100"]
)
async def test_one_colour_over_50_megapixels_is_no_trouble(pool: RenderPool, tmp_path: Path, text: str) -> None:
    path = tmp_path / "plain.png"
    path.write_bytes(
        encoded((pyvips.Image.black(8000, 6250, bands=3) + 90).cast("uchar").copy(interpretation="srgb"), ".png", compression=1)
    )
    assert (await made(pool, path, text, "webp"))[0] == 100
