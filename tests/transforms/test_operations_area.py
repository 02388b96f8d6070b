"""Operations on areas: cutting to a ratio, padding, and filters that look at a pixel's neighbours."""

from pathlib import Path
from typing import Any

import pytest
import pyvips

from tests.pictures import BLUE, GREEN, RED, YELLOW, animation, colours, encoded, image, near, transparent
from transforms.engine import execute, verify
from transforms.errors import PlanError
from transforms.formats import FORMATS
from transforms.geometry import Size
from transforms.grammar import parse
from transforms.limits import Limits
from transforms.values import Facts, Rendition

PHOTO = Facts(format="jpg", width=800, height=600)
LIMITS = Limits(accepted=frozenset(FORMATS))
QUARTERS = [RED, GREEN, BLUE, YELLOW]
FILTERS = ["blur2", "blur40", "sharpen1", "median5", "median31", "pixelate7", "pixelate1000", "edge", "emboss"]

CANONICAL = [
    # text, canonical text
    ("ar_16_9", "ar_16_9"),
    ("ar_32_18", "ar_16_9"),
    ("w9,ar_04_03", "ar_4_3,w9"),
    ("ar_16_9,g_north", "ar_16_9,g_north"),
    ("ar_16_9,g_center", "ar_16_9"),
    ("ar_16_9,dpr2,bg_fff", "ar_16_9,bg_ffffff"),
    ("pad0", "_"),
    ("pad_0_0_0_0,dpr2", "_"),
    ("pad007", "pad7"),
    ("pad_7_7_7_7", "pad7"),
    ("pad_1_02_3_4", "pad_1_2_3_4"),
    ("bg_fff,pad5,dpr2.0", "dpr2,pad5,bg_ffffff"),
    ("pad5,g_north", "pad5"),
    ("blur2.50", "blur2.5"),
    ("blur0.3", "blur0.3"),
    ("blur100", "blur100"),
    ("sharpen1.0", "sharpen1"),
    ("median31,sharpen10,blur1", "blur1,sharpen10,median31"),
    ("emboss,edge,pixelate1000", "pixelate1000,edge,emboss"),
    ("w9/blur2,w5", "w9/w5,blur2"),
]

REFUSED = [
    # text, what the sentence must name
    ("ar", "from 1 to 65535"),
    ("ar16_9", "from 1 to 65535"),
    ("ar_16", "from 1 to 65535"),
    ("ar_0_9", "from 1 to 65535"),
    ("ar_16_65536", "from 1 to 65535"),
    ("ar_16_9_1", "from 1 to 65535"),
    ("ar_1.5_1", "from 1 to 65535"),
    ("ar_1_" + "9" * 5000, "from 1 to 65535"),
    ("pad", "from 0 to 16383"),
    ("pad16384", "from 0 to 16383"),
    ("pad1.5", "from 0 to 16383"),
    ("pad_5", "_top_right_bottom_left"),
    ("pad_1_2_3", "_top_right_bottom_left"),
    ("pad5_1_2_3", "_top_right_bottom_left"),
    ("pad_1_2_3_-4", "_top_right_bottom_left"),
    ("blur", "from 0.3 to 100"),
    ("blur0.29", "from 0.3 to 100"),
    ("blur100.01", "from 0.3 to 100"),
    ("sharpen0", "from 0.3 to 10"),
    ("sharpen10.1", "from 0.3 to 10"),
    ("median1", "odd whole number from 3 to 31"),
    ("median4", "odd whole number from 3 to 31"),
    ("median33", "odd whole number from 3 to 31"),
    ("pixelate1", "from 2 to 1000"),
    ("pixelate1001", "from 2 to 1000"),
    ("edge1", "nothing after"),
    ("emboss_1", "nothing after"),
]

