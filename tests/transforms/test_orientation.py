"""Whatever way a picture lies in its file, every plan shows the same: the eight EXIF orientations through all that moves pixels."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import pyvips

from tests.pictures import CORPUS, UNDO_ORIENTATION, covering, encoded
from tests.transforms.test_engine import LIMITS, Studio, reopened
from transforms.engine import execute, probe
from transforms.grammar import parse
from transforms.values import Rendition

# Unlike sides, so that a swap of them shows; large enough that decoders shrink by 8 for the smallest of the plans.
WIDTH, HEIGHT = 480, 320
PLANS = [
    "_",
    "w48",
    "h40",
    "w60,h60,fit_cover",
    "w60,h60,fit_cover,g_north",
    "w60,h60,fit_cover,g_southwest",
    "w60,h30,fit_cover,g_0.9_0.1",
    "w60,h90,fit_fill",
    "w60,h60,fit_outside",
    "w60,h60,fit_contain,bg_123456",
    "w600,enlarge",
    "crop_20_10_300_200",
    "crop_10p_20p_50p_30p",
    "crop_20_10_400_240,w40",
    "crop_50p_0_50p_50p,w30",
    "ar_1_1",
    "ar_1_1,g_west,w40",
    "rotate90",
    "rotate90,w40",
    "rotate30,bg_ffffff",
    "flip_h",
    "flip_v,w40",
    "flip_hv,rotate270,w40",
    "pad_1_20_30_4,bg_ff0000",
    "radius30,bg_ffffff",
    "mask_heart,bg_ffffff",
    "rotate90/crop_0_0_200_300/w40",
    "w240/flip_h/crop_10_20_100_60",
    "crop_100_50_300_200/rotate180/w30,h30,fit_cover",
]
# Decoders that shrink do so on blocks of the picture as it lies, and JPEG loses in other blocks. The largest mean difference of all
# plans, orientations and formats was 0.97 of 255 (WebP); a picture that is left lying differs by 56 or more.
SAME, DIFFERENT = 1.5, 50


@cache
def upright() -> Any:
    """Brighter to the right in red, downwards in green, with a blue patch in one corner: nothing in it is symmetric."""
    xy = pyvips.Image.xyz(WIDTH, HEIGHT)
    patch = (xy[0] < WIDTH / 4) & (xy[1] < HEIGHT / 3)
    return (xy[0] * 250 / WIDTH).bandjoin([xy[1] * 250 / HEIGHT, patch]).cast("uchar").copy(interpretation="srgb")


@cache
def stored(orientation: int, suffix: str) -> bytes:
    lying = UNDO_ORIENTATION[orientation](upright()).copy()
    lying.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    return encoded(lying, suffix, **({"Q": 95} if suffix in (".jpg", ".webp") else {}))


def difference(left: Rendition, right: Rendition) -> float:
    """The mean over all pixels and bands, of 255."""
    one, other = reopened(left), reopened(right)
    assert (one.width, one.height, one.bands) == (other.width, other.height, other.bands)
    mean: float = (one - other).abs().avg()
    return mean


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


@pytest.mark.parametrize(("suffix", "plan"), covering([".jpg", ".png", ".webp", ".tif"], PLANS))
def test_every_plan_shows_the_same_whatever_the_orientation(studio: Studio, suffix: str, plan: str) -> None:
    expected = studio.render(stored(1, suffix), plan, "png")
    for orientation in range(2, 9):
        assert difference(studio.render(stored(orientation, suffix), plan, "png"), expected) < SAME, orientation


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_picture_that_is_left_lying_would_be_found_out(studio: Studio, orientation: int) -> None:
    plan = "w60,h60,fit_fill"
    lying = studio.render(stored(orientation, ".jpg"), f"orient_none,{plan}", "png")
    assert difference(lying, studio.render(stored(1, ".jpg"), plan, "png")) > DIFFERENT


@pytest.mark.parametrize(("orientation", "plan"), covering(range(2, 9), PLANS))
def test_left_lying_a_picture_is_what_its_file_holds(studio: Studio, orientation: int, plan: str) -> None:
    """The same pixels without a tag, through the same plan."""
    untagged = encoded(UNDO_ORIENTATION[orientation](upright()), ".png")
    lying = studio.render(stored(orientation, ".png"), "orient_none" if plan == "_" else f"orient_none,{plan}", "png")
    assert difference(lying, studio.render(untagged, plan, "png")) == 0


FAMILY = [CORPUS / f"orientation/landscape-exif{number}.jpg" for number in range(2, 9)]


@pytest.mark.skipif(not FAMILY[0].exists(), reason=f"the corpus of test pictures is not at {CORPUS}")
@pytest.mark.parametrize(("path", "plan"), covering(FAMILY[1:], PLANS))
def test_real_photos_of_all_orientations_look_alike(path: Path, plan: str) -> None:
    """Each has its number written on it: between two of them it makes a difference of up to 6.9."""
    one, other = (
        execute(parse(plan, "png").resolve(facts).plan, photo, facts, LIMITS)
        for photo, facts in ((photo, probe(photo, LIMITS)) for photo in (FAMILY[0], path))
    )
    assert difference(one, other) < 10


@pytest.mark.skipif(not FAMILY[0].exists(), reason=f"the corpus of test pictures is not at {CORPUS}")
@pytest.mark.parametrize(
    "name", ["png-exif5.png", "png-exif6.png", "brg-profile-exif5.jpg", "jpg-illegal-value.jpg", "avif-irot1-imir0.avif"]
)
@pytest.mark.parametrize("plan", ["w40", "crop_10p_10p_50p_60p,w30", "rotate90/w40"])
def test_other_carriers_of_orientation_are_turned_once(studio: Studio, name: str, plan: str) -> None:
    """Against a whole decode that was turned first, and then went through the plan as a picture of its own."""
    path = CORPUS / "orientation" / name
    facts = probe(path, LIMITS)
    whole = pyvips.Image.new_from_file(str(path)).autorot()
    whole = (whole.icc_transform("srgb") if "icc-profile-data" in whole.get_fields() else whole).copy()
    whole.remove("orientation")
    assert (whole.width, whole.height) == facts.size
    made = execute(parse(plan, "png").resolve(facts).plan, path, facts, LIMITS)
    # 1.6 for the smallest JPEG, whose decoder shrinks before its profile is applied; 0.3 and less for the others.
    assert difference(made, studio.render(encoded(whole), plan, "png")) < 2 * SAME


@pytest.mark.parametrize("plan", ["w500,enlarge", "w481,enlarge", "w731,enlarge,kernel_linear", "w700,h90,fit_fill,enlarge"])
def test_what_is_enlarged_is_not_moved(studio: Studio, plan: str) -> None:
    """Half a pixel off would show at every edge: without loss, a picture that lies on its head gives the very same."""
    one, other = (reopened(studio.render(stored(orientation, ".png"), plan, "png")) for orientation in (1, 3))
    assert (one - other).abs().max() <= 1
