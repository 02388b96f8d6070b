"""What the encoder finds out for itself: q_auto, maxbytes, and that nothing gets larger that nobody wanted changed."""

import re
import struct
import zlib
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pyvips
from hypothesis import given
from hypothesis import strategies as st

from tests.photos import photo
from tests.pictures import CORPUS, Sample, animation, encoded, image, oriented, samples, transparent
from tests.transforms.test_engine import Studio, reopened
from transforms.engine import execute, prepare, verify
from transforms.engine.likeness import likeness, planes
from transforms.engine.search import CHOICES, SAMPLE_PIXELS, TARGET, fitting, good_enough, sampled
from transforms.errors import ImageError, ImpossibleOutput, PlanError
from transforms.formats import FORMATS
from transforms.grammar import parse
from transforms.limits import Limits
from transforms.pool import RenderPool
from transforms.repack import repacked
from transforms.shrink import copy_will_do
from transforms.values import Facts

LOSSY = ["jpg", "webp", "avif"]
PIXEL = image(2, 2).crop(0, 0, 1, 1)
# Nothing of this may come out: a comment, and what stands for a position.
SECRET = b"51.5074 N, 0.1278 W"
# Its file is smaller than the head alone of one that libvips writes.
TOO_SMALL = {"jpeg_variants/arithmetic.jpg"}
# 20 MP: no AVIF may be as large as this one is.
TOO_LARGE = {"avif/photo-20mp-5472x3648.avif"}

CANONICAL = [
    ("q_auto,w9", "webp", "w9,q_auto"),
    ("q_auto/w9", "auto", "w9,q_auto"),
    ("q_auto,lossless", "webp", "lossless"),
    ("maxbytes0500,w9", "jpg", "w9,maxbytes500"),
    ("maxbytes9999999", "avif", "maxbytes9999999"),
    ("maxbytes500,q80", "jpg", "q80,maxbytes500"),
    ("maxbytes500,q100", "jpg", "maxbytes500"),
    ("maxbytes500,q100", "auto", "maxbytes500"),
    ("maxbytes500,q_auto", "jpg", "q_auto,maxbytes500"),
    ("maxbytes500,lossless", "webp", "maxbytes500,lossless"),
]

REFUSED = [
    ("q_aut", "jpg", "Did you mean 'q_auto'"),
    ("q5_auto", "jpg", "or _auto"),
    ("q0", "jpg", "from 1 to 100, or _auto"),
    ("q_auto", "png", "png has no q"),
    ("maxbytes", "jpg", "from 1 to 9999999"),
    ("maxbytes0", "jpg", "from 1 to 9999999"),
    ("maxbytes10000000", "jpg", "from 1 to 9999999"),
    ("maxbytes1.5", "jpg", "whole number"),
    ("maxbytes500", "png", "avif, jpg, webp have"),
    ("maxbytes500", "gif", "gif has no maxbytes"),
    ("w123456", "jpg", "from 1 to 16383"),
    ("w0000256", "jpg", "from 1 to 16383"),
]


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


def drawn(width: int, height: int, format: str = "jpg") -> Any:
    return pyvips.Image.new_from_buffer(photo(width, height, format), "").copy_memory()


def saver(format: str) -> Any:
    def save(picture: Any, quality: int) -> bytes:
        saved.append((picture.width, quality))
        return encoded(picture, f".{format}", Q=quality, **({"effort": 0} if format == "avif" else {}))

    saved: list[tuple[int, int]] = []
    save.saved = saved  # type: ignore[attr-defined]
    return save


@pytest.mark.parametrize(("text", "extension", "canonical"), CANONICAL)
def test_qualities_that_are_found_have_one_canonical_text(text: str, extension: str, canonical: str) -> None:
    assert str(parse(text, extension)) == canonical
    assert parse(canonical, extension) == parse(text, extension)


@pytest.mark.parametrize(("text", "extension", "named"), REFUSED)
def test_numbers_and_formats_without_them_are_refused_by_name(text: str, extension: str, named: str) -> None:
    with pytest.raises(PlanError) as refused:
        parse(text, extension)
    assert named in str(refused.value)


