"""kernel: how a resize makes pixels of their neighbours."""

from pathlib import Path
from typing import Any

import pytest
import pyvips
from hypothesis import given
from hypothesis import strategies as st

from tests.pictures import GREEN, animation, colours, encoded, image, near, transparent
from transforms.engine import execute, verify
from transforms.errors import ImpossibleOutput, PlanError
from transforms.formats import FORMATS
from transforms.geometry import Size
from transforms.grammar import parse
from transforms.limits import Limits
from transforms.operation import Stage
from transforms.operations.resize import KERNELS, Resize
from transforms.shrink import copy_will_do, loading
from transforms.values import Facts, Rendition

LIMITS = Limits(accepted=frozenset(FORMATS))
PHOTO = Facts(format="jpg", width=800, height=600)
OTHERS = [kernel for kernel in KERNELS if kernel != "lanczos3"]
TOOLS = Stage(interpolate=pyvips.Interpolate.new("bicubic"))


def render(folder: Path, data: bytes, plan: str, extension: str = "png") -> Rendition:
    (path := folder / "original").write_bytes(data)
    facts = verify(path, LIMITS)
    return execute(parse(plan, extension).resolve(facts).plan, path, facts, LIMITS)


def opened(rendition: Rendition) -> Any:
    return pyvips.Image.new_from_buffer(rendition.data, "")


def checkers(side: int = 32) -> Any:
    """Black and white pixels in turn."""
    grid = pyvips.Image.xyz(side, side)
    return ((grid[0] + grid[1]) % 2 * 255).cast("uchar").copy(interpretation="b-w")


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("kernel_nearest", "_"),
        ("rotate90,kernel_cubic", "rotate90"),
        ("w9,kernel_lanczos3", "w9"),
        ("kernel_nearest,enlarge,w9", "w9,enlarge,kernel_nearest"),
        ("w9/kernel_linear", "w9"),
    ],
)
def test_a_plan_has_one_canonical_text(text: str, canonical: str) -> None:
    assert str(parse(text, "webp")) == canonical


def test_a_kernel_that_there_is_not_is_named() -> None:
    with pytest.raises(PlanError, match="Did you mean 'kernel_nearest'"):
        parse("w9,kernel_nearst", "webp")


@pytest.mark.parametrize(
    ("text", "canonical", "size"),
    [
        ("w400,kernel_nearest", "w400,kernel_nearest", (400, 300)),
        ("w200,dpr2,kernel_cubic", "w400,kernel_cubic", (400, 300)),
        ("w900,kernel_nearest", "_", (800, 600)),
        ("w400,h600,fit_cover,kernel_nearest", "w400,h600,fit_cover", (400, 600)),
        ("w900,h900,fit_contain,kernel_linear", "w900,h900,fit_contain", (900, 900)),
        ("w400,h400,fit_contain,kernel_linear", "w400,h400,fit_contain,kernel_linear", (400, 400)),
        ("w1600,enlarge,kernel_mitchell", "w1600,enlarge,kernel_mitchell", (1600, 1200)),
    ],
)
def test_a_kernel_without_a_resize_is_dropped(text: str, canonical: str, size: tuple[int, int]) -> None:
    resolved = parse(text, "webp").resolve(PHOTO)
    assert (str(resolved.plan), resolved.size) == (canonical, Size(*size))
    assert parse(canonical, "webp").resolve(PHOTO) == resolved


@pytest.mark.parametrize("kernel", OTHERS)
@pytest.mark.parametrize(
    "fit", ["w7", "h13", "w101", "w37,h91,fit_fill", "w37,h91,fit_cover", "w90,h90,fit_contain", "w300,h11,fit_fill,enlarge"]
)
@pytest.mark.parametrize(
    "picture",
    [image(101, 57), transparent(101, 57), image().crop(0, 0, 1, 1), image().crop(0, 0, 1, 33)],
    ids=["colour", "alpha", "1x1", "1x33"],
)
def test_sizes_are_exact_with_every_kernel(tmp_path: Path, kernel: str, fit: str, picture: Any) -> None:
    rendition = render(tmp_path, encoded(picture), f"{fit},kernel_{kernel}")
    facts = Facts(format="png", width=picture.width, height=picture.height)
    assert (opened(rendition).width, opened(rendition).height) == rendition.size == parse(fit, "png").resolve(facts).size


