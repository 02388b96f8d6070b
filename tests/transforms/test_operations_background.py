"""bg_auto and bg_blur: the picture's own colour, or the picture itself, behind it."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import pyvips

from tests.pictures import BLUE, GREEN, RED, animation, encoded, image, near
from transforms.engine import execute, verify
from transforms.errors import PlanError
from transforms.formats import FORMATS
from transforms.grammar import parse
from transforms.limits import Limits
from transforms.values import Facts, Rendition

LIMITS = Limits(accepted=frozenset(FORMATS))
PHOTO = Facts(format="jpg", width=800, height=600)
MAIN = (30, 90, 150)
# All that lays something bare, or lets something through. Each leaves the left upper pixel to the background.
BARING = ["w80,h80,fit_contain", "pad20", "pad_5_0_0_5,dpr2", "rotate45", "radius_max", "mask_circle", "opacity0"]


def plain(width: int, height: int, ink: tuple[int, ...], bands: str = "srgb") -> Any:
    return pyvips.Image.black(width, height).new_from_image(list(ink)).cast("uchar").copy(interpretation=bands)


def mostly(ink: tuple[int, ...] = MAIN) -> Any:
    """Of one colour but for a red square in the middle."""
    return plain(60, 40, ink).insert(plain(12, 12, RED), 24, 14)


def frames(*pictures: Any) -> bytes:
    made = pyvips.Image.arrayjoin(list(pictures), across=1).copy()
    made.set_type(pyvips.GValue.gint_type, "page-height", pictures[0].height)
    return encoded(made, ".webp", lossless=True)


def render(folder: Path, data: bytes, plan: str, extension: str = "png") -> Rendition:
    (path := folder / "original").write_bytes(data)
    facts = verify(path, LIMITS)
    return execute(parse(plan, extension).resolve(facts).plan, path, facts, LIMITS)


def opened(rendition: Rendition, **options: int) -> Any:
    return pyvips.Image.new_from_buffer(rendition.data, "", **options)


def at(picture: Any, x: int, y: int) -> tuple[int, ...]:
    return tuple(round(value) for value in picture(x, y))


@pytest.mark.parametrize("word", ["auto", "blur"])
@pytest.mark.parametrize("extension", ["jpg", "png", "webp", "auto"])
def test_words_are_kept_in_every_format(word: str, extension: str) -> None:
    assert str(parse(f"bg_{word},w9", extension)) == f"w9,bg_{word}"
    assert str(parse(f"w9,h9,fit_contain,bg_{word}", extension)) == f"w9,h9,fit_contain,bg_{word}"


@pytest.mark.parametrize("text", ["bg_autos", "bg1", "bg_blur_3", "bg_auto_blur", "bg", "bg_AUTO"])
def test_what_is_no_background_is_refused_by_saying_what_is(text: str) -> None:
    with pytest.raises(PlanError, match=r"hexadecimal digits .*_transparent.*_auto .*_blur"):
        parse(text, "webp")


@pytest.mark.parametrize("baring", BARING)
@pytest.mark.parametrize("word", ["auto", "blur"])
def test_nothing_shines_through_what_has_a_background(baring: str, word: str) -> None:
    for alpha in (True, False):
        facts = Facts(format="png", width=60, height=40, alpha=alpha)
        assert parse(baring, "webp").transparent(facts)
        assert parse(f"{baring},bg_{word}", "webp").transparent(facts) is False


@pytest.mark.parametrize("baring", BARING)
@pytest.mark.parametrize("extension", ["png", "jpg"])
@pytest.mark.parametrize("bands", [3, 1])
def test_auto_is_the_colour_that_most_of_the_picture_has(tmp_path: Path, baring: str, extension: str, bands: int) -> None:
    picture = mostly() if bands == 3 else plain(60, 40, (90,), "b-w")
    made = opened(render(tmp_path, encoded(picture), f"{baring},bg_auto", extension))
    assert made.bands == 3
    assert near(at(made, 0, 0), MAIN if bands == 3 else (90, 90, 90), 3)


def test_auto_looks_at_what_is_left_of_the_picture(tmp_path: Path) -> None:
    halves = plain(60, 40, GREEN).join(plain(20, 40, BLUE), "horizontal")
    assert at(opened(render(tmp_path, encoded(halves), "crop_50_0_30_40,pad9,bg_auto")), 0, 0) == BLUE
    assert (
        at(opened(render(tmp_path, encoded(halves), "pad9,bg_auto/gray")), 0, 0)[0]
        == at(opened(render(tmp_path, encoded(halves), "gray")), 0, 0)[0]
    )


@pytest.mark.parametrize("baring", [plan for plan in BARING if plan != "opacity0"])
def test_frames_have_one_colour(tmp_path: Path, baring: str) -> None:
    rendition = render(tmp_path, frames(mostly(), plain(60, 40, GREEN), mostly(GREEN)), f"{baring},bg_auto,lossless", "webp")
    assert all(near(at(opened(rendition, page=page), 0, 0)[:3], MAIN, 3) for page in range(3))


@pytest.mark.parametrize("word", ["auto", "blur"])
@pytest.mark.parametrize("baring", ["_", *BARING])
@pytest.mark.parametrize(
    "picture",
    [
        mostly(),
        plain(1, 1, RED),
        plain(1, 200, RED),
        plain(200, 1, (*RED, 128)),
        plain(60, 40, (77,), "b-w"),
        plain(60, 40, (77, 9), "b-w"),
        plain(9, 9, (*RED, 0)),
        mostly().colourspace("rgb16"),
    ],
)
def test_the_result_is_opaque_and_exact_whatever_the_picture(tmp_path: Path, baring: str, word: str, picture: Any) -> None:
    plan = f"{baring},bg_{word}" if baring != "_" else f"bg_{word}"
    rendition = render(tmp_path, encoded(picture), plan)
    made = opened(rendition)
    assert (made.width, made.height, made.bands, made.format) == (*rendition.size, 3, "uchar")


@pytest.mark.parametrize("extension", ["png", "jpg"])
@pytest.mark.parametrize("word", ["auto", "blur"])
def test_what_is_transparent_is_filled_and_what_is_opaque_stays(tmp_path: Path, word: str, extension: str) -> None:
    hidden = plain(60, 40, (255, 0, 255, 0)).insert(plain(30, 40, (*MAIN, 255)), 0, 0)
    made = opened(render(tmp_path, encoded(hidden), f"bg_{word}", extension))
    assert made.bands == 3
    assert all(near(at(made, x, 20), MAIN, 4) for x in range(60))


def test_a_blurred_copy_covers_the_canvas(tmp_path: Path) -> None:
    """The square in the middle of a wide canvas: to the left and right of it is the picture itself, drawn out, in its place and smooth."""
    picture = image(100, 100, quarters=(RED, RED, BLUE, BLUE))
    made = opened(render(tmp_path, encoded(picture), "w300,h100,fit_contain,bg_blur"))
    assert (made.crop(100, 0, 100, 100) - picture).abs().max() == 0
    left = made.crop(0, 0, 100, 100)
    assert near(at(left, 50, 2), RED, 16)
    assert near(at(left, 50, 97), BLUE, 16)
    rows = [at(left, 50, y) for y in range(100)]
    assert max(abs(one - other) for upper, lower in pairwise(rows) for one, other in zip(upper, lower, strict=True)) < 16
    assert (left - made.crop(200, 0, 100, 100).fliphor()).abs().max() <= 2


def test_a_blurred_copy_looks_the_same_at_every_size(tmp_path: Path) -> None:
    data = encoded(image(400, 400))
    small, large = (opened(render(tmp_path, data, f"w{side},h{side // 2},fit_contain,bg_blur")) for side in (200, 600))
    assert (large.thumbnail_image(200, height=100, size="force") - small).abs().avg() < 3


def test_each_frame_has_its_own_copy_behind_it(tmp_path: Path) -> None:
    rendition = render(tmp_path, animation(), "pad_0_20_0_20,bg_blur,lossless", "webp")
    first, second = (opened(rendition, page=page) for page in (0, 1))
    assert near(at(first, 0, 0)[:3], RED, 16)
    assert near(at(second, 0, 0)[:3], GREEN, 16)


@pytest.mark.parametrize(
    ("baring", "inside"),
    [("rotate45", (35, 35)), ("radius20", (30, 20)), ("mask_ellipse", (30, 20)), ("pad10", (40, 30)), ("w60,h60,fit_contain", (30, 30))],
)
@pytest.mark.parametrize("word", ["auto", "blur"])
def test_the_picture_lies_before_its_background(tmp_path: Path, baring: str, inside: tuple[int, int], word: str) -> None:
    assert near(at(opened(render(tmp_path, encoded(mostly()), f"{baring},bg_{word}")), *inside), RED, 3)
