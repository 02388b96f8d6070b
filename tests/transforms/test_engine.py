"""From files to renditions: sizes, colours, orientation, animation, metadata, and what is refused."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import pyvips

from tests.pictures import (
    BLUE,
    GREEN,
    RED,
    YELLOW,
    animation,
    colours,
    encoded,
    gif_header,
    image,
    jpeg,
    near,
    oriented,
    png_header,
    transparent,
)
from transforms.engine import execute, probe, self_test, supported_formats, verify
from transforms.errors import BrokenImage, ImpossibleOutput, LimitExceeded, TooManyBytes, UnsupportedFormat
from transforms.formats import FORMATS
from transforms.geometry import Size
from transforms.grammar import parse
from transforms.limits import Limits
from transforms.values import Rendition

LIMITS = Limits(accepted=frozenset(FORMATS))
WRITABLE = [name for name, known in FORMATS.items() if known.writable and not known.text]
TEXTS = [name for name, known in FORMATS.items() if known.text]
QUARTERS = [RED, GREEN, BLUE, YELLOW]
WHITE = (255, 255, 255)
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="60" height="40"><rect width="30" height="40" fill="red"/></svg>'


class Studio:
    """Renders bytes by way of a file, as the children of the pool do."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "original"
        # libvips' cache knows files by their paths, and all of these have one. Children of the pool have none either.
        pyvips.cache_set_max(0)

    def file(self, data: bytes) -> Path:
        self._path.write_bytes(data)
        return self._path

    def render(self, data: bytes, plan: str, extension: str) -> Rendition:
        path = self.file(data)
        facts = verify(path, LIMITS)
        return execute(parse(plan, extension).resolve(facts).plan, path, facts, LIMITS)


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


def reopened(rendition: Rendition) -> Any:
    return pyvips.Image.new_from_buffer(rendition.data, "", **({"n": -1} if FORMATS[rendition.format].animation else {}))


def looks_like(data: bytes, expected: Sequence[tuple[int, ...]], page: int = 0) -> bool:
    # Wide enough for chroma subsampling on tiny pictures, far too narrow to take one quarter for another. GIF adds a band of opacity.
    return all(near(seen[:3], wanted, 60) for seen, wanted in zip(colours(data, page), expected, strict=True))


@pytest.mark.parametrize("name", WRITABLE)
def test_every_format_comes_out_in_size_and_colour(studio: Studio, name: str) -> None:
    rendition = studio.render(encoded(image()), "w30", name)
    assert (rendition.size, rendition.format) == (Size(30, 20), name)
    assert (reopened(rendition).width, reopened(rendition).height) == (30, 20)
    assert looks_like(rendition.data, QUARTERS)


@pytest.mark.parametrize("name", WRITABLE)
def test_every_format_that_is_written_is_read_again(studio: Studio, name: str) -> None:
    facts = verify(studio.file(studio.render(encoded(transparent()), "_", name).data), LIMITS)
    assert (facts.format, facts.size, facts.alpha, facts.animated) == (name, Size(60, 40), FORMATS[name].alpha, False)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
@pytest.mark.parametrize(
    "plan", ["w1", "w7", "h13", "w101", "w199", "w37,h91,fit_fill", "w37,h91,fit_cover", "w300,enlarge", "crop_3_5_50_7"]
)
def test_sizes_are_exact_whatever_the_decoder_shrinks_to(studio: Studio, suffix: str, plan: str) -> None:
    data = encoded(image(211, 307), suffix)
    facts = probe(studio.file(data), LIMITS)
    assert studio.render(data, plan, "png").size == parse(plan, "png").resolve(facts).size


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_come_out_upright_and_the_tag_goes(studio: Studio, suffix: str, orientation: int) -> None:
    data = oriented(orientation, suffix)
    facts = probe(studio.file(data), LIMITS)
    assert (facts.size, facts.orientation) == (Size(60, 40), orientation)
    for plan in ("_", "w30", "crop_0_0_60_40"):
        rendition = studio.render(data, plan, "jpg")
        assert looks_like(rendition.data, QUARTERS)
        assert "orientation" not in reopened(rendition).get_fields() or reopened(rendition).get("orientation") == 1


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        ("rotate90", [BLUE, RED, YELLOW, GREEN]),
        ("w30,rotate180", [YELLOW, BLUE, GREEN, RED]),
        ("flip_h", [GREEN, RED, YELLOW, BLUE]),
        ("crop_0_0_30_20", [RED] * 4),
        ("crop_30_20_30_20/w10,rotate270", [YELLOW] * 4),
        ("w10,h20,fit_cover,g_east", [GREEN, GREEN, YELLOW, YELLOW]),
    ],
)
def test_steps_run_in_their_order(studio: Studio, plan: str, expected: list[tuple[int, ...]]) -> None:
    assert looks_like(studio.render(jpeg(), plan, "png").data, expected)