@pytest.mark.parametrize("text", ["q_auto", "maxbytes5000"])
def test_a_copy_of_the_original_will_do(text: str) -> None:
    facts = Facts(format="jpg", width=4000, height=3000)
    assert copy_will_do(parse(f"w500,{text}", "webp").resolve(facts).plan, facts)


# Likeness


@pytest.mark.parametrize("format", LOSSY)
def test_a_picture_is_like_itself_and_less_so_the_lower_the_quality(format: str) -> None:
    original = drawn(500, 400)
    seen = [likeness(planes(original), pyvips.Image.new_from_buffer(saver(format)(original, q), "")) for q in (10, 40, 70, 95)]
    assert seen == sorted(seen)
    assert seen[0] < TARGET
    assert likeness(planes(original), original) == 100


@pytest.mark.parametrize("picture", [PIXEL, image(3, 2), image(900, 2), image(9, 9).extract_band(0), transparent(40, 30)])
def test_pictures_of_any_size_and_bands_can_be_compared(picture: Any) -> None:
    assert likeness(planes(picture), picture) == 100
    assert likeness(planes(picture), (picture * 0.5).cast("uchar").copy(interpretation=picture.interpretation)) < 90


def test_a_change_of_colour_alone_is_seen() -> None:
    lab = drawn(300, 200).colourspace("lab")
    assert likeness(planes(drawn(300, 200)), drawn(300, 200)) < 100
    assert likeness(planes(lab.colourspace("srgb")), lab.linear(1, [0, 0, 30]).colourspace("srgb")) < 90


# q_auto


@pytest.mark.parametrize("format", LOSSY)
def test_auto_is_the_least_choice_that_reaches_the_target(format: str) -> None:
    original, save, choices = drawn(400, 300, "png"), saver(format), CHOICES[format]
    quality = good_enough(save, original, format)

    def seen(quality: int) -> float:
        return likeness(planes(original), pyvips.Image.new_from_buffer(saver(format)(original, quality), ""))

    assert len(save.saved) <= 5
    assert quality in choices
    assert seen(quality) >= TARGET or quality == choices[-1]
    assert quality == choices[0] or seen(quality - choices.step) < TARGET


@pytest.mark.parametrize("format", LOSSY)
def test_a_flat_picture_takes_fewer_bytes_than_with_the_default(studio: Studio, format: str) -> None:
    data = encoded(drawn(300, 200).gaussblur(8))
    auto, again, default = (studio.render(data, plan, format) for plan in ("q_auto", "q_auto", "_"))
    assert len(auto.data) < len(default.data)
    assert auto.data == again.data


@pytest.mark.parametrize("source", [transparent(200, 150), image(200, 150).colourspace("b-w"), PIXEL])
@pytest.mark.parametrize("format", LOSSY)
def test_auto_works_on_whatever_can_be_encoded(studio: Studio, format: str, source: Any) -> None:
    rendition = studio.render(encoded(source), "q_auto", format)
    assert reopened(rendition).width == source.width


@pytest.mark.parametrize("plan", ["q_auto", "maxbytes3000"])
def test_an_animation_keeps_its_frames(studio: Studio, plan: str) -> None:
    rendition = studio.render(animation(), plan, "webp")
    assert (reopened(rendition).get("n-pages"), reopened(rendition).get("delay")) == (3, [50, 100, 150])
    assert len(rendition.data) <= 3000


@pytest.mark.parametrize(("width", "height"), [(4000, 3000), (16_000, 60), (60, 16_000), (800, 800), (769, 768)])
def test_a_sample_is_bounded_and_made_of_all_corners(width: int, height: int) -> None:
    picture = image(width, height).copy_memory()
    sample = sampled(picture)
    assert sample.width * sample.height <= SAMPLE_PIXELS
    right, bottom = sample.width - 1, sample.height - 1
    for here, there in (((0, 0), (0, 0)), ((right, 0), (width - 1, 0)), ((right, bottom), (width - 1, height - 1))):
        assert sample(*here) == picture(*there)


