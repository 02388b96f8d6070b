"""Output options, and the shapes that pictures are cut to."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import pyvips

from tests.pictures import animation, encoded, image, near, transparent
from tests.transforms.test_engine import Studio, reopened
from transforms.errors import PlanError
from transforms.formats import FORMATS
from transforms.geometry import Size
from transforms.grammar import parse
from transforms.operations.effort import RANGES, Effort
from transforms.operations.mask import SHAPES, MaskText
from transforms.values import Facts

SHAPE_NAMES = sorted({*SHAPES, "ellipse"})
ROUNDED = ["radius10", "radius_max", *(f"mask_{name}" for name in SHAPE_NAMES)]

CANONICAL = [
    ("lossless,w9", "webp", "w9,lossless"),
    ("lossless/w9", "avif", "w9,lossless"),
    ("progressive,w9", "jpg", "w9,progressive"),
    ("effort09,palette,progressive", "png", "progressive,palette,effort9"),
    ("effort0", "gif", "effort0"),
    ("lossless,progressive,palette,effort3", "auto", "lossless,progressive,palette,effort3"),
    ("q10,lossless", "webp", "lossless"),
    ("q10/lossless", "avif", "lossless"),
    ("q10,lossless", "auto", "q10,lossless"),
    ("effort3", "png", "_"),
    ("effort3,palette", "png", "palette,effort3"),
    ("effort2", "webp", "effort1"),
    ("radius0", "png", "_"),
    ("radius020,w9", "png", "w9,radius20"),
    ("radius_max,dpr2", "png", "radius_max"),
    ("radius9,dpr2", "png", "dpr2,radius9"),
    ("mask_star,radius3", "png", "radius3,mask_star"),
    ("mask_circle,bg_fff", "png", "bg_ffffff,mask_circle"),
]

REFUSED = [
    ("lossless", "jpg", "avif, webp have"),
    ("lossless", "png", "png has no lossless"),
    ("lossless1", "webp", "nothing after"),
    ("progressive", "webp", "jpg, png have"),
    ("palette", "gif", "but png has"),
    ("effort10", "webp", "from 0 to 9"),
    ("effort", "webp", "from 0 to 9"),
    ("effort1.5", "webp", "whole number"),
    ("effort3", "jpg", "jpg has no effort"),
    ("effort3", "tiff", "tiff has no effort"),
    ("effort3,effort4", "webp", "twice"),
    ("radius", "png", "from 0 to 16383"),
    ("radius16384", "png", "_max"),
    ("radius1.5", "png", "whole number"),
    ("radius_mx", "png", "Did you mean 'radius_max'"),
    ("radius5_max", "png", "_max"),
    ("mask", "png", "_circle, _ellipse, _square, _triangle, _heart, _star, _hexagon"),
    ("mask_hart", "png", "Did you mean 'mask_heart'"),
    ("mask_01HZY3M5T8", "png", "_circle, _ellipse, _square, _triangle, _heart, _star, _hexagon"),
]

RESOLVED = [
    # text, what it comes down to on 60 x 40
    ("radius5,dpr1.5", "radius8"),
    ("radius5,dpr4", "radius_max"),
    ("radius20", "radius_max"),
    ("radius19", "radius19"),
    ("mask_square", "mask_square"),
    ("crop_0_0_40_40,mask_square", "crop_0_0_40_40"),
    ("crop_0_0_40_40,mask_ellipse", "crop_0_0_40_40,mask_circle"),
]


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


def opened(studio: Studio, plan: str, extension: str, data: bytes | None = None) -> Any:
    return reopened(studio.render(data or encoded(image()), plan, extension))


def opacity(picture: Any, *points: tuple[int, int]) -> list[int]:
    return [round(picture(*point)[-1]) for point in points]


def noise(width: int = 64, height: int = 48) -> Any:
    bands = [pyvips.Image.gaussnoise(width, height, mean=128, sigma=50) for _ in range(3)]
    return bands[0].bandjoin(bands[1:]).cast("uchar").copy(interpretation="srgb")


@pytest.mark.parametrize(("text", "extension", "canonical"), CANONICAL)
def test_options_and_shapes_have_one_canonical_text(text: str, extension: str, canonical: str) -> None:
    assert str(parse(text, extension)) == canonical
    assert parse(canonical, extension) == parse(text, extension)


@pytest.mark.parametrize(("text", "extension", "named"), REFUSED)
def test_what_a_format_or_a_range_lacks_is_refused_by_name(text: str, extension: str, named: str) -> None:
    with pytest.raises(PlanError) as refused:
        parse(text, extension)
    assert named in str(refused.value)


@pytest.mark.parametrize(("text", "resolved"), RESOLVED)
def test_shapes_come_down_to_one_text(text: str, resolved: str) -> None:
    facts = Facts(format="png", width=60, height=40)
    assert str(parse(text, "png").resolve(facts).plan) == resolved
    assert str(parse(resolved, "png").resolve(facts).plan) == resolved


# Options


@pytest.mark.parametrize("extension", ["webp", "avif"])
@pytest.mark.parametrize("plan", ["lossless", "q10,lossless", "lossless,effort0"])
def test_lossless_keeps_every_pixel_whatever_else_is_said(studio: Studio, extension: str, plan: str) -> None:
    picture = noise()
    assert (opened(studio, plan, extension, encoded(picture)) - picture).abs().max() == 0


@pytest.mark.parametrize("extension", ["webp", "avif"])
def test_quality_changes_nothing_of_a_lossless_file(studio: Studio, extension: str) -> None:
    data = encoded(noise())
    assert studio.render(data, "q10,lossless", extension) == studio.render(data, "lossless", extension)


@pytest.mark.parametrize("extension", ["jpg", "png"])
def test_progressive_pictures_are_interlaced_and_others_are_not(studio: Studio, extension: str) -> None:
    assert "interlaced" in opened(studio, "progressive", extension).get_fields()
    assert "interlaced" not in opened(studio, "_", extension).get_fields()


@pytest.mark.parametrize("source", [image(), transparent(), noise()[0].copy(interpretation="b-w")])
def test_a_palette_makes_a_smaller_picture_of_nearly_the_same_colours(studio: Studio, source: Any) -> None:
    picture = opened(studio, "palette", "png", encoded(source))
    plain = opened(studio, "_", "png", encoded(source))
    assert (picture.get("palette"), picture.hasalpha(), picture.width) == (1, plain.hasalpha(), plain.width)
    # A grey PNG that comes back as it was has one band.
    assert near(tuple(picture.colourspace("srgb")(10, 10)), tuple(plain.colourspace("srgb")(10, 10)), 6)


def test_a_palette_of_a_photo_like_picture_saves_bytes(studio: Studio) -> None:
    data = encoded(noise(200, 200).gaussblur(2))
    assert len(studio.render(data, "palette", "png").data) < len(studio.render(data, "_", "png").data)


@pytest.mark.parametrize("name", RANGES)
def test_effort_covers_the_range_of_the_format_from_end_to_end(name: str) -> None:
    mapped: list[Any] = [Effort(effort=effort).save_options(FORMATS[name])["effort"] for effort in range(10)]
    assert (mapped[0], mapped[-1]) == RANGES[name]
    assert mapped == sorted(mapped)


@pytest.mark.parametrize("plan", ["effort0", "effort9", "palette,effort9"])
@pytest.mark.parametrize("name", RANGES)
def test_every_effort_is_accepted_by_the_encoder(studio: Studio, name: str, plan: str) -> None:
    if "palette" not in plan or name == "png":
        assert studio.render(encoded(image()), plan, name).size == Size(60, 40)


def test_a_large_avif_gets_less_effort_than_it_asks_for_and_a_small_one_all(studio: Studio) -> None:
    large, small = encoded(image(2300, 2000)), encoded(noise(100, 80))
    assert studio.render(large, "effort9", "avif") == studio.render(large, "effort1", "avif")
    assert studio.render(small, "effort9", "avif") != studio.render(small, "effort4", "avif")


# Shapes


@pytest.mark.parametrize("plan", ROUNDED)
@pytest.mark.parametrize("source", [image(), transparent(), image().colourspace("b-w"), transparent(61, 47)])
def test_shapes_cut_the_corners_keep_the_middle_and_the_size(studio: Studio, plan: str, source: Any) -> None:
    picture = opened(studio, plan, "png", encoded(source))
    plain = opened(studio, "_", "png", encoded(source))
    right, bottom, middle = source.width - 1, source.height - 1, (source.width // 2 - 5, source.height // 2)
    assert (picture.width, picture.height) == (source.width, source.height)
    assert opacity(picture, (0, 0), (right, 0), (0, bottom), (right, bottom), middle) == [0, 0, 0, 0, 255]
    assert picture(*middle)[:-1] == plain(*middle)[: picture.bands - 1]


def test_what_was_transparent_stays_so(studio: Studio) -> None:
    assert opacity(opened(studio, "mask_circle", "png", encoded(transparent())), (25, 20), (35, 20)) == [255, 0]


COVERED = {
    # share of the shape's own box that it covers
    "circle": 0.7854,
    "ellipse": 0.7854,
    "square": 1,
    "triangle": 0.5,
    "hexagon": 0.75,
    "star": 0.3249,
    "heart": 0.6702,
}
BOXES = {
    # of a picture of 400 x 300 pixels
    "circle": (300, 300),
    "ellipse": (400, 300),
    "square": (300, 300),
    "triangle": (346.4, 300),
    "hexagon": (259.8, 300),
    "star": (315.4, 300),
    "heart": (328.2, 300),
}


def bounds(alpha: Any) -> tuple[int, int, int, int]:
    left, top, width, height = (alpha > 127).find_trim(background=[0], threshold=1)
    return left, top, width, height


@pytest.mark.parametrize("name", SHAPE_NAMES)
def test_a_shape_is_the_largest_that_fits_in_the_middle(studio: Studio, name: str) -> None:
    alpha = opened(studio, f"mask_{name}", "png", encoded(image(400, 300)))[3]
    left, top, width, height = bounds(alpha)
    assert (width, height) == pytest.approx(BOXES[name], abs=6)
    assert abs(left - (400 - left - width)) <= 1
    assert abs(top - (300 - top - height)) <= 6
    assert alpha.avg() / 255 * 120_000 == pytest.approx(COVERED[name] * BOXES[name][0] * BOXES[name][1], rel=0.01)
    assert (alpha - alpha.fliphor()).abs().max() <= 1


@pytest.mark.parametrize("plan", [plan for plan in ROUNDED if plan != "mask_square"])
def test_edges_are_smooth(studio: Studio, plan: str) -> None:
    counts = opened(studio, plan, "png", encoded(image(400, 300)))[3].hist_find()
    shades = [counts(level, 0)[0] for level in range(1, 255)]
    assert sum(shade > 0 for shade in shades) >= 5


@pytest.mark.parametrize(("radius", "plan"), [(10, "radius10"), (20, "radius_max"), (20, "radius10,dpr2"), (1, "radius1")])
def test_corners_are_quarters_of_a_circle(studio: Studio, radius: int, plan: str) -> None:
    alpha = opened(studio, plan, "png")[3]
    assert alpha.avg() / 255 * 2400 == pytest.approx(2400 - 0.8584 * radius**2, abs=2)


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (3, 3), (7, 1), (5, 400)])
@pytest.mark.parametrize("plan", ROUNDED)
def test_the_smallest_pictures_can_be_cut_too(studio: Studio, plan: str, size: tuple[int, int]) -> None:
    assert studio.render(encoded(image(50, 400)), f"w{size[0]},h{size[1]},fit_fill/{plan}", "png").size == size


@pytest.mark.parametrize(
    ("plan", "extension", "corner"),
    [
        ("radius10", "jpg", (255, 255, 255)),
        ("radius10,bg_14c814", "jpg", (20, 200, 20)),
        ("mask_circle,bg_14c814", "webp", (20, 200, 20)),
        ("bg_14c814/mask_circle", "png", (230, 20, 20, 0)),
    ],
)
def test_around_a_shape_is_the_background_of_its_stage(studio: Studio, plan: str, extension: str, corner: Sequence[int]) -> None:
    assert near(tuple(opened(studio, plan, extension)(0, 0)), tuple(corner), 40)


@pytest.mark.parametrize("extension", ["gif", "webp"])
@pytest.mark.parametrize("plan", ["radius_max", "mask_heart"])
def test_an_animation_keeps_its_frames_and_each_is_cut(studio: Studio, plan: str, extension: str) -> None:
    strip = opened(studio, plan, extension, animation())
    assert (strip.get("n-pages"), strip.get("page-height"), strip.width) == (3, 40, 60)
    assert opacity(strip, *((x, 40 * n + y) for n in range(3) for x, y in ((0, 0), (25, 20)))) == [0, 255] * 3


def test_every_shape_can_be_asked_for() -> None:
    assert sorted(MaskText().words) == SHAPE_NAMES