@given(width=st.integers(1, 90), height=st.integers(1, 90), to=st.tuples(st.integers(1, 200), st.integers(1, 200)))
def test_nearest_copies_the_pixel_that_the_middle_lies_in(width: int, height: int, to: tuple[int, int]) -> None:
    size = Size(width, height)
    places = pyvips.Image.xyz(width, height).cast("uchar")
    (made,) = Resize(w=to[0], h=to[1], fit="fill", enlarge=True, kernel="nearest").apply([places], size, TOOLS) if to != size else [places]
    assert (made.width, made.height) == to
    for x, y in ((0, 0), (to[0] - 1, to[1] - 1), (to[0] // 2, to[1] // 3)):
        assert made(x, y) == [(2 * x + 1) * width // (2 * to[0]), (2 * y + 1) * height // (2 * to[1])]


def test_pixel_art_stays_pixel_art(tmp_path: Path) -> None:
    made = opened(render(tmp_path, encoded(checkers(8)), "w64,enlarge,kernel_nearest"))
    assert ((made > 0) & (made < 255)).max() == 0
    assert [made(x, 0)[0] for x in (0, 7, 8, 15, 16)] == [0, 0, 255, 255, 0]


def test_nearest_mixes_nothing_on_the_way_down_either(tmp_path: Path) -> None:
    made = opened(render(tmp_path, encoded(checkers(96), ".jpg", Q=100), "w13,kernel_nearest"))
    grey = made.extract_band(0)
    assert ((grey > 20) & (grey < 235)).max() == 0


def test_kernels_differ(tmp_path: Path) -> None:
    data = encoded(pyvips.Image.gaussnoise(64, 64, mean=128, sigma=50, seed=3).cast("uchar"))
    made = {render(tmp_path, data, f"w40,kernel_{kernel}").data for kernel in KERNELS}
    assert len(made) == len(KERNELS)


@pytest.mark.parametrize("kernel", OTHERS)
def test_hidden_colours_do_not_bleed_into_what_is_seen(tmp_path: Path, kernel: str) -> None:
    seen, under = (pyvips.Image.black(30, 40).new_from_image(ink).cast("uchar") for ink in ([*GREEN, 255], [255, 0, 255, 0]))
    both = seen.join(under, "horizontal").copy(interpretation="srgb")
    for plan in ("w25", "w170,enlarge"):
        made = opened(render(tmp_path, encoded(both), f"{plan},kernel_{kernel}"))
        edge = [tuple(map(round, made(x, 9))) for x in range(made.width)]
        assert all(near(colour[:3], GREEN, 4) for colour in edge if colour[3] > 40)
        assert edge[-1][3] == 0


@pytest.mark.parametrize("kernel", OTHERS)
def test_an_animation_keeps_its_frames(tmp_path: Path, kernel: str) -> None:
    rendition = render(tmp_path, animation(), f"w30,kernel_{kernel}", "gif")
    strip = pyvips.Image.new_from_buffer(rendition.data, "", n=-1)
    assert (strip.get("n-pages"), strip.width, strip.get("page-height")) == (3, 30, 20)
    assert all(near(left[:3], right[:3], 8) for left, right in zip(colours(rendition.data, 1), colours(animation(), 1), strict=True))


@pytest.mark.parametrize(
    ("text", "decoded", "copied"),
    [
        ("w100", (100, 75), True),
        ("w100,kernel_cubic", (200, 150), True),
        ("w100,kernel_nearest", (800, 600), False),
        ("w600,kernel_cubic", (800, 600), True),
        ("w200,h200,fit_contain,kernel_cubic", (400, 300), True),
        ("w1600,enlarge,kernel_cubic", (800, 600), True),
        ("rotate90/w60,kernel_cubic", (320, 240), True),
    ],
)
def test_what_the_decoder_may_shrink_leaves_something_for_the_kernel(text: str, decoded: tuple[int, int], copied: bool) -> None:
    plan = parse(text, "webp").resolve(PHOTO).plan
    assert loading(plan, PHOTO).size == Size(*decoded)
    assert copy_will_do(plan, PHOTO) is copied


@pytest.mark.parametrize("kernel", KERNELS)
def test_what_lies_on_the_way_to_a_cover_is_counted(kernel: str) -> None:
    """A strip scaled to cover a square is far larger than the square."""
    strip = Facts(format="png", width=1, height=4000)
    resolved = parse(f"w4000,h4000,fit_cover,enlarge,kernel_{kernel}", "png").resolve(strip)
    assert resolved.peak == Size(4000, 16_000_000)
    with pytest.raises(ImpossibleOutput):
        LIMITS.check_output(resolved.peak, FORMATS["png"], enlarged=resolved.enlarged)
