"""Pictures as text: the grid, the tones, the colours, transparency, and what a plan for text comes down to."""

import re
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import pyvips
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pictures import BLUE, RED, animation, encoded, image, samples, transparent
from transforms.columns import MAX_CELLS, MAX_COLUMNS
from transforms.engine import execute, probe
from transforms.errors import ImpossibleOutput, PlanError
from transforms.formats import FORMATS
from transforms.geometry import Size
from transforms.grammar import parse
from transforms.limits import Limits
from transforms.operations.charset import ASCII, BLOCKS, BRAILLE
from transforms.rewrites import unmeasured
from transforms.text import DENSITY
from transforms.values import Facts, Rendition

LIMITS = Limits()
TEXTS = [name for name, known in FORMATS.items() if known.text]
CHARSETS = [ASCII, BLOCKS, BRAILLE]
PHOTO = Facts(format="jpg", width=800, height=600)
BLANK = " \u2800"
ALPHABETS = {ASCII: "".join(DENSITY), BLOCKS: " ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█░▒▓", BRAILLE: "".join(map(chr, range(0x2800, 0x2900)))}
BLACK, WHITE = (0, 0, 0), (255, 255, 255)

# A glyph, its colour and the one behind it, as #rrggbb or what the terminal has.
Cell = tuple[str, str | None, str | None]


