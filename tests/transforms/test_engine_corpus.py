"""Real pictures, bombs and broken files, in children as they are in production: nothing hangs, and nothing kills this process."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import pyvips

from tests.pictures import CORPUS, Sample, colours, encoded, image, samples
from transforms.engine import execute, prepare, self_test, verify
from transforms.errors import BrokenImage, ImageError, RenderTimeout, UnsupportedFormat
from transforms.formats import FORMATS
from transforms.grammar import parse
from transforms.limits import Limits
from transforms.pool import RenderPool

pytestmark = pytest.mark.anyio

EVERYTHING = Limits(accepted=frozenset(FORMATS))
SAMPLES = samples()
needs_corpus = pytest.mark.skipif(not SAMPLES, reason=f"the corpus of test pictures is not at {CORPUS}")


@pytest.fixture(scope="module")
async def pool() -> AsyncIterator[RenderPool]:
    pool = RenderPool(workers=2, wait=30, soft=30, deadline=30, prepare=partial(prepare, EVERYTHING.accepted))
    yield pool
    await pool.close()


@pytest.fixture(scope="module")
async def cautious() -> AsyncIterator[RenderPool]:
    pool = RenderPool(workers=1, wait=30, prepare=partial(prepare, Limits().accepted))
    yield pool
    await pool.close()


@needs_corpus
@pytest.mark.parametrize("sample", SAMPLES)
async def test_every_sample_is_rendered_or_refused_as_its_manifest_says(pool: RenderPool, sample: Sample) -> None:
    try:
        facts = await pool.run(verify, sample.path, EVERYTHING)
        plan = parse("w256", "webp").resolve(facts)
        rendition = await pool.run(execute, plan.plan, sample.path, facts, EVERYTHING)
    except (ImageError, RenderTimeout):
        if sample.expected == "accept":
            raise
        return
    assert sample.expected != "reject"
    assert rendition.size == plan.size
    if sample.expected == "accept":
        assert (facts.format, facts.size) == (sample.format, sample.size)


@needs_corpus
@pytest.mark.parametrize("sample", [param for param in SAMPLES if str(param.id).startswith(("svg/", "tiff/", "heic/", "other/"))])
async def test_what_is_off_or_cannot_be_read_says_so(cautious: RenderPool, sample: Sample) -> None:
    with pytest.raises(UnsupportedFormat) as caught:
        await cautious.run(verify, sample.path, Limits())
    assert str(caught.value.facts["detected"]) in str(caught.value).lower() or "cannot read" in str(caught.value)
    assert ("setting" in caught.value.facts) == (sample.name.startswith(("svg/", "tiff/")))


@needs_corpus
@pytest.mark.parametrize("orientation", range(1, 9))
async def test_the_orientation_family_looks_alike(pool: RenderPool, orientation: int) -> None:
    """Eight photos of one scene, shown the same way up; each has its digit, and little else differs."""
    seen = []
    for path in (CORPUS / f"orientation/landscape-exif{number}.jpg" for number in (1, orientation)):
        facts = await pool.run(verify, path, EVERYTHING)
        rendition = await pool.run(execute, parse("w60", "png").resolve(facts).plan, path, facts, EVERYTHING)
        seen.append(pyvips.Image.new_from_buffer(rendition.data, ""))
    assert (seen[0] - seen[1]).abs().avg() < 12


@needs_corpus
async def test_an_svg_does_not_see_its_neighbours(pool: RenderPool) -> None:
    path = CORPUS / "bombs/gen-svg-sibling-file.svg"
    facts = await pool.run(verify, path, EVERYTHING)
    rendition = await pool.run(execute, parse("_", "png").resolve(facts).plan, path, facts, EVERYTHING)
    assert [colour[3] for colour in colours(rendition.data)] == [0, 0, 0, 0]


@needs_corpus
@pytest.mark.parametrize(("brands", "error"), [(b"avifmif1", BrokenImage), (b"mif1avif", UnsupportedFormat)])
async def test_hevc_under_the_brands_of_avif_is_refused(pool: RenderPool, tmp_path: Path, brands: bytes, error: type[Exception]) -> None:
    original = (CORPUS / "heic/example-1280x854.heic").read_bytes()
    disguised = tmp_path / "disguised.avif"
    disguised.write_bytes(original[:8] + brands[:4] + original[12:16] + brands[4:] + original[20:])
    with pytest.raises(error):
        await pool.run(verify, disguised, EVERYTHING)


def loads(path: Path) -> bool:
    """Whether libvips opens a file when nobody asked what it is."""
    try:
        pyvips.Image.new_from_file(str(path))
    except pyvips.Error:
        return False
    return True


@pytest.mark.parametrize(
    ("suffix", "loaded"),
    [(".jpg", True), (".png", True), (".webp", True), (".gif", True), (".avif", True), (".tif", False), (".v", False), (".csv", False)],
)
async def test_loaders_of_other_formats_are_blocked(cautious: RenderPool, tmp_path: Path, suffix: str, loaded: bool) -> None:
    path = tmp_path / f"picture{suffix}"
    image().extract_band(0, n=1 if suffix == ".csv" else 3).write_to_file(str(path))
    assert await cautious.run(loads, path) is loaded


async def test_svg_is_never_opened_by_its_path(pool: RenderPool, tmp_path: Path) -> None:
    path = tmp_path / "picture.svg"
    path.write_text('<svg xmlns="http://www.w3.org/2000/svg" width="6" height="4"/>')
    assert not await pool.run(loads, path)
    assert (await pool.run(verify, path, EVERYTHING)).format == "svg"


async def test_the_self_test_passes_in_a_child(cautious: RenderPool) -> None:
    await cautious.run(self_test)


async def test_a_disguise_does_not_help(cautious: RenderPool, tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    path.write_bytes(encoded(image(), ".tif"))
    with pytest.raises(UnsupportedFormat, match="tiff"):
        await cautious.run(verify, path, Limits())