# maxbytes


@pytest.mark.parametrize("limit", [2500, 6000, 9_999_999])
@pytest.mark.parametrize("format", LOSSY)
def test_the_highest_quality_that_fits_is_found_in_seven_encodes(format: str, limit: int) -> None:
    original, save = drawn(240, 180), saver(format)
    data, fits = fitting(save, original, original, 100, limit)
    assert fits
    assert len(data) <= limit
    assert len(save.saved) <= 7
    quality = next(q for q in range(100, 0, -1) if saver(format)(original, q) == data)
    assert quality == 100 or len(saver(format)(original, quality + 1)) > limit


@given(sizes=st.lists(st.integers(1, 5000), min_size=100, max_size=100), limit=st.integers(1, 6000), highest=st.integers(1, 100))
def test_what_is_said_to_fit_fits_and_four_whole_encodes_are_enough(sizes: list[int], limit: int, highest: int) -> None:
    """Also where bytes do not grow with the quality, and the sample tells nothing of the whole."""
    whole, sample = pyvips.Image.black(9, 9), pyvips.Image.black(3, 3)
    asked: list[int] = []

    def save(picture: Any, quality: int) -> bytes:
        if picture is sample:
            return bytes(quality)
        asked.append(quality)
        return bytes(sizes[quality - 1])

    data, fits = fitting(save, whole, sample, highest, limit)
    assert len(asked) <= 4
    assert (len(data) <= limit) is fits
    assert data
    assert max(asked) <= highest
    assert fits or asked[-1] == 1


@pytest.mark.parametrize("format", LOSSY)
def test_a_large_picture_comes_near_to_its_limit(studio: Studio, format: str) -> None:
    data = photo(1500, 1000)
    limit = len(studio.render(data, "q60", format).data)
    assert limit * 0.8 < len(studio.render(data, f"maxbytes{limit}", format).data) <= limit


def test_q_is_the_highest_that_is_tried(studio: Studio) -> None:
    data = encoded(drawn(200, 150))
    assert studio.render(data, "q40,maxbytes999999", "jpg") == studio.render(data, "q40", "jpg")
    assert studio.render(data, "maxbytes999999", "jpg") == studio.render(data, "q100", "jpg")
    assert studio.render(data, "q_auto,maxbytes999999", "jpg") == studio.render(data, "q_auto", "jpg")


@pytest.mark.parametrize(("plan", "format", "named"), [("maxbytes150", "jpg", "As jpg"), ("maxbytes150,lossless", "webp", "lossless")])
def test_what_cannot_fit_says_how_few_bytes_it_takes(studio: Studio, plan: str, format: str, named: str) -> None:
    data = encoded(drawn(200, 150))
    with pytest.raises(ImpossibleOutput, match=named) as refused:
        studio.render(data, plan, format)
    least = len(studio.render(data, "lossless" if named == "lossless" else "q1", format).data)
    assert refused.value.facts == {"maxbytes": 150, "least": least}
    assert str(least) in str(refused.value)


def test_lossless_that_fits_is_lossless(studio: Studio) -> None:
    data = encoded(image())
    assert studio.render(data, "lossless,maxbytes99999", "webp") == studio.render(data, "lossless", "webp")


# The effort that an AVIF gets

EFFORTS = [
    # text, width of a square picture, what it comes down to
    ("effort9", 100, "effort9"),
    ("effort9", 1000, "effort4"),
    ("effort5", 1000, "effort4"),
    ("effort4", 1000, "effort4"),
    ("effort2", 1000, "_"),
    ("effort9", 2000, "effort2"),
    ("effort0", 2000, "_"),
    ("effort9", 3500, "_"),
    ("effort1", 1400, "effort1"),
    ("effort9,maxbytes9000", 500, "maxbytes9000"),
    ("effort1,maxbytes9000", 500, "maxbytes9000,effort1"),
    ("effort9,q_auto", 500, "q_auto"),
]


