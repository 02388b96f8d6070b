"""What is cropped, turned or mirrored after the decoder shrank the picture looks as if it had been done before."""

import math
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pyvips
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bench.drawing import LIMITS, drawn, resolved
from tests.pictures import CORPUS, covering
from transforms.engine import probe
from transforms.shrink import loading
from transforms.values import Facts

WIDTH, HEIGHT = 1600, 1200
# In dB. A quarter of a pixel beside its place, a photo with sharp edges falls to 33.
LEAST_PSNR = 40
PHOTO = CORPUS / "photos" / "waterfront-12mp-4032x3024.jpg"


class Source(NamedTuple):
    path: Path
    facts: Facts


def like_a_photo(width: int, height: int) -> Any:
    """Coarse and fine structure in about the shares that photos have, and disks with hard edges."""
    picture = pyvips.Image.black(width, height).linear([1, 1, 1], [100, 120, 140])
    for octave, cell in enumerate((256, 128, 64, 32, 16, 8)):
        picture += pyvips.Image.perlin(width, height, cell_size=cell, seed=octave) * (60 * (cell / 256) ** 0.7)
    distance = pyvips.Image.xyz(width, height) % 300 - 150
    disks = ((distance[0] ** 2 + distance[1] ** 2) < 70**2).ifthenelse([40, -30, 20], [0, 0, 0])
    return (picture + disks).cast("uchar").copy(interpretation="srgb")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Source]:
    """The same picture stored upright and lying, and as a WebP; and a real photo where there is one."""
    folder, picture = tmp_path_factory.mktemp("shrink"), like_a_photo(WIDTH, HEIGHT)
    lying = picture.rot270().copy()
    lying.set_type(pyvips.GValue.gint_type, "orientation", 6)
    picture.write_to_file(str(folder / "upright.jpg"), Q=95)
    lying.write_to_file(str(folder / "lying.jpg"), Q=95)
    picture.write_to_file(str(folder / "upright.webp"), Q=95)
    paths = [*folder.iterdir(), *([PHOTO] if PHOTO.exists() else [])]
    return {path.name: Source(path, probe(path, LIMITS)) for path in paths}


def psnr(one: bytes, other: bytes) -> float:
    """Peak signal-to-noise ratio of two 8-bit pictures, in dB."""
    left, right = (pyvips.Image.new_from_buffer(data, "") for data in (one, other))
    assert (left.width, left.height) == (right.width, right.height)
    return 10 * math.log10(255**2 / max(((left - right) ** 2).avg(), 1e-9))


def likeness(source: Source, steps: str, width: int, folder: Path) -> float:
    """Of `steps`/`w…` in one plan, where the decoder shrinks, and of the two in turn, where it does not; in dB."""
    both = f"{steps}/w{width}"
    plan = resolved(both, "png", source.path, source.facts).plan
    assert loading(plan, source.facts).size != source.facts.size, "nothing was shrunk, so nothing is shown"
    whole = folder / f"{source.path.name} {steps.replace('/', ' ')}.png"
    whole.write_bytes(drawn(steps, "png", source.path, source.facts).data)
    in_turn = drawn(f"w{width}", "png", whole, probe(whole, LIMITS))
    return psnr(drawn(both, "png", source.path, source.facts).data, in_turn.data)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("whole")


percent = st.integers(0, 60)
crops = st.builds("crop_{}p_{}p_{}p_{}p".format, percent, percent, st.integers(20, 100), st.integers(20, 100))
ratios = st.builds("ar_{}_{},g_{}".format, st.integers(1, 9), st.integers(1, 9), st.sampled_from(["north", "center", "0.3_0.77"]))
turns = st.sampled_from(["flip_h", "flip_v", "rotate90", "rotate180", "rotate270"])
chains = st.lists(st.one_of(crops, ratios, turns), min_size=1, max_size=3).map("/".join)


@given(name=st.sampled_from(["upright.jpg", "lying.jpg", "upright.webp"]), steps=chains, divisor=st.integers(5, 24))
@settings(max_examples=settings().max_examples // 4)
def test_steps_before_a_resize_may_run_on_the_shrunken_picture(
    sources: dict[str, Source], folder: Path, name: str, steps: str, divisor: int
) -> None:
    source = sources[name]
    plan = resolved(steps, "png", source.path, source.facts)
    assume(str(plan.plan) != "_" and min(plan.size) > 2 * divisor)
    assert likeness(source, steps, max(1, plan.size.width * 2 // divisor), folder) >= LEAST_PSNR


STEPS = ["ar_16_9", "crop_101_203_1999_1001", "rotate90", "ar_1_1,g_0.3_0.77/flip_v", "crop_7_5_4001_3003/rotate270"]


@pytest.mark.parametrize(("steps", "width"), covering(STEPS, [504, 237]))
def test_steps_on_a_real_photo_may_run_after_it_was_shrunk(sources: dict[str, Source], folder: Path, steps: str, width: int) -> None:
    if PHOTO.name not in sources:
        pytest.skip(f"the corpus of test pictures is not at {CORPUS}")
    assert likeness(sources[PHOTO.name], steps, width, folder) >= LEAST_PSNR
