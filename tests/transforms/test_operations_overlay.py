"""Operations that draw on other stored images: watermarks, and masks by an image."""

from pathlib import Path
from typing import Any

import pytest
import pyvips

from tests.pictures import BLUE, RED, animation, covering, encoded, image, near
from transforms.engine import execute, verify
from transforms.errors import PlanError
from transforms.formats import FORMATS
from transforms.geometry import Size
from transforms.grammar import parse
from transforms.limits import Limits
from transforms.values import Facts, Rendition

LIMITS = Limits(accepted=frozenset(FORMATS))
PHOTO = Facts(format="jpg", width=800, height=600)
ID, OTHER = "a" * 26, "b2" * 13
WHITE, GREY, BLACK = (255, 255, 255), (100, 100, 100), (0, 0, 0)


def plain(width: int, height: int, ink: tuple[int, ...], bands: str = "srgb") -> Any:
    return pyvips.Image.black(width, height).new_from_image(list(ink)).cast("uchar").copy(interpretation=bands)


def logo(width: int = 12, height: int = 6, alpha: int = 255) -> Any:
    return plain(width, height, (*RED, alpha))


def render(folder: Path, data: bytes, plan: str, extension: str = "png", *, others: dict[str, bytes] | None = None) -> Rendition:
    (path := folder / "original").write_bytes(data)
    files = {}
    for number, (name, content) in enumerate((others or {}).items()):
        files[name] = folder / f"other{number}"
        files[name].write_bytes(content)
    facts = verify(path, LIMITS)
    resolved = parse(plan, extension).resolve(facts)
    assert resolved.plan.images == files.keys()
    return execute(resolved.plan, path, facts, LIMITS, files)


def opened(rendition: Rendition) -> Any:
    return pyvips.Image.new_from_buffer(rendition.data, "")


def extent(rendition: Rendition, ink: tuple[int, ...] = RED) -> tuple[int, int, int, int]:
    """Left, top, width and height of what has this colour."""
    found = ((opened(rendition).extract_band(0, n=3) - list(ink)).abs() <= 3).bandand()
    left, top, width, height = found.find_trim(background=0, threshold=1, line_art=True)
    return left, top, width, height


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        (f"wm_{ID}", f"wm_{ID}"),
        (f"wm_{ID}_southeast", f"wm_{ID}"),
        (f"wm_{ID}_southeast_100p_1x", f"wm_{ID}"),
        (f"wm_{ID}_southeast_100p_20p", f"wm_{ID}_southeast_100p_20p"),
        (f"wm_{ID}_tile_050.0p", f"wm_{ID}_tile_50p"),
        (f"wm_{ID}_center_100p", f"wm_{ID}_center"),
        (f"wm_{ID},dpr2", f"dpr2,wm_{ID}"),
        (f"wm_{ID}_north_50p_20p,dpr2", f"wm_{ID}_north_50p_20p"),
        (f"wm_{ID},g_north", f"wm_{ID}"),
    ],
)
def test_a_plan_has_one_canonical_text(text: str, canonical: str) -> None:
    assert str(parse(text, "webp")) == canonical
    assert parse(canonical, "webp") == parse(text, "webp")


@pytest.mark.parametrize(
    "value",
    [
        *("", "1", "_", "_short", f"_{ID}a", f"_{ID[1:]}1", f"_{ID.upper()}", f"_{ID}_middle", f"_{ID}_attention", f"_{ID}_50p"),
        *(f"_{ID}_east_0p", f"_{ID}_east_101p", f"_{ID}_east_50", f"_{ID}_east_2x", f"_{ID}_east_50p_0p", f"_{ID}_east_50p_0x"),
        *(f"_{ID}_east_50p_16.01x", f"_{ID}_east_50p_20", f"_{ID}_east_50p_20p_1", f"_{ID}_east_1e2p", f"_{ID}_east_{'9' * 5000}p"),
    ],
)
def test_what_is_no_watermark_is_refused_by_saying_what_is(value: str) -> None:
    with pytest.raises(PlanError, match=r"the id of an image|no operation"):
        parse(f"wm{value}", "webp")


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        (f"wm_{ID}", f"wm_{ID}"),
        (f"wm_{ID},dpr2", f"wm_{ID}_southeast_100p_2x"),
        (f"wm_{ID}_tile_30p_0.15x,dpr1.5,w100", f"w150,wm_{ID}_tile_30p_0.22x"),
        (f"wm_{ID}_tile_30p_9x,dpr4", f"wm_{ID}_tile_30p_16x"),
        (f"wm_{ID}_tile_30p_20p,dpr4,w50", f"w200,wm_{ID}_tile_30p_20p"),
    ],
)
def test_a_plan_comes_down_to_one_text(text: str, canonical: str) -> None:
    resolved = parse(text, "webp").resolve(PHOTO)
    assert str(resolved.plan) == canonical
    assert parse(canonical, "webp").resolve(PHOTO) == resolved