@pytest.mark.parametrize(("text", "side", "resolved"), EFFORTS)
def test_efforts_that_mean_the_same_have_one_key(text: str, side: int, resolved: str) -> None:
    plan = parse(text, "avif").resolve(Facts(format="png", width=side, height=side))
    assert str(plan.plan) == resolved
    assert parse(resolved, "avif").resolve(Facts(format="png", width=side, height=side)) == plan


@pytest.mark.parametrize("format", ["webp", "gif"])
def test_other_formats_get_all_the_effort_asked_for(format: str) -> None:
    assert str(parse("effort9", format).resolve(Facts(format="png", width=4000, height=4000)).plan) == "effort9"


# Never larger than the original


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def tiny_png(*chunks: bytes, after: bytes = b"") -> bytes:
    """Two grey pixels of one bit: libvips would make three times the bytes of it."""
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 1, 0, 0, 0, 0))
    pixels = _chunk(b"IDAT", zlib.compress(b"\0\xaa" * 8, 9))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + pixels + _chunk(b"IEND", b"") + after


def gif_with_secrets() -> bytes:
    """One frame of libvips' own, with a comment, an application's block and something after the end."""
    data = encoded(image(), ".gif")
    at = 13 + (3 << ((data[10] & 7) + 1) if data[10] & 0x80 else 0)
    block = bytes([len(SECRET)]) + SECRET + b"\0"
    return data[:at] + b"!\xfe" + block + b"!\xff\x0bXMP DataXMP" + block + data[at:] + SECRET


def webp_with_secrets() -> bytes:
    picture = image().copy()
    picture.set_type(pyvips.GValue.gstr_type, "exif-ifd0-ImageDescription", SECRET.decode())
    picture.set_type(pyvips.GValue.blob_type, "xmp-data", SECRET)
    return encoded(picture, ".webp", lossless=True, keep="exif,xmp") + SECRET