# Animations


@pytest.mark.parametrize("source", [".gif", ".webp"])
@pytest.mark.parametrize("name", ["gif", "webp"])
@pytest.mark.parametrize("plan", ["_", "w30", "rotate180", "w30,h10,fit_cover", "w20,h20,fit_contain,bg_ffffff", "w30/flip_h"])
def test_an_animation_keeps_its_frames_delays_and_loop(studio: Studio, source: str, name: str, plan: str) -> None:
    rendition = studio.render(animation(source, loop=3), plan, name)
    strip = reopened(rendition)
    assert (strip.get("n-pages"), strip.get("delay"), strip.get("loop")) == (3, [50, 100, 150], 3)
    assert (strip.width, strip.get("page-height")) == rendition.size


def test_each_frame_is_worked_on_by_itself(studio: Studio) -> None:
    rendition = studio.render(animation(), "flip_h", "gif")
    assert looks_like(rendition.data, [GREEN, RED, YELLOW, BLUE])
    assert looks_like(rendition.data, [BLUE, GREEN, RED, YELLOW], page=1)


@pytest.mark.parametrize("loop", [0, 1, 2])
@pytest.mark.parametrize("name", ["gif", "webp"])
def test_what_plays_once_plays_once(studio: Studio, loop: int, name: str) -> None:
    assert reopened(studio.render(animation(loop=loop), "w30", name)).get("loop") == loop


@pytest.mark.parametrize("name", ["jpg", "png", "avif", "tiff"])
def test_a_format_that_cannot_move_shows_the_first_frame(studio: Studio, name: str) -> None:
    rendition = studio.render(animation(), "w30", name)
    assert rendition.size == Size(30, 20)
    assert reopened(rendition).height == 20
    assert looks_like(rendition.data, QUARTERS)


@pytest.mark.parametrize("suffix", [".tif", ".avif"])
def test_only_animations_have_frames(studio: Studio, suffix: str) -> None:
    strip = pyvips.Image.arrayjoin([image(), image()], across=1).copy()
    strip.set_type(pyvips.GValue.gint_type, "page-height", 40)
    assert probe(studio.file(encoded(strip, suffix)), LIMITS).frames == 1


# Transparency


@pytest.mark.parametrize("name", [name for name in WRITABLE if FORMATS[name].alpha])
@pytest.mark.parametrize("plan", ["_", "w30", "flip_v"])
def test_transparency_stays_where_the_format_has_it(studio: Studio, name: str, plan: str) -> None:
    opacities = [colour[3] for colour in colours(studio.render(encoded(transparent()), plan, name).data)]
    assert all(near((seen,), (wanted,)) for seen, wanted in zip(opacities, [255, 0, 255, 0], strict=True))


@pytest.mark.parametrize(("plan", "behind"), [("w30", WHITE), ("w30,bg_2864c8", (40, 100, 200)), ("bg_ff000080", WHITE)])
def test_transparency_shows_the_background_where_the_format_has_none(studio: Studio, plan: str, behind: tuple[int, ...]) -> None:
    assert looks_like(studio.render(encoded(transparent()), plan, "jpg").data, [RED, behind, BLUE, behind])