@pytest.mark.parametrize(
    ("plan", "box"),
    [
        (f"wm_{ID}", (48, 34, 12, 6)),
        (f"wm_{ID}_northwest", (0, 0, 12, 6)),
        (f"wm_{ID}_north", (24, 0, 12, 6)),
        (f"wm_{ID}_center", (24, 17, 12, 6)),
        (f"wm_{ID}_southwest", (0, 34, 12, 6)),
        (f"wm_{ID}_northwest_100p_50p", (0, 0, 30, 15)),
        (f"wm_{ID}_northwest_100p_100p", (0, 0, 60, 30)),
        (f"wm_{ID}_northwest,dpr2", (0, 0, 24, 12)),
        (f"wm_{ID}_northwest_100p_16x", (0, 0, 60, 30)),
        (f"wm_{ID}_northwest_100p_0.01x", (0, 0, 1, 1)),
        (f"wm_{ID}_tile", (0, 0, 60, 40)),
        (f"w30,wm_{ID}_east", (18, 7, 12, 6)),
        (f"rotate90,wm_{ID}_northwest_100p_50p", (0, 0, 20, 10)),
        (f"wm_{ID}_northwest/rotate90", (34, 0, 6, 12)),
    ],
)
@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_a_watermark_lies_where_it_is_told(tmp_path: Path, plan: str, box: tuple[int, ...], suffix: str) -> None:
    data = encoded(logo(), suffix, **({"lossless": True} if suffix == ".webp" else {}))
    assert extent(render(tmp_path, encoded(plain(60, 40, GREY)), plan, others={ID: data})) == box


def test_a_watermark_that_is_larger_is_shrunk_to_fit(tmp_path: Path) -> None:
    made = render(tmp_path, encoded(plain(60, 40, GREY)), f"wm_{ID}_west", others={ID: encoded(logo(300, 600))})
    assert extent(made) == (0, 0, 20, 40)
    tall = render(tmp_path, encoded(plain(60, 40, GREY)), f"wm_{ID}_west_100p_90p", others={ID: encoded(logo(300, 600))})
    assert extent(tall) == (0, 0, 20, 40)


@pytest.mark.parametrize(("alpha", "opacity", "share"), [(255, 100, 1), (255, 50, 0.5), (128, 100, 0.5), (128, 50, 0.25), (0, 100, 0)])
def test_alpha_and_opacity_let_the_picture_through(tmp_path: Path, alpha: int, opacity: int, share: float) -> None:
    made = opened(render(tmp_path, encoded(plain(9, 9, GREY)), f"wm_{ID}_tile_{opacity}p", others={ID: encoded(logo(alpha=alpha))}))
    expected = tuple(round(share * ink + (1 - share) * under) for ink, under in zip(RED, GREY, strict=True))
    assert made.bands == 3
    assert near(tuple(map(round, made(4, 4))), expected, 2)


def test_tiles_repeat_from_the_left_upper_corner(tmp_path: Path) -> None:
    tile = plain(2, 2, BLACK).insert(plain(1, 1, WHITE), 0, 0)
    made = opened(render(tmp_path, encoded(plain(5, 5, GREY)), f"wm_{ID}_tile", others={ID: encoded(tile)}))
    assert [[round(made(x, y)[0]) for x in range(5)] for y in (0, 1, 4)] == [[255, 0, 255, 0, 255], [0] * 5, [255, 0, 255, 0, 255]]


def test_what_is_transparent_stays_so_around_a_watermark(tmp_path: Path) -> None:
    made = opened(render(tmp_path, encoded(plain(40, 40, (*BLUE, 0))), f"wm_{ID}", others={ID: encoded(logo())}))
    assert (made(0, 0)[3], made(39, 39)) == (0, [*RED, 255])


OVERLAYS = [logo(), plain(12, 6, RED), plain(12, 6, (80,), "b-w"), plain(12, 6, (80, 200), "b-w"), logo(1, 1)]
PICTURES = [
    plain(60, 40, GREY),
    plain(60, 40, (100,), "b-w"),
    plain(60, 40, (100, 200), "b-w"),
    plain(60, 40, (*GREY, 100)),
    plain(1, 1, GREY),
    plain(60, 40, GREY).colourspace("rgb16"),
    plain(1, 40, (*GREY, 9)),
]
DRAWN_ON = [f"wm_{ID}_center_60p_50p", f"wm_{ID}_tile", f"gray,wm_{ID}", f"mask_{ID}", f"mask_{ID},bg_ffffff"]


