"""text: any words over any picture, as data and never as markup."""

import base64
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import pyvips
from hypothesis import given
from hypothesis import strategies as st

from tests.pictures import animation, encoded
from transforms.engine import execute, verify
from transforms.errors import PlanError
from transforms.formats import FORMATS
from transforms.geometry import Size
from transforms.grammar import parse
from transforms.limits import Limits
from transforms.operation import Stage
from transforms.operations.textoverlay import Lettering, Text
from transforms.values import Facts, Rendition

LIMITS = Limits(accepted=frozenset(FORMATS))
PHOTO = Facts(format="jpg", width=800, height=600)
GREY = (100, 100, 100)
DRAW = """
import sys, pyvips
from transforms.errors import ImpossibleOutput
from transforms.geometry import Size
from transforms.operation import Stage
from transforms.operations.textoverlay import Lettering, Text
frame = pyvips.Image.black(60, 40, bands=3).copy(interpretation="srgb")
try:
    print(Text(text=Lettering("Hello")).apply([frame], Size(60, 40), Stage())[0].max())
except ImpossibleOutput as error:
    print(error)
"""


def written(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=").replace("_", "~")


HELLO, NEVER = written("Hello"), "expected _ and the text"


def plain(width: int, height: int, ink: tuple[int, ...] = GREY, bands: str = "srgb") -> Any:
    return pyvips.Image.black(width, height).new_from_image(list(ink)).cast("uchar").copy(interpretation=bands)


def render(folder: Path, data: bytes, plan: str, extension: str = "png") -> Rendition:
    (path := folder / "original").write_bytes(data)
    facts = verify(path, LIMITS)
    return execute(parse(plan, extension).resolve(facts).plan, path, facts, LIMITS)


def opened(rendition: Rendition, **options: int) -> Any:
    return pyvips.Image.new_from_buffer(rendition.data, "", **options)


def extent(made: Any, ink: int | None = None) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what was drawn on grey; with `ink` only of what is nearly this grey."""
    band = made.extract_band(0)
    drawn = ((band - ink).abs() < 40) if ink is not None else (band - GREY[0]).abs() > 3
    left, top, width, height = drawn.find_trim(background=0, threshold=1, line_art=True)
    return left, top, left + width, top + height


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        (f"text_{HELLO}", f"text_{HELLO}"),
        (f"text_{HELLO}_south_32_fff", f"text_{HELLO}"),
        (f"text_{HELLO}_south_032", f"text_{HELLO}"),
        (f"text_{HELLO}_north_32_FFF", f"text_{HELLO}_north"),
        (f"text_{HELLO}_south_32_F00", f"text_{HELLO}_south_32_ff0000"),
        (f"text_{HELLO},dpr2", f"dpr2,text_{HELLO}"),
        ("text_QUJD,w9", "w9,text_QUJD"),
        ("text_SGVsbG9", f"text_{HELLO}"),
        (f"text_{written('???>>>')}", f"text_{written('???>>>')}"),
        (f"text_{written('a' * 256)}", f"text_{written('a' * 256)}"),
        (f"text_{written(chr(10))}", f"text_{written(chr(10))}"),
    ],
)
def test_a_plan_has_one_canonical_text_in_which_case_counts(text: str, canonical: str) -> None:
    assert str(parse(text, "webp")) == canonical
    assert parse(canonical, "webp") == parse(text, "webp")


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            "_",
            "5",
            f"_{HELLO}_middle",
            f"_{HELLO}_tile",
            f"_{HELLO}_32",
            f"_{HELLO}_south_0",
            f"_{HELLO}_south_1001",
            f"_{HELLO}_south_1.5",
        ),
        *(
            f"_{HELLO}_south_32_ffff",
            f"_{HELLO}_south_32_red",
            f"_{HELLO}_south_32_fff_1",
            "_A",
            "_SGVs.bG8",
            "_SGVsbG8=",
            "_SGVsbG8+",
            "_qujd",
            "_" + "A" * 5000,
        ),
        *(f"_{written(text)}" for text in ("a\x00b", "\t", "\x1b[31m", "\x7f", "\x85", "a" * 257)),
        *(f"_{base64.urlsafe_b64encode(data).decode().rstrip('=')}" for data in (b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"\xe2\x82")),
    ],
)
def test_what_is_no_text_is_refused_by_saying_what_is(value: str) -> None:
    with pytest.raises(PlanError, match=r"'text' takes|no operation"):
        parse(f"text{value}", "webp")


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        *((text, f"base64url of UTF-8 with ~ for _ and no padding .*'{text}' is not") for text in ("hello", "Hello", "SGVsbG8=", "qujd")),
        ("SGVs+bG8", "base64url"),
        ("Hello_World", "base64url .*'Hello' is not"),
        (written("a" * 257), "at most 256 bytes"),
        (f"{HELLO}_World", "a place, after the text, one of _center, _north"),
        (f"{HELLO}_south_0", "a size, after the place, a whole number from 1 to 1000"),
        (f"{HELLO}_south_32_red", "a colour, after the size, a colour of 3 or 6"),
    ],
)
def test_the_part_that_is_wrong_is_named(value: str, wrong: str) -> None:
    with pytest.raises(PlanError, match=f"'text' takes .*{wrong}") as refused:
        parse(f"text_{value}", "webp")
    assert len(str(refused.value)) < 260


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        (f"text_{HELLO}", f"text_{HELLO}"),
        (f"text_{HELLO},dpr2", f"text_{HELLO}_south_64"),
        (f"text_{HELLO}_west_15,dpr1.5", f"text_{HELLO}_west_23"),
        (f"text_{HELLO}_west_900,dpr4", f"text_{HELLO}_west_1000"),
        (f"text_{HELLO}_south_16,dpr2", f"text_{HELLO}"),
    ],
)
def test_a_plan_comes_down_to_one_text(text: str, canonical: str) -> None:
    resolved = parse(text, "webp").resolve(PHOTO)
    assert str(resolved.plan) == canonical
    assert parse(canonical, "webp").resolve(PHOTO) == resolved


@given(text=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=64))
def test_any_text_has_an_inverse(text: str) -> None:
    if len(text.encode()) <= 256:
        plan = parse(f"text_{written(text)}", "webp")
        assert plan.stages[0].get(Text).text == Lettering(text)
        assert str(plan) == f"text_{written(text)}"


@given(
    text=st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters=[chr(code) for code in range(160) if code < 32 or code > 126]),
        max_size=64,
    ),
    size=st.sampled_from([1, 5, 32, 1000]),
    picture=st.sampled_from([(1, 1), (7, 90), (200, 3), (120, 80)]),
    place=st.sampled_from(["center", "northwest", "southeast"]),
)
def test_no_text_fails(text: str, size: int, picture: tuple[int, int], place: str) -> None:
    operation = Text(text=Lettering(text[: 256 // 4] or " ", place, size))
    (made,) = operation.apply([plain(*picture)], Size(*picture), Stage())
    assert (made.width, made.height, made.bands, made.format) == (*picture, 3, "uchar")
    made.avg()


@pytest.mark.parametrize("text", [" ", "\n", "\u200b", "\u2028", "\ufeff", "\u2800", "\u3000 \u200d"])
def test_what_nobody_can_see_draws_nothing(tmp_path: Path, text: str) -> None:
    made = opened(render(tmp_path, encoded(plain(60, 40)), f"text_{written(text)}"))
    assert (made - GREY[0]).abs().max() == 0


@pytest.mark.parametrize("text", ["<b>x</b>", "<span size='90000'>x</span>", "&lt;", "&", "<", "</span><b>x", "a<!-- -->b", "&#x41;"])
def test_markup_is_data(tmp_path: Path, text: str) -> None:
    """Each of its characters takes room: as markup it would be shorter, or refused."""
    data = encoded(plain(900, 60))
    left, _, right, _ = extent(opened(render(tmp_path, data, f"text_{written(text)}_west_20")))
    as_wide = extent(opened(render(tmp_path, data, f"text_{written('i' * len(text))}_west_20")))
    assert right - left >= as_wide[2] - as_wide[0] - 2
    assert right - left < 20 * len(text) + 8


@pytest.mark.parametrize("x", ["west", "", "east"])
@pytest.mark.parametrize("y", ["north", "", "south"])
def test_a_text_lies_where_it_is_told(tmp_path: Path, x: str, y: str) -> None:
    left, top, right, bottom = extent(opened(render(tmp_path, encoded(plain(300, 200)), f"text_{HELLO}_{y + x or 'center'}_30")))
    assert {"west": left < 20, "east": right > 280, "": abs(left + right - 300) <= 4}[x]
    assert {"north": top < 20, "south": bottom > 180, "": abs(top + bottom - 200) <= 4}[y]


@pytest.mark.parametrize(("size", "dpr"), [(20, 1), (40, 1), (20, 2), (80, 1)])
def test_letters_are_as_large_as_asked_for(tmp_path: Path, size: int, dpr: int) -> None:
    """Capitals of most fonts are about 0.7 of its size; the seam adds a little."""
    _, top, _, bottom = extent(opened(render(tmp_path, encoded(plain(400, 200)), f"text_{written('HHH')}_center_{size},dpr{dpr}")))
    assert 0.65 * size * dpr <= bottom - top <= 0.95 * size * dpr + 2


@pytest.mark.parametrize("text", ["one two three four five six", "onetwothreefourfivesix", "שלום עולם מה שלומך היום", "a\nb\nc"])
def test_what_is_too_wide_is_wrapped_and_stays_in_the_picture(tmp_path: Path, text: str) -> None:
    left, top, right, bottom = extent(opened(render(tmp_path, encoded(plain(110, 300)), f"text_{written(text)}_center_20")))
    assert left > 0
    assert top > 0
    assert right < 110
    assert 40 < bottom - top < 290


@pytest.mark.parametrize("size", [100, 1000])
def test_what_is_too_large_is_made_smaller(tmp_path: Path, size: int) -> None:
    left, top, right, bottom = extent(opened(render(tmp_path, encoded(plain(120, 50)), f"text_{written('Hello world')}_center_{size}")))
    assert (left > 0, top > 0, right < 120, bottom < 50) == (True,) * 4
    assert right - left > 60 or bottom - top > 30


def test_bright_letters_have_a_dark_seam_and_dark_ones_a_bright_one(tmp_path: Path) -> None:
    for ink, letters, seam in (("fff", 255, 50), ("000", 0, 190)):
        made = opened(render(tmp_path, encoded(plain(200, 100)), f"text_{written('HHH')}_center_60_{ink}"))
        inner, outer = extent(made, letters), extent(made)
        assert outer[0] < inner[0] < inner[2] < outer[2]
        band = made.extract_band(0)
        assert (band.min() <= seam) if ink == "fff" else (band.max() >= seam)


def test_letters_have_their_colour(tmp_path: Path) -> None:
    made = opened(render(tmp_path, encoded(plain(200, 100)), f"text_{written('HHH')}_center_60_2864c8"))
    assert ((made - [0x28, 0x64, 0xC8]).abs() <= 1).bandand().max() == 255


@pytest.mark.parametrize(
    "picture",
    [
        plain(90, 60, (100,), "b-w"),
        plain(90, 60, (100, 200), "b-w"),
        plain(90, 60, (*GREY, 0)),
        plain(1, 1),
        plain(90, 60).colourspace("rgb16"),
    ],
)
@pytest.mark.parametrize("plan", [f"text_{HELLO}", f"gray,text_{HELLO}_northwest_12_f00"])
def test_every_kind_of_picture_takes_text(tmp_path: Path, picture: Any, plan: str) -> None:
    made = opened(render(tmp_path, encoded(picture), plan))
    assert (made.width, made.height, made.format) == (picture.width, picture.height, "uchar")
    assert made.hasalpha() == picture.hasalpha()
    assert picture.width == 1 or made.extract_band(0).deviate() > 3


def test_a_picture_born_in_cmyk_takes_text(tmp_path: Path) -> None:
    data = encoded(plain(90, 60, (0, 0, 0, 128), "cmyk"), ".jpg")
    assert opened(render(tmp_path, data, f"text_{HELLO}")).deviate() > 3


@pytest.mark.parametrize("name", ["gif", "webp"])
def test_all_frames_of_an_animation_have_the_same_text(tmp_path: Path, name: str) -> None:
    rendition = render(tmp_path, animation(), f"text_{written('█')}_center_20_000", name)
    pages = [opened(rendition, page=page).extract_band(0, n=3) for page in range(3)]
    assert all(max(page(30, 20)) < 40 for page in pages)
    assert opened(rendition, n=-1).get("page-height") == 40


@pytest.mark.parametrize(("config", "answer"), [("<fontconfig></fontconfig>", "no font to write with"), (None, "255.0")])
def test_without_any_font_it_says_so(tmp_path: Path, config: str | None, answer: str) -> None:
    environment = dict(os.environ)
    if config:
        (tmp_path / "fonts.conf").write_text(f'<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">{config}')
        environment["FONTCONFIG_FILE"] = str(tmp_path / "fonts.conf")
    done = subprocess.run([sys.executable, "-c", DRAW], env=environment, capture_output=True, text=True, check=True)
    assert answer in done.stdout