RESOLVED = [
    # text, the text that it comes down to on 800 x 600, size
    ("ar_4_3", "_", (800, 600)),
    ("ar_4_3,g_north", "_", (800, 600)),
    ("ar_16_9", "ar_16_9", (800, 450)),
    ("ar_16001_9000", "ar_16_9", (800, 450)),
    ("ar_1_1", "ar_1_1", (600, 600)),
    ("ar_1_3", "ar_1_3", (200, 600)),
    ("ar_65535_1", "ar_800_1", (800, 1)),
    ("ar_1_1,w300,g_west", "ar_1_1,w300,g_west", (300, 300)),
    ("ar_1_1,w100,h50,fit_cover", "ar_1_1,w100,h50,fit_cover", (100, 50)),
    ("crop_0_0_400_100,ar_1_1", "crop_0_0_400_100,ar_1_1", (100, 100)),
    ("pad10", "pad10", (820, 620)),
    ("pad_1_2_3_4", "pad_1_2_3_4", (806, 604)),
    ("pad_1_0_0_0,dpr1.5", "pad_2_0_0_0", (800, 602)),
    ("w100,pad5,dpr2", "w200,pad10", (220, 170)),
    ("rotate90,pad_0_10_0_0", "rotate90,pad_0_10_0_0", (610, 800)),
    ("blur2,dpr2", "blur2", (800, 600)),
    *((text, text, (800, 600)) for text in FILTERS),
]


def render(folder: Path, data: bytes, plan: str, extension: str = "png") -> Rendition:
    path = folder / "original"
    path.write_bytes(data)
    facts = verify(path, LIMITS)
    return execute(parse(plan, extension).resolve(facts).plan, path, facts, LIMITS)


def pixels(rendition: Rendition) -> Any:
    return pyvips.Image.new_from_buffer(rendition.data, "")


def at(rendition: Rendition, x: int, y: int) -> tuple[int, ...]:
    return tuple(round(value) for value in pixels(rendition)(x, y))


def grey(width: int = 60, height: int = 40) -> Any:
    return image(width, height).colourspace("b-w")


def with_hidden_magenta() -> Any:
    """Green on the left; on the right a magenta that is transparent."""
    seen, hidden = (pyvips.Image.black(30, 40).new_from_image(ink).cast("uchar") for ink in ([*GREEN, 255], [255, 0, 255, 0]))
    return seen.join(hidden, "horizontal").copy(interpretation="srgb")


@pytest.mark.parametrize(("text", "canonical"), CANONICAL)
def test_a_plan_has_one_canonical_text(text: str, canonical: str) -> None:
    assert str(parse(text, "webp")) == canonical
    assert parse(canonical, "webp") == parse(text, "webp")


@pytest.mark.parametrize(("text", "named"), REFUSED)
def test_what_is_out_of_range_is_refused_by_naming_the_range(text: str, named: str) -> None:
    with pytest.raises(PlanError) as refused:
        parse(text, "webp")
    assert named in str(refused.value)


@pytest.mark.parametrize(("text", "canonical", "size"), RESOLVED)
def test_a_plan_comes_down_to_one_text_and_an_exact_size(text: str, canonical: str, size: tuple[int, int]) -> None:
    resolved = parse(text, "webp").resolve(PHOTO)
    assert (str(resolved.plan), resolved.size) == (canonical, Size(*size))
    assert parse(canonical, "webp").resolve(PHOTO) == resolved


@pytest.mark.parametrize("plan", ["ar_7_5", "ar_1_9", "pad3", "pad_1_2_3_4", "pad_0_0_0_5,w31", *FILTERS])
@pytest.mark.parametrize(
    "picture", [image(61, 43), transparent(61, 43), grey(61, 43), image(9, 9).crop(0, 0, 1, 1), image(9, 9).crop(0, 0, 1, 9)]
)
def test_the_size_is_exact_whatever_the_picture(tmp_path: Path, plan: str, picture: Any) -> None:
    rendition = render(tmp_path, encoded(picture), plan)
    promised = parse(plan, "png").resolve(Facts(format="png", width=picture.width, height=picture.height)).size
    assert (pixels(rendition).width, pixels(rendition).height) == rendition.size == promised


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        ("ar_1_2,g_west", [RED, RED, BLUE, BLUE]),
        ("ar_1_2,g_east", [GREEN, GREEN, YELLOW, YELLOW]),
        ("ar_1_2", QUARTERS),
        ("ar_4_1,g_north", [RED, GREEN, RED, GREEN]),
        ("ar_4_1,g_0.5_1", [BLUE, YELLOW, BLUE, YELLOW]),
        ("ar_1_2,g_east,w10", [GREEN, GREEN, YELLOW, YELLOW]),
    ],
)
def test_a_ratio_is_cut_where_gravity_says(tmp_path: Path, plan: str, expected: list[tuple[int, ...]]) -> None:
    assert colours(render(tmp_path, encoded(image()), plan).data) == expected