def moving_webp_with_secrets() -> bytes:
    """Behind the pixels of each frame, inside of it."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return kind + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)

    data = animation(".webp")
    at, body = 12, b"WEBP"
    while at < len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        content = data[at + 8 : at + 8 + length]
        body += chunk(kind, content + chunk(b"SECR", SECRET) if kind == b"ANMF" else content)
        at += 8 + length + length % 2
    return chunk(b"RIFF", body)


def moving_gif_with_secrets() -> bytes:
    """In blocks that nobody reads, behind the loop count and the time of each frame."""
    more = bytes([len(SECRET)]) + SECRET
    data = re.sub(rb"(NETSCAPE2\.0\x03\x01..)", lambda found: found[1] + more, animation(), flags=re.DOTALL)
    return re.sub(rb"(!\xf9\x04....)\0", lambda found: found[1] + more + b"\0", data, flags=re.DOTALL)


REPACKED = [
    ("png", tiny_png(_chunk(b"tEXt", b"Comment\0" + SECRET), _chunk(b"eXIf", SECRET), after=SECRET)),
    ("gif", gif_with_secrets()),
    ("webp", webp_with_secrets()),
]
MOVING = [("webp", moving_webp_with_secrets()), ("gif", moving_gif_with_secrets())]


@pytest.mark.parametrize(("format", "data"), [*REPACKED, *MOVING])
def test_a_repacked_picture_has_the_same_pixels_and_nothing_else(format: str, data: bytes) -> None:
    assert SECRET in data
    same = repacked(data, format)
    assert same is not None
    assert SECRET not in same
    assert len(same) < len(data)
    assert (pyvips.Image.new_from_buffer(data, "") - pyvips.Image.new_from_buffer(same, "")).abs().max() == 0
    assert repacked(same, format) == same


@pytest.mark.parametrize(("format", "animated"), [("gif", animation()), ("webp", animation(".webp")), *MOVING])
def test_a_repacked_animation_moves_on(format: str, animated: bytes) -> None:
    before, after = (pyvips.Image.new_from_buffer(data, "", n=-1) for data in (animated, repacked(animated, format)))
    assert (before - after).abs().max() == 0
    assert [after.get(name) for name in ("n-pages", "loop", "delay")] == [before.get(name) for name in ("n-pages", "loop", "delay")]


def test_colours_of_another_profile_are_not_repacked() -> None:
    assert repacked(tiny_png(_chunk(b"iCCP", b"p\0\0" + zlib.compress(b"profile"))), "png") is None
    assert repacked(encoded(image(), ".jpg"), "jpg") is None


@given(st.sampled_from([*REPACKED, *MOVING]), st.data())
def test_a_damaged_file_is_repacked_without_an_error(sample: tuple[str, bytes], data: st.DataObject) -> None:
    format, whole = sample
    damaged = bytearray(whole[: data.draw(st.integers(13, len(whole)))])
    for at in data.draw(st.lists(st.integers(12, len(damaged) - 1), max_size=4)) if len(damaged) > 13 else ():
        damaged[at] = data.draw(st.integers(0, 255))
    repacked(bytes(damaged), format)


def small_originals() -> list[Any]:
    """Files that our defaults would make larger."""
    made = [pytest.param(name, encoded(drawn(300, 200), f".{name}", Q=15), id=f"{name}-q15") for name in LOSSY]
    made += [pytest.param(format, data, id=f"{format}-tiny") for format, data in REPACKED]
    drawing = image(300, 200).copy()
    drawing.set_type(pyvips.GValue.gint_type, "orientation", 6)
    made.append(pytest.param("png", encoded(drawing, ".png", compression=9, filter="none"), id="png-on-its-side"))
    made.append(pytest.param("webp", oriented(6, ".webp", 200, 100), id="webp-on-its-side"))
    return made


@pytest.mark.parametrize(("format", "data"), small_originals())
def test_what_is_asked_for_unchanged_is_no_larger_than_it_was(studio: Studio, format: str, data: bytes) -> None:
    rendition = studio.render(data, "_", format)
    assert len(rendition.data) <= len(data)
    picture = reopened(rendition)
    assert (picture.width, picture.height) == rendition.size
    assert SECRET not in rendition.data
    assert not {"orientation", "exif-data", "xmp-data"} & set(picture.get_fields()) or picture.get("orientation") == 1


def test_what_is_asked_to_be_changed_may_grow(studio: Studio) -> None:
    data = encoded(drawn(300, 200), ".jpg", Q=15)
    assert len(studio.render(data, "q95", "jpg").data) > len(data)
    assert len(studio.render(data, "blur1", "jpg").data) > 0


@pytest.fixture(scope="module")
async def pool() -> AsyncIterator[RenderPool]:
    accepted = frozenset({*Limits().accepted})
    pool = RenderPool(workers=2, wait=60, soft=60, deadline=60, prepare=partial(prepare, accepted))
    yield pool
    await pool.close()


SAMPLES = samples(lambda sample: sample.expected != "reject")


@pytest.mark.skipif(not SAMPLES, reason=f"the corpus of test pictures is not at {CORPUS}")
@pytest.mark.anyio
@pytest.mark.parametrize("sample", SAMPLES)
async def test_no_sample_gets_larger_in_its_own_format(pool: RenderPool, sample: Sample) -> None:
    limits = Limits()
    try:
        facts = await pool.run(verify, sample.path, limits)
    except ImageError:
        return
    if sample.name in TOO_LARGE or not FORMATS[facts.format].writable:
        return
    rendition = await pool.run(execute, parse("_", facts.format).resolve(facts).plan, sample.path, facts, limits)
    assert (len(rendition.data) <= sample.path.stat().st_size) is (sample.name not in TOO_SMALL)


@pytest.mark.anyio
async def test_a_server_that_accepts_one_format_can_search_in_all(tmp_path: Path) -> None:
    path, limits = tmp_path / "original", Limits(accepted=frozenset({"png"}))
    path.write_bytes(encoded(drawn(60, 40)))
    pool = RenderPool(workers=1, wait=30, deadline=30, prepare=partial(prepare, limits.accepted))
    try:
        facts = await pool.run(verify, path, limits)
        for format in LOSSY:
            assert (await pool.run(execute, parse("q_auto", format).resolve(facts).plan, path, facts, limits)).data
    finally:
        await pool.close()