def test_fully_transparent_colours_do_not_bleed_into_edges(studio: Studio) -> None:
    hidden = pyvips.Image.black(60, 40).new_from_image([255, 0, 255, 0]).cast("uchar").copy(interpretation="srgb")
    seen = image(quarters=(GREEN, GREEN, GREEN, GREEN)).bandjoin(255).cast("uchar").crop(0, 0, 31, 40)
    edge = studio.render(encoded(hidden.insert(seen, 0, 0)), "w20", "png")
    decoded = pyvips.Image.new_from_buffer(edge.data, "")
    assert all(near(tuple(map(round, decoded(x, 5)[:3])), GREEN, 20) for x in range(20) if decoded(x, 5)[3] > 8)


# Colours


def as_grey(picture: Any) -> Any:
    return picture.colourspace("b-w")


def as_sixteen_bits(picture: Any) -> Any:
    return picture.colourspace("rgb16")


def as_cmyk(picture: Any) -> Any:
    return picture.colourspace("cmyk")


def as_display_p3(picture: Any) -> Any:
    return picture.icc_transform("p3", input_profile="srgb")


def with_broken_profile(picture: Any) -> Any:
    broken = picture.copy()
    broken.set_type(pyvips.GValue.blob_type, "icc-profile-data", b"no profile at all" * 20)
    return broken


def with_profile_of_another_space(picture: Any) -> Any:
    wrong = picture.copy()
    wrong.set_type(pyvips.GValue.blob_type, "icc-profile-data", picture.icc_transform("cmyk", input_profile="srgb").get("icc-profile-data"))
    return wrong


@pytest.mark.parametrize(
    ("change", "suffix", "tolerance"),
    [
        (as_sixteen_bits, ".png", 3),
        (as_cmyk, ".jpg", 105),
        (as_display_p3, ".png", 4),
        (as_display_p3, ".jpg", 40),
        (with_broken_profile, ".jpg", 12),
        (with_profile_of_another_space, ".jpg", 12),
    ],
)
@pytest.mark.parametrize("plan", ["_", "w30"])
def test_colours_become_srgb(studio: Studio, change: Any, suffix: str, tolerance: int, plan: str) -> None:
    rendition = studio.render(encoded(change(image()), suffix), plan, "png")
    decoded = reopened(rendition)
    assert (decoded.bands, decoded.format, decoded.interpretation) == (3, "uchar", "srgb")
    assert all(near(seen, wanted, tolerance) for seen, wanted in zip(colours(rendition.data), QUARTERS, strict=True))


@pytest.mark.parametrize("name", WRITABLE)
def test_grey_pictures_stay_grey(studio: Studio, name: str) -> None:
    for red, green, blue in (colour[:3] for colour in colours(studio.render(encoded(as_grey(image())), "w30", name).data)):
        assert near((red, red), (green, blue), 3)