@pytest.mark.parametrize("gravity", ["attention", "entropy"])
def test_all_frames_are_cut_at_one_place(tmp_path: Path, gravity: str) -> None:
    """The first frame has its only detail on the left, the second on the right."""
    speck = pyvips.Image.gaussnoise(12, 40, sigma=90).cast("uchar")
    blank = pyvips.Image.black(60, 40)
    strip = blank.insert(speck, 2, 0).join(blank.insert(speck, 46, 0), "vertical").copy()
    strip.set_type(pyvips.GValue.gint_type, "page-height", 40)
    rendition = render(tmp_path, encoded(strip, ".gif"), f"ar_1_2,g_{gravity}", "gif")
    first, second = (pyvips.Image.new_from_buffer(rendition.data, "", page=page).extract_band(0) for page in (0, 1))
    assert first.max() > 100
    assert second.max() < 10


@pytest.mark.parametrize(
    ("plan", "extension", "border"),
    [
        ("pad_4_3_2_1,bg_2864c8", "png", (40, 100, 200)),
        ("pad_4_3_2_1,bg_2864c880", "png", (40, 100, 200, 128)),
        ("pad_4_3_2_1", "png", (0, 0, 0, 0)),
        ("pad_2_2_1_1,bg_2864c8,dpr2", "png", (40, 100, 200)),
    ],
)
@pytest.mark.parametrize("make", [image, grey])
def test_padding_is_of_the_background(tmp_path: Path, plan: str, extension: str, border: tuple[int, ...], make: Any) -> None:
    rendition = render(tmp_path, encoded(make()), plan, extension)
    width, height = rendition.size
    assert all(at(rendition, *corner) == border for corner in ((0, 0), (width - 1, 0), (0, height - 1), (width - 1, height - 1)))


def test_padding_goes_to_the_top_the_right_the_bottom_and_the_left(tmp_path: Path) -> None:
    rendition = render(tmp_path, encoded(image()), "pad_4_3_2_1,bg_ffffff")
    assert rendition.size == Size(64, 46)
    assert (at(rendition, 0, 20), at(rendition, 1, 4), at(rendition, 1, 3)) == ((255,) * 3, RED, (255,) * 3)
    assert (at(rendition, 60, 43), at(rendition, 61, 43), at(rendition, 60, 44)) == (YELLOW, (255,) * 3, (255,) * 3)


def test_padding_of_a_format_without_transparency_is_white(tmp_path: Path) -> None:
    assert near(at(render(tmp_path, encoded(image()), "pad20", "jpg"), 2, 2), (255, 255, 255))


@pytest.mark.parametrize("plan", [plan for plan in FILTERS if plan not in ("edge", "blur40", "median31", "pixelate1000")])
@pytest.mark.parametrize("make", [image, transparent])
def test_filters_leave_flat_areas_as_they_are(tmp_path: Path, plan: str, make: Any) -> None:
    seen, before = colours(render(tmp_path, encoded(make()), plan).data), colours(encoded(make()))
    assert all(near(left, right, 2) for left, right in zip(seen, before, strict=True) if len(right) == 3 or right[3])


@pytest.mark.parametrize("plan", FILTERS)
def test_filters_leave_alpha_untouched(tmp_path: Path, plan: str) -> None:
    picture = transparent()
    made = pixels(render(tmp_path, encoded(picture), plan))
    assert (made.bands, made.format, made.interpretation) == (4, "uchar", "srgb")
    assert (made.extract_band(3) - picture.extract_band(3)).abs().max() == 0


@pytest.mark.parametrize("plan", FILTERS)
@pytest.mark.parametrize("make", [grey, lambda: grey().bandjoin(200).cast("uchar").copy(interpretation="b-w")])
def test_grey_pictures_stay_grey(tmp_path: Path, plan: str, make: Any) -> None:
    for colour in colours(render(tmp_path, encoded(make()), plan).data):
        assert near(colour[:1] * 3, colour[:3], 2)