@pytest.mark.parametrize(("overlay", "picture", "plan"), covering(OVERLAYS, PICTURES, DRAWN_ON))
def test_every_kind_of_picture_takes_every_kind_of_image(tmp_path: Path, overlay: Any, picture: Any, plan: str) -> None:
    made = opened(render(tmp_path, encoded(picture), plan, others={ID: encoded(overlay)}))
    assert (made.width, made.height, made.format) == (picture.width, picture.height, "uchar")


def test_a_picture_born_in_cmyk_takes_a_watermark(tmp_path: Path) -> None:
    data = encoded(plain(60, 40, (0, 0, 0, 128), "cmyk"), ".jpg")
    assert extent(render(tmp_path, data, f"wm_{ID}", others={ID: encoded(logo())})) == (48, 34, 12, 6)


@pytest.mark.parametrize("plan", [f"wm_{ID}", f"wm_{ID}_tile_50p", f"mask_{ID}", f"w30,mask_{ID},wm_{ID}"])
@pytest.mark.parametrize("name", ["gif", "webp"])
def test_all_frames_of_an_animation_are_drawn_on(tmp_path: Path, plan: str, name: str) -> None:
    rendition = render(tmp_path, animation(), plan, name, others={ID: encoded(logo())})
    strip = pyvips.Image.new_from_buffer(rendition.data, "", n=-1)
    assert (strip.get("n-pages"), strip.width, strip.get("page-height")) == (3, *rendition.size)
    if plan == f"wm_{ID}":
        assert all(near(tuple(strip(59, 40 * page + 39)[:3]), RED, 25) for page in range(3))


def test_an_animation_lies_still_as_a_watermark(tmp_path: Path) -> None:
    made = opened(render(tmp_path, encoded(plain(60, 40, GREY)), f"wm_{ID}_tile", others={ID: animation()}))
    assert (made.width, made.height, near(tuple(map(round, made(0, 0))), RED)) == (60, 40, True)


def test_images_are_asked_for_by_id() -> None:
    assert parse(f"wm_{ID}/wm_{OTHER},mask_{ID}", "webp").images == {ID, OTHER}
    assert parse("mask_circle", "webp").images == frozenset()


@pytest.mark.parametrize(
    ("mask", "visible"),
    [
        (image(2, 2, quarters=(WHITE, BLACK, BLACK, WHITE)), [255, 0, 0, 255]),
        (image(2, 2, quarters=((0, 0, 255), (0, 255, 0), GREY, WHITE)), [18, 182, 100, 255]),
        (image(2, 2).bandjoin(image(2, 2, quarters=(WHITE, BLACK, GREY, BLACK))[0].cast("uchar")), [255, 0, 100, 0]),
    ],
    ids=["black and white", "luminance of colours", "alpha, whatever the colours"],
)
def test_an_image_masks_by_its_alpha_or_else_its_luminance(tmp_path: Path, mask: Any, visible: list[int]) -> None:
    """The mask of 2 x 2 pixels is stretched to the picture: its corners show."""
    mask = mask.resize(30, kernel="nearest")
    made = opened(render(tmp_path, encoded(plain(30, 90, GREY)), f"mask_{ID}", others={ID: encoded(mask)}))
    corners = [made(x, y) for y in (0, 89) for x in (0, 29)]
    assert [round(corner[3]) for corner in corners] == visible
    assert (made.width, made.height) == Size(30, 90)


def test_around_a_mask_is_the_background(tmp_path: Path) -> None:
    mask = image(60, 40, quarters=(WHITE, BLACK, BLACK, WHITE))
    for plan, extension in ((f"mask_{ID},bg_0000ff", "png"), (f"mask_{ID}", "jpg")):
        made = opened(render(tmp_path, encoded(plain(60, 40, GREY)), plan, extension, others={ID: encoded(mask)}))
        assert made.bands == 3
        assert near(tuple(map(round, made(50, 5))), (0, 0, 255) if extension == "png" else WHITE, 3)


@pytest.mark.parametrize("value", ["mask_cirle", f"mask_{ID}a", f"mask_{ID.upper()}", "mask", f"mask_{ID}_tile"])
def test_what_is_neither_shape_nor_image_is_refused(value: str) -> None:
    with pytest.raises(PlanError, match=r"_circle.* the id of an image"):
        parse(value, "webp")