@pytest.mark.parametrize("name", WRITABLE)
@pytest.mark.parametrize("plan", ["_", "w30", "flip_h"])
def test_nothing_of_the_metadata_is_in_the_result(studio: Studio, name: str, plan: str) -> None:
    tagged = as_display_p3(image()).copy()
    tagged.set_type(pyvips.GValue.gstr_type, "exif-ifd3-GPSLatitude", "52/1 31/1 12/1 (52, 31, 12, Rational, 3 components, 24 bytes)")
    tagged.set_type(pyvips.GValue.gstr_type, "exif-ifd0-Artist", "Secret Person (Secret Person, ASCII, 14 components, 14 bytes)")
    tagged.set_type(pyvips.GValue.blob_type, "xmp-data", b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>Secret Place</x:xmpmeta>")
    original = encoded(tagged, ".jpg")
    assert b"Secret Person" in original
    assert b"Secret Place" in original
    rendition = studio.render(original, plan, name)
    assert b"Secret" not in rendition.data
    assert not {"exif-data", "xmp-data", "icc-profile-data", "iptc-data"} & set(reopened(rendition).get_fields())


# Encoding


@pytest.mark.parametrize("name", [name for name in WRITABLE if FORMATS[name].quality])
def test_quality_is_the_formats_own_or_the_plans(studio: Studio, name: str) -> None:
    source = encoded(pyvips.Image.gaussnoise(64, 64).cast("uchar"))
    own, high = studio.render(source, "_", name), studio.render(source, "q99", name)
    assert len(own.data) < len(high.data)


def test_the_same_plan_gives_the_same_bytes(studio: Studio) -> None:
    assert studio.render(jpeg(), "w30", "webp") == studio.render(jpeg(), "w30", "webp")


# What is refused


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", UnsupportedFormat),
        (b"just text", UnsupportedFormat),
        (b"\xff\xd8\xff\xe0", BrokenImage),
        (b"GIF89a", BrokenImage),
        (b"RIFF\x10\0\0\0WEBPVP8 ", BrokenImage),
        (png_header(0, 1), BrokenImage),
        (png_header(2**31 - 1, 2**31 - 1), BrokenImage),
        (png_header(16_384, 1), LimitExceeded),
        (png_header(10_001, 10_000), LimitExceeded),
        (png_header(8_000, 7_500, interlaced=True, depth=16), LimitExceeded),
        (gif_header(1, 1, 2_001), LimitExceeded),
        (gif_header(1_000, 1_000, 201), LimitExceeded),
        (b'<svg xmlns="http://www.w3.org/2000/svg" width="20000" height="10"/>', LimitExceeded),
    ],
)
def test_a_header_that_is_too_bad_or_too_large_is_refused_before_decoding(studio: Studio, data: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        probe(studio.file(data), LIMITS)


def test_frames_up_to_the_limit_are_accepted(studio: Studio) -> None:
    assert verify(studio.file(gif_header(2, 3, 2_000)), LIMITS).frames == 2_000


def test_an_upload_over_the_limit_on_bytes_is_refused(studio: Studio) -> None:
    with pytest.raises(TooManyBytes):
        probe(studio.file(jpeg()), Limits(upload_bytes=100))


def test_metadata_has_a_limit(studio: Studio) -> None:
    heavy = image().copy()
    heavy.set_type(pyvips.GValue.blob_type, "xmp-data", b" " * 100_000)
    path = studio.file(encoded(heavy, ".webp"))
    assert probe(path, LIMITS).format == "webp"
    with pytest.raises(LimitExceeded, match="bytes of metadata"):
        probe(path, Limits(metadata=99_999))


def test_progressive_scans_have_a_limit(studio: Studio) -> None:
    path = studio.file(encoded(image(), ".jpg", interlace=True))
    assert verify(path, LIMITS).format == "jpg"
    with pytest.raises(LimitExceeded, match="scans"):
        probe(path, Limits(scans=3))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".gif", ".tif", ".avif"])
def test_a_picture_that_is_cut_off_is_broken(studio: Studio, suffix: str) -> None:
    noise = pyvips.Image.gaussnoise(300, 300).cast("uchar")
    data = encoded(noise, suffix)
    with pytest.raises((BrokenImage, UnsupportedFormat)):
        verify(studio.file(data[: len(data) * 2 // 3]), LIMITS)


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_an_animation_whose_last_frame_is_cut_off_is_broken(studio: Studio, suffix: str) -> None:
    data = animation(suffix, frames=8, delays=(20,) * 8)
    with pytest.raises(BrokenImage):
        verify(studio.file(data[:-30]), LIMITS)


@pytest.mark.parametrize(
    ("plan", "extension"),
    [("w5000,h5000,fit_fill,enlarge", "jpg"), ("w16383,h16383,fit_contain", "png"), ("w16383,h16383,fit_contain/w10", "png")],
)
def test_no_step_may_make_too_large_a_picture(studio: Studio, plan: str, extension: str) -> None:
    with pytest.raises(ImpossibleOutput, match="largest width"):
        studio.render(jpeg(), plan, extension)


def test_svg_is_drawn_at_the_size_that_is_asked_for(studio: Studio) -> None:
    rendition = studio.render(SVG, "w30", "png")
    assert rendition.size == Size(30, 20)
    assert [colour[3] for colour in colours(rendition.data)] == [255, 0, 255, 0]


def test_this_libvips_can_do_what_is_promised() -> None:
    self_test()
    supported = supported_formats()
    assert {name for name, support in supported.items() if support.reads} == set(FORMATS) - set(TEXTS)
    assert {name for name, support in supported.items() if support.writes} == {*WRITABLE, *TEXTS}
