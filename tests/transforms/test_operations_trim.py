"""trim: what counts as the border of a picture, and what is left."""

from pathlib import Path
from typing import Any

import pytest
import pyvips
from hypothesis import given
from hypothesis import strategies as st

from tests.pictures import BLUE, RED, encoded
from transforms.engine import execute, measure, verify
from transforms.errors import PlanError
from transforms.formats import FORMATS
from transforms.geometry import Box, Size
from transforms.grammar import parse
from transforms.limits import Limits
from transforms.operations.trim import Trim, Trimming
from transforms.rewrites import unmeasured, with_box

LIMITS = Limits(accepted=frozenset(FORMATS))
WHITE, CREAM, INNER = (255, 255, 255), (250, 249, 245), Box(5, 7, 10, 8)
SIZE = Size(40, 30)


def canvas(width: int, height: int, ink: tuple[int, ...], bands: str = "srgb") -> Any:
    return pyvips.Image.black(width, height).new_from_image(list(ink)).cast("uchar").copy(interpretation=bands)


def framed(border: tuple[int, ...] = WHITE, inner: tuple[int, ...] = BLUE, box: Box = INNER, size: Size = SIZE) -> Any:
    return canvas(*size, border).insert(canvas(*box.size, inner), box.left, box.top)


def hidden() -> Any:
    """A transparent border that has many colours under it."""
    noise = pyvips.Image.gaussnoise(40, 30, mean=128, sigma=60, seed=1).cast("uchar")
    opacity = canvas(40, 30, (0,), "b-w").insert(canvas(10, 8, (255,), "b-w"), 5, 7)
    return noise.bandjoin([noise, noise, opacity]).copy(interpretation="srgb")


def strip(*frames: Any) -> Any:
    made = pyvips.Image.arrayjoin(list(frames), across=1).copy()
    made.set_type(pyvips.GValue.gint_type, "page-height", frames[0].height)
    return made


def found(folder: Path, data: bytes, plan: str, extension: str = "png") -> Box:
    (path := folder / "original").write_bytes(data)
    facts = verify(path, LIMITS)
    pending = unmeasured(parse(plan, extension))
    assert pending is not None
    return measure(pending.resolve(facts).plan, path, facts, LIMITS)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("trim", "trim"),
        ("trim10", "trim"),
        ("trim010_equal", "trim_equal"),
        ("trim20", "trim20"),
        ("trim0_equal", "trim0_equal"),
        ("w9,trim255,orient_none", "orient_none,trim255,w9"),
    ],
)
def test_a_plan_has_one_canonical_text(text: str, canonical: str) -> None:
    assert str(parse(text, "webp")) == canonical
    assert parse(canonical, "webp") == parse(text, "webp")


@pytest.mark.parametrize("text", ["trim256", "trim1.5", "trim_20", "trim_equal_equal", "trim20_equals", "trim-1"])
def test_what_is_no_tolerance_is_refused_by_naming_the_range(text: str) -> None:
    with pytest.raises(PlanError, match="from 0 to 255"):
        parse(text, "webp")


@pytest.mark.parametrize(
    ("picture", "plan", "box"),
    [
        (framed(), "trim", INNER),
        (framed(), "trim0", INNER),
        (framed(), "trim_equal", Box(5, 7, 30, 16)),
        (framed(box=Box(0, 7, 10, 8)), "trim_equal", Box(0, 7, 40, 16)),
        (framed(box=Box(1, 0, 39, 30)), "trim", Box(1, 0, 39, 30)),
        (framed(box=Box(39, 29, 1, 1)), "trim", Box(39, 29, 1, 1)),
        (framed(WHITE, CREAM), "trim", Box(0, 0, 40, 30)),
        (framed(WHITE, CREAM), "trim9", INNER),
        (framed((0, 0, 0), (0, 11, 0)), "trim", INNER),
        (framed((0, 0, 0), (0, 10, 0)), "trim", Box(0, 0, 40, 30)),
        (canvas(40, 30, RED), "trim", Box(0, 0, 40, 30)),
        (canvas(40, 30, RED), "trim_equal", Box(0, 0, 40, 30)),
        (canvas(1, 1, RED), "trim0", Box(0, 0, 1, 1)),
        (hidden(), "trim0", INNER),
        (framed((*BLUE, 255), (*BLUE, 100)), "trim", INNER),
        (framed((200,), (100,)).copy(interpretation="b-w"), "trim", INNER),
        (framed(), "w20/trim", Box(2, 3, 6, 5)),
        (framed(), "crop_3_3_30_20,rotate90/trim", Box(8, 2, 8, 10)),
    ],
)
def test_the_border_is_what_looks_like_its_corner(tmp_path: Path, picture: Any, plan: str, box: Box) -> None:
    assert found(tmp_path, encoded(picture), plan) == box


def test_noise_of_a_jpeg_is_tolerated(tmp_path: Path) -> None:
    data = encoded(framed(box=Box(48, 32, 80, 64), size=Size(240, 160)), ".jpg", Q=85, subsample_mode="off")
    assert found(tmp_path, data, "trim20") == Box(48, 32, 80, 64)


def test_a_border_of_16_bits_is_found(tmp_path: Path) -> None:
    assert found(tmp_path, encoded(framed().colourspace("rgb16")), "trim") == INNER


@pytest.mark.parametrize(("extension", "box"), [("gif", Box(5, 7, 20, 18)), ("png", INNER)])
def test_all_frames_that_are_shown_have_one_box(tmp_path: Path, extension: str, box: Box) -> None:
    data = encoded(strip(framed(), framed(box=Box(20, 20, 5, 5)), framed()), ".gif")
    assert found(tmp_path, data, "trim", extension) == box


def test_what_is_found_is_cut_out_before_the_rest_of_the_stage(tmp_path: Path) -> None:
    (path := tmp_path / "original.png").write_bytes(encoded(framed()))
    facts = verify(path, LIMITS)
    plan = with_box(parse("trim,w5", "png"), found(tmp_path, path.read_bytes(), "trim")).resolve(facts).plan
    made = pyvips.Image.new_from_buffer(execute(plan, path, facts, LIMITS).data, "")
    assert (str(plan), made.width, made.height) == ("crop_5_7_10_8/w5", 5, 4)
    assert [made.extract_band(band).deviate() for band in range(3)] == [0, 0, 0]


@given(data=st.data(), width=st.integers(1, 30), height=st.integers(1, 30), equal=st.booleans())
def test_any_box_in_a_border_is_found(data: st.DataObject, width: int, height: int, equal: bool) -> None:
    box = Box(data.draw(st.integers(0, 9)), data.draw(st.integers(1, 9)), width, height)
    right, bottom = data.draw(st.integers(0, 9)), data.draw(st.integers(0, 9))
    picture = framed(WHITE, BLUE, box, Size(box.left + width + right, box.top + height + bottom))
    seen = Trim(trim=Trimming(equal=equal)).measure([picture])
    margins = (min(box.left, right), min(box.top, bottom)) if equal else (box.left, box.top)
    assert (seen.left, seen.top) == margins
    if equal:
        assert seen.size == Size(picture.width - 2 * margins[0], picture.height - 2 * margins[1])
    else:
        assert seen == box