class Writer:
    """Renders by way of a file, as the children of the pool do."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "original"

    def render(self, picture: Any, plan: str = "_", extension: str = "txt") -> Rendition:
        self._path.write_bytes(picture if isinstance(picture, bytes) else encoded(picture))
        facts = probe(self._path, LIMITS)
        resolved = parse(plan, extension).resolve(facts)
        rendition = execute(resolved.plan, self._path, facts, LIMITS)
        assert rendition.size == resolved.size
        return rendition

    def lines(self, picture: Any, plan: str = "_") -> list[str]:
        return self.render(picture, plan).data.decode().splitlines()


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    return Writer(tmp_path)


def plain(width: int, height: int, *colour: int) -> Any:
    return pyvips.Image.black(width, height).new_from_image(list(colour)).cast("uchar").copy(interpretation="srgb")


def gradient(width: int = 512, height: int = 32) -> Any:
    """From black to white, from the left to the right."""
    level = (pyvips.Image.xyz(width, height)[0] * 255 / (width - 1)).rint().cast("uchar")
    return level.bandjoin([level, level]).copy(interpretation="srgb")


def ansi_cells(data: bytes) -> list[list[Cell]]:
    """What a terminal shows; fails at an escape that it would not understand, and at a line that leaves colours on."""
    return [list(_ansi_line(line)) for line in data.decode().splitlines()]


def _ansi_line(line: str) -> Iterator[Cell]:
    ink = paper = None
    for escape, glyph in re.findall(r"\x1b\[([0-9;]*)m|(.)", line):
        if glyph:
            assert glyph.isprintable(), repr(line)
            yield glyph, ink, paper
            continue
        codes = [int(code) for code in escape.split(";")]
        assert codes.pop(0) == 0
        ink = paper = None
        while codes:
            kind, two, *colour = codes[:5]
            assert (kind in (38, 48), two, len(colour), max(colour) < 256) == (True, 2, 3, True), escape
            ink, paper = (bytes(colour).hex(), paper) if kind == 38 else (ink, bytes(colour).hex())
            codes = codes[5:]
    assert (ink, paper) == (None, None), repr(line)


class Page(HTMLParser):
    """The text of a page and the styles of its parts; fails when an element is closed that is not the last opened."""

    VOID = ("meta",)

    def __init__(self, data: bytes) -> None:
        super().__init__(convert_charrefs=False)
        self.open: list[str] = []
        self.styles: list[str] = []
        self.text = self.doctype = ""
        self.feed(data.decode())
        self.close()
        assert self.open == []

    def handle_decl(self, decl: str) -> None:
        self.doctype = decl

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.styles += [value for name, value in attrs if name == "style" and value]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "pre" in self.open:
            self.text += data

    def handle_entityref(self, name: str) -> None:
        self.text += unescape(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self.text += unescape(f"&#{name};")

    @property
    def lines(self) -> list[str]:
        return self.text.removeprefix("\n").splitlines()


def glyphs(rendition: Rendition) -> list[str]:
    if rendition.format == "html":
        return Page(rendition.data).lines
    if rendition.format == "ansi":
        return ["".join(cell[0] for cell in line) for line in ansi_cells(rendition.data)]
    return rendition.data.decode().splitlines()


@pytest.mark.parametrize(
    ("plan", "columns", "rows"),
    [
        ("_", 80, 27),
        ("w60", 60, 20),
        ("w61", 61, 21),
        ("w1", 1, 1),
        ("h40", 60, 20),
        ("h41", 62, 21),
        ("w40,dpr2", 80, 27),
        ("w40,h40,fit_fill", 40, 20),
        ("w40,h40,fit_contain", 40, 20),
        ("w40,h40,fit_cover", 40, 20),
        ("rotate90", 53, 40),
        ("w40/rotate90", 27, 20),
        ("w40,pad10", 60, 24),
        ("w40/crop_10_4_20_8", 20, 4),
        ("crop_0_0_30_30,w20", 20, 10),
        ("w1,pad10/w40", 40, 20),
        ("pad10/w40", 40, 15),
        ("w60,radius_max", 60, 20),
        ("gray", 80, 27),
    ],
)
@pytest.mark.parametrize("extension", TEXTS)
def test_the_grid_is_as_wide_as_asked_and_cells_are_twice_as_high_as_wide(
    writer: Writer, plan: str, columns: int, rows: int, extension: str
) -> None:
    rendition = writer.render(image(60, 40), plan, extension)
    assert rendition.size == Size(columns, rows)
    assert [len(line) for line in glyphs(rendition)] == [columns] * rows


@pytest.mark.parametrize("extension", TEXTS)
@pytest.mark.parametrize("charset", CHARSETS)
def test_a_text_is_made_of_its_charset(writer: Writer, charset: str, extension: str) -> None:
    seen = set("".join(glyphs(writer.render(gradient(), f"charset_{charset}", extension))))
    assert seen <= set(ALPHABETS[charset])
    assert len(seen) > (1 if charset == BLOCKS and extension != "txt" else 3) or seen == {"▀"}


@pytest.mark.parametrize("charset", CHARSETS)
def test_the_picture_goes_on_in_cells_that_it_covers_in_part(writer: Writer, charset: str) -> None:
    upper, lower = writer.lines(plain(8, 6, *WHITE), f"w4,charset_{charset}")
    assert upper == lower


@pytest.mark.parametrize("charset", CHARSETS)
def test_black_is_blank_and_white_is_full(writer: Writer, charset: str) -> None:
    full = {ASCII: "@", BLOCKS: "█", BRAILLE: "\u28ff"}[charset]
    assert set("".join(writer.lines(plain(8, 8, *BLACK), f"charset_{charset}"))) <= set(BLANK)
    assert set("".join(writer.lines(plain(8, 8, *WHITE), f"charset_{charset}"))) == {full}


def test_what_is_lighter_is_never_less_dense(writer: Writer) -> None:
    (row, *_) = writer.lines(gradient(), "w200")
    densities = [DENSITY[glyph] for glyph in row]
    assert densities == sorted(densities)
    assert set(row) == set(DENSITY)


def test_braille_has_more_dots_where_it_is_lighter(writer: Writer) -> None:
    rows = writer.lines(gradient(512, 128), "w64,charset_braille")
    dots = [sum((ord(row[column + n]) - 0x2800).bit_count() for row in rows for n in range(8)) for column in range(0, 64, 8)]
    assert dots == sorted(set(dots))


def test_every_quarter_and_every_dot_is_where_it_is_in_the_picture(writer: Writer) -> None:
    corner = plain(4, 8, *BLACK).insert(plain(2, 4, *WHITE), 2, 0)
    assert writer.lines(corner, "w1,kernel_nearest,charset_blocks") == ["▝"]
    for x, y, dot in ((0, 0, 0x2801), (1, 0, 0x2808), (0, 1, 0x2802), (1, 2, 0x2820), (0, 3, 0x2840), (1, 3, 0x2880)):
        one = plain(2, 4, *BLACK).insert(plain(1, 1, *WHITE), x, y)
        assert writer.lines(one, "w1,charset_braille") == [chr(dot)]


@pytest.mark.parametrize("charset", CHARSETS)
def test_invert_is_for_light_backgrounds(writer: Writer, charset: str) -> None:
    assert writer.lines(plain(8, 8, *WHITE), f"invert,charset_{charset}") == writer.lines(plain(8, 8, *BLACK), f"charset_{charset}")


@pytest.mark.parametrize("extension", TEXTS)
@pytest.mark.parametrize("charset", CHARSETS)
@pytest.mark.parametrize("operation", ["w60", "w60,invert"])
def test_what_is_transparent_is_blank(writer: Writer, charset: str, extension: str, operation: str) -> None:
    lines = glyphs(writer.render(transparent(), f"{operation},charset_{charset}", extension))
    assert {glyph for line in lines for glyph in line[32:]} <= set(BLANK)
    assert {glyph for line in lines for glyph in line[:28]} - set(BLANK)


def test_what_is_transparent_shows_the_background_that_is_asked_for(writer: Writer) -> None:
    assert {line[45] for line in writer.lines(transparent(), "w60,bg_fff")} == {"@"}


@pytest.mark.parametrize("charset", CHARSETS)
def test_a_terminal_shows_the_colours_of_the_picture(writer: Writer, charset: str) -> None:
    quarters = image(60, 40, quarters=((250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 0)))
    lines = ansi_cells(writer.render(quarters, f"w60,charset_{charset}", "ansi").data)
    inks = [{cell[1] for line in part for cell in line[at] if cell[0] not in BLANK} for part, at in _parts(lines)]
    bright = ["fa0000", "00fa00", "0000fa", "fafa00"] if charset == BLOCKS else ["ff0000", "00ff00", "0000ff", "ffff00"]
    assert inks == [{colour} for colour in bright]


def _parts(lines: list[list[Cell]]) -> Iterator[tuple[list[list[Cell]], slice]]:
    """The inner parts of the four quarters of 60 x 20 cells."""
    for rows in (lines[2:8], lines[12:18]):
        for columns in (slice(4, 26), slice(34, 56)):
            yield rows, columns


def test_a_cell_of_blocks_has_two_pixels(writer: Writer) -> None:
    red, blue = bytes(RED).hex(), bytes(BLUE).hex()
    halves = plain(8, 4, *RED).insert(plain(8, 2, *BLUE), 0, 2)
    assert ansi_cells(writer.render(halves, "w4,charset_blocks", "ansi").data) == [[("▀", red, blue)] * 4]
    assert Page(writer.render(halves, "w4,charset_blocks", "html").data).styles == [f"--t:#{red};--l:#{blue}"]
    for upper, lower, glyph in (((*RED, 255), (0, 0, 0, 0), "▀"), ((0, 0, 0, 0), (*RED, 255), "▄")):
        half = plain(8, 4, *upper).insert(plain(8, 2, *lower), 0, 2)
        assert ansi_cells(writer.render(half, "w4,charset_blocks", "ansi").data) == [[(glyph, red, None)] * 4]


def test_neighbours_of_one_colour_share_one_escape_and_one_element(writer: Writer) -> None:
    assert writer.render(plain(80, 40, *RED), "_", "ansi").data.count(b"\x1b[0;38;2") == 20
    assert len(Page(writer.render(plain(80, 40, *RED), "_", "html").data).styles) == 20


@pytest.mark.parametrize("charset", CHARSETS)
def test_html_is_a_whole_page_that_needs_nothing_else(writer: Writer, charset: str) -> None:
    data = writer.render(image(), f"charset_{charset}", "html").data
    assert Page(data).doctype == "doctype html"
    assert b'<meta charset="utf-8">' in data
    assert b"<title>" in data
    assert not re.search(rb"<script|<link|<img|url\(|://|\bon\w+=", data)


def test_html_shows_the_glyphs_that_plain_text_has(writer: Writer) -> None:
    assert Page(writer.render(gradient(), "w99", "html").data).lines == writer.lines(gradient(), "w99")


def test_an_animation_shows_its_first_frame_and_says_so(writer: Writer, tmp_path: Path) -> None:
    assert writer.lines(animation(), "w60") == writer.lines(animation(frames=1, delays=(50,)), "w60")
    (tmp_path / "moving").write_bytes(animation())
    assert parse("_", "txt").resolve(probe(tmp_path / "moving", LIMITS)).warnings


RESOLVED = [
    # text, what it comes down to on 800 x 600, columns and rows
    ("_", "_", (80, 30)),
    ("w80", "_", (80, 30)),
    ("h60", "_", (80, 30)),
    ("w80,h60", "_", (80, 30)),
    ("w40,dpr2", "_", (80, 30)),
    ("w80,enlarge", "_", (80, 30)),
    ("w80,gray", "gray", (80, 30)),
    ("gray/w80", "gray/w80", (80, 30)),
    ("w80/gray", "w80/gray", (80, 30)),
    ("w80/w80", "_", (80, 30)),
    ("dpr2,pad10", "w160,pad20", (200, 80)),
    ("w100", "w100", (100, 38)),
    ("w800", "w800", (800, 300)),
    ("w800/w80", "w800/w80", (80, 30)),
    ("w10,pad10,dpr2", "w20,pad20", (60, 28)),
    ("w100,h100,fit_cover,g_north", "w100,h100,fit_cover,g_north", (100, 50)),
    ("charset_ascii", "_", (80, 30)),
    ("charset_blocks,w80", "charset_blocks", (80, 30)),
]


@pytest.mark.parametrize(("text", "canonical", "size"), RESOLVED)
def test_a_plan_comes_down_to_what_its_url_would_say(text: str, canonical: str, size: tuple[int, int]) -> None:
    resolved = parse(text, "txt").resolve(PHOTO)
    assert (str(resolved.plan), resolved.size) == (canonical, size)
    assert resolved.plan == parse(canonical, "txt").resolve(PHOTO).plan


@pytest.mark.parametrize(
    ("text", "canonical"),
    [("w80", "_"), ("w80,dpr2", "w80,dpr2"), ("w80,enlarge", "_"), ("p_thumb/w80,gray", "p_thumb/w80,gray"), ("w20,enlarge", "w20")],
)
def test_what_goes_without_saying_is_not_written(text: str, canonical: str) -> None:
    assert str(parse(text, "txt")) == canonical


def test_a_border_is_looked_for_in_the_columns_that_are_cut() -> None:
    """A resize before it enlarges small pictures for text, and for nothing else."""
    small = Facts(format="png", width=40, height=20)
    for extension, size in (("txt", (80, 40)), ("png", (40, 20))):
        pending = unmeasured(parse("w80/trim", extension))
        assert pending is not None
        assert pending.resolve(small, "png").size == size


OPERATION = st.sampled_from(
    [
        *(
            "w1",
            "w7",
            "w80",
            "w200",
            "h1",
            "h33",
            "h50",
            "w30,h50,fit_cover",
            "w31,h17,fit_contain",
            "w9,h9,fit_fill",
            "w9,h99,fit_outside",
        ),
        *("rotate90", "rotate30", "pad3", "pad_1_0_2_5", "radius5", "radius_max", "crop_0_0_50p_50p", "crop_1_1_33_21", "ar_16_9"),
        *("gray", "invert", "flip_h", "dpr1.5,w13", "w20,dpr3,pad1", "kernel_nearest,w40", "w13,enlarge", "bg_fff,pad2"),
    ]
)
SIDE = st.integers(1, 3000)


@given(st.lists(OPERATION, max_size=4).map("/".join), SIDE, SIDE, st.sampled_from(TEXTS), st.sampled_from(CHARSETS))
def test_a_resolved_plan_means_itself(text: str, width: int, height: int, extension: str, charset: str) -> None:
    facts = Facts(format="png", width=width, height=height)
    plan = parse(f"{text}/charset_{charset}" if text else f"charset_{charset}", extension)
    assert parse(str(plan), extension) == plan
    try:
        resolved = plan.resolve(facts)
        LIMITS.check_output(resolved.peak, FORMATS["png"], enlarged=resolved.enlarged)
    except ImpossibleOutput:
        return
    assert parse(str(resolved.plan), extension) == resolved.plan
    assert resolved.plan.resolve(facts) == resolved
    assert resolved.size.width <= MAX_COLUMNS
    assert resolved.size.area <= MAX_CELLS


@settings(max_examples=settings().max_examples // 4)
@given(st.lists(OPERATION, max_size=3).map("/".join), st.integers(1, 90), st.integers(1, 90), st.sampled_from(TEXTS))
def test_every_plan_makes_the_grid_that_it_promises(
    tmp_path_factory: pytest.TempPathFactory, text: str, width: int, height: int, extension: str
) -> None:
    path = tmp_path_factory.mktemp("text") / "original"
    path.write_bytes(encoded(image(width, height) if width > 1 and height > 1 else plain(width, height, *RED)))
    facts = probe(path, LIMITS)
    try:
        resolved = parse(text or "_", extension).resolve(facts)
        rendition = execute(resolved.plan, path, facts, LIMITS)
    except ImpossibleOutput:
        return
    assert [len(line) for line in glyphs(rendition)] == [resolved.size.width] * resolved.size.height


@pytest.mark.parametrize(
    ("text", "largest"), [("w1001", 816), ("w16383", 816), ("h2000", 816), ("w817", 816), ("w5000,h50,fit_fill", 1000)]
)
def test_too_large_a_text_names_the_largest(text: str, largest: int) -> None:
    with pytest.raises(ImpossibleOutput, match=f"largest width .* {largest} columns") as caught:
        parse(text, "txt").resolve(PHOTO)
    assert caught.value.facts["largest_width"] == largest
    assert parse("w816", "txt").resolve(PHOTO).size.width == 816


def test_a_strip_that_no_width_makes_small_enough_is_refused() -> None:
    with pytest.raises(ImpossibleOutput, match="columns"):
        parse("_", "txt").resolve(Facts(format="png", width=1, height=16_383))


@pytest.mark.parametrize("extension", TEXTS)
@pytest.mark.parametrize("option", ["q80", "lossless", "progressive", "palette", "effort3", "meta_all", "icc_p3"])
def test_a_text_has_no_options_of_pictures(option: str, extension: str) -> None:
    with pytest.raises(PlanError, match=f"{extension} has no"):
        parse(option, extension)


@pytest.mark.parametrize("extension", [name for name in FORMATS if FORMATS[name].writable and not FORMATS[name].text])
def test_pictures_have_no_charset(extension: str) -> None:
    with pytest.raises(PlanError, match=f"{extension} has no charset"):
        parse("charset_blocks", extension)


SAMPLES = samples(lambda sample: sample.expected == "accept" and sample.format in LIMITS.accepted)


@pytest.mark.skipif(not SAMPLES, reason="the corpus of test pictures is not there")
@pytest.mark.parametrize("sample", SAMPLES[::6])
def test_real_pictures_become_text(sample: Any) -> None:
    facts = probe(sample.path, LIMITS)
    for extension in TEXTS:
        resolved = parse("w40", extension).resolve(facts)
        lines = glyphs(execute(resolved.plan, sample.path, facts, LIMITS))
        assert [len(line) for line in lines] == [40] * resolved.size.height