@pytest.mark.parametrize("plan", ["blur3", "blur30", "pixelate20"])
def test_hidden_colours_do_not_bleed_into_what_is_seen(tmp_path: Path, plan: str) -> None:
    rendition = render(tmp_path, encoded(with_hidden_magenta()), plan)
    assert all(near(at(rendition, x, 20), (*GREEN, 255), 2) for x in range(30))


@pytest.mark.parametrize("plan", ["ar_1_1", "pad3,bg_ffffff", *(plan for plan in FILTERS if plan != "pixelate1000")])
@pytest.mark.parametrize("name", ["gif", "webp"])
def test_an_animation_keeps_its_frames(tmp_path: Path, plan: str, name: str) -> None:
    rendition = render(tmp_path, animation(loop=3), plan, name)
    strip = pyvips.Image.new_from_buffer(rendition.data, "", n=-1)
    assert (strip.get("n-pages"), strip.get("delay"), strip.get("loop")) == (3, [50, 100, 150], 3)
    assert (strip.width, strip.get("page-height")) == rendition.size


@pytest.mark.parametrize("plan", ["blur1.5", "blur3.9", "blur4", "blur9", "blur10"])
def test_a_blurred_edge_is_as_wide_as_sigma_says(tmp_path: Path, plan: str) -> None:
    """A Gaussian takes a step from 16 to 84 % within two sigma; libvips leaves off its tails, so it is somewhat narrower."""
    step = pyvips.Image.black(100, 20).join(pyvips.Image.black(100, 20).new_from_image(255), "horizontal").cast("uchar")
    row = pixels(render(tmp_path, encoded(step), plan)).extract_band(0).crop(0, 10, 200, 1)
    rise = ((row > 0.16 * 255) & (row < 0.84 * 255)).avg() / 255 * row.width
    sigma = float(plan.removeprefix("blur"))
    assert 1.3 * sigma - 1 <= rise <= 2.1 * sigma + 1


def test_sharpening_makes_an_edge_steeper_and_keeps_grey(tmp_path: Path) -> None:
    soft = image(quarters=((80,) * 3, (160,) * 3, (80,) * 3, (160,) * 3)).gaussblur(1.5)
    made = render(tmp_path, encoded(soft), "sharpen2")
    assert at(made, 27, 20)[0] < soft(27, 20)[0]
    assert at(made, 32, 20)[0] > soft(32, 20)[0]


def test_the_median_takes_specks_away_and_keeps_edges(tmp_path: Path) -> None:
    specked = image().draw_rect([255, 255, 255], 10, 10, 1, 1)
    assert (pixels(render(tmp_path, encoded(specked), "median3")).crop(0, 0, 30, 19) - list(RED)).abs().max() == 0


def test_blocks_have_the_mean_of_what_they_hold_of_the_picture(tmp_path: Path) -> None:
    rendition = render(tmp_path, encoded(image(50, 40)), "pixelate20")
    mixed = tuple((left + right) / 2 for left, right in zip(RED, GREEN, strict=True))
    wanted = tuple(round(0.25 * left + 0.75 * right) for left, right in zip(RED, GREEN, strict=True))
    assert at(rendition, 0, 0) == at(rendition, 19, 19) == RED
    assert at(rendition, 20, 0) == at(rendition, 39, 19)
    # Of the block from 20 to 40, five columns are red; the last block is half outside, and wholly green within.
    assert near(at(rendition, 20, 0), wanted, 1)
    assert not near(at(rendition, 20, 0), tuple(map(round, mixed)), 1)
    assert at(rendition, 49, 0) == GREEN


def test_edges_shine_on_black(tmp_path: Path) -> None:
    rendition = render(tmp_path, encoded(image(quarters=((0,) * 3, (50,) * 3, (0,) * 3, (50,) * 3))), "edge")
    assert [at(rendition, x, 10)[0] for x in (28, 29, 30, 31)] == [0, 200, 200, 0]


def test_a_relief_is_lit_from_the_left_upper_corner(tmp_path: Path) -> None:
    rising = image(quarters=((100,) * 3, (120,) * 3, (100,) * 3, (120,) * 3))
    rendition = render(tmp_path, encoded(rising), "emboss")
    assert [at(rendition, x, 10)[0] for x in (20, 29, 30, 40)] == [100, 160, 180, 120]
    assert at(render(tmp_path, encoded(rising.fliphor()), "emboss"), 29, 10)[0] < 120
