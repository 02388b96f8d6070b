"""Colours come out right: profiles, CMYK, Lab, 16 bits and grey, as deltaE 2000 from what they should be.

Generated profiles are judged by the mathematics of their definition, real pictures by a whole decode and one conversion of every pixel.
"""

import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import pyvips

from tests.pictures import CORPUS, encoded, image, in_soak, jpeg
from tests.transforms.test_engine import LIMITS, Studio, reopened
from tests.transforms.test_metadata import jpeg_with, segment
from transforms.engine import execute, probe
from transforms.errors import LimitExceeded
from transforms.grammar import parse
from transforms.limits import Limits
from transforms.operations.icc import Icc
from transforms.values import Rendition

Matrix = Sequence[Sequence[float]]
PROFILE = "icc-profile-data"
# All that converters may differ by: 8-bit steps of dark colours make up to 1.1. JPEG and AVIF lose some themselves.
RIGHT, LOSSY = 1.2, 3.0

# Chromaticities of red, green and blue; all have the white of D65. Adobe RGB (1998) 4.3.1, SMPTE EG 432-1, IEC 61966-2-1.
ADOBE = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
P3 = ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06))
SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
D65, D50 = (0.9505, 1.0, 1.0891), (0.9642, 1.0, 0.8249)
# ICC.1:2010, annex E: the linearized Bradford cones.
BRADFORD = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
GAMMAS = {"adobe": (ADOBE, 563 / 256), "p3 with gamma 2.2": (P3, 2.2), "linear": (SRGB, 1.0), "gamma 1.8": (SRGB, 1.8)}
# Inside all of the gamuts above, so nothing is clipped.
PATCHES = [
    (128, 128, 128),
    (200, 120, 110),
    (110, 190, 120),
    (100, 110, 200),
    (220, 210, 120),
    (40, 42, 45),
    (250, 250, 250),
    (90, 160, 170),
]


def times(left: Matrix, right: Matrix) -> list[list[float]]:
    return [[sum(a * b for a, b in zip(row, column, strict=True)) for column in zip(*right, strict=True)] for row in left]


def inverse(matrix: Matrix) -> list[list[float]]:
    (a, b, c), (d, e, f), (g, h, i) = matrix
    determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    adjugate = (
        (e * i - f * h, c * h - b * i, b * f - c * e),
        (f * g - d * i, a * i - c * g, c * d - a * f),
        (d * h - e * g, b * g - a * h, a * e - b * d),
    )
    return [[value / determinant for value in row] for row in adjugate]


def to_pcs(primaries: Sequence[tuple[float, float]]) -> list[list[float]]:
    """From linear RGB to XYZ under D50, which is what profiles speak."""
    columns = [(x / y, 1.0, (1 - x - y) / y) for x, y in primaries]
    unscaled = [list(row) for row in zip(*columns, strict=True)]
    scale = times(inverse(unscaled), [[value] for value in D65])
    to_xyz = [[value * factor[0] for value, factor in zip(row, scale, strict=True)] for row in unscaled]
    cones = [times(BRADFORD, [[value] for value in white]) for white in (D65, D50)]
    gain = [[cones[1][n][0] / cones[0][n][0] if n == m else 0.0 for m in range(3)] for n in range(3)]
    return times(inverse(BRADFORD), times(gain, times(BRADFORD, to_xyz)))


def profile(space: bytes, curves: Sequence[bytes], gamma: float, matrix: Matrix | None = None) -> bytes:
    """An ICC profile of version 2: a curve for each channel and, for RGB, where its primaries lie."""

    def xyz(values: Sequence[float]) -> bytes:
        return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(value * 65536) for value in values))

    tags = {
        b"wtpt": xyz(D50),
        b"cprt": b"text" + bytes(4) + b"none\0",
        b"desc": b"desc" + bytes(4) + struct.pack(">I", 5) + b"test\0" + bytes(78),
    }
    tags |= {name: b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) for name in curves}
    if matrix is not None:
        tags |= dict(zip((b"rXYZ", b"gXYZ", b"bXYZ"), (xyz(column) for column in zip(*matrix, strict=True)), strict=True))
    table, data = b"", b""
    start = 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        table += struct.pack(">4sII", name, start + len(data), len(value))
        data += value + bytes(-len(value) % 4)
    body = struct.pack(">I", len(tags)) + table + data
    header = struct.pack(">I4sI4s4s4s", 128 + len(body), b"lcms", 0x02100000, b"mntr", space, b"XYZ ") + bytes(12) + b"acsp" + bytes(28)
    return (header + struct.pack(">3i", *(round(value * 65536) for value in D50))).ljust(128, b"\0") + body


def rgb_profile(name: str) -> bytes:
    primaries, gamma = GAMMAS[name]
    return profile(b"RGB ", (b"rTRC", b"gTRC", b"bTRC"), gamma, to_pcs(primaries))


def expected(colour: Sequence[float], name: str) -> tuple[float, ...]:
    """What a colour under a profile is in sRGB, 0 to 255."""
    primaries, gamma = GAMMAS[name]
    linear = [[(value / 255) ** gamma] for value in colour]
    ours = times(inverse(to_pcs(SRGB)), times(to_pcs(primaries), linear))
    return tuple(255 * srgb_encoded(row[0]) for row in ours)


def srgb_encoded(value: float) -> float:
    """IEC 61966-2-1: from light to the code of it, both 0 to 1."""
    value = min(1.0, max(0.0, value))
    return 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055


def patches(colours: Sequence[Sequence[float]]) -> Any:
    """Squares of 16 pixels, so that the middle of each is its own whatever the encoder does."""
    return pyvips.Image.arrayjoin([pyvips.Image.black(16, 16).new_from_image(list(colour)) for colour in colours]).cast("uchar")


def middles(picture: Any) -> list[list[float]]:
    return [list(picture(16 * n + 8, 8)[:3]) for n in range(picture.width // 16)]


def with_profile(picture: Any, icc: bytes) -> Any:
    labelled = picture.copy()
    labelled.set_type(pyvips.GValue.blob_type, PROFILE, icc)
    return labelled


def distance(left: Sequence[float], right: Sequence[float]) -> float:
    """DeltaE 2000 of two colours in sRGB, 0 to 255."""
    labs = [
        pyvips.Image.black(1, 1).new_from_image(list(colour)).cast("float").copy(interpretation="srgb").colourspace("lab")
        for colour in (left, right)
    ]
    return float(labs[0].dE00(labs[1]).max())


def worst(picture: Any, wanted: Sequence[Sequence[float]]) -> float:
    return max(distance(seen, want) for seen, want in zip(middles(picture), wanted, strict=True))


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


@pytest.mark.parametrize(
    ("suffix", "options", "limit"),
    [
        (".png", {}, RIGHT),
        (".tif", {}, RIGHT),
        (".webp", {"lossless": True}, RIGHT),
        (".jpg", {"Q": 98, "subsample_mode": "off"}, LOSSY),
        (".avif", {"Q": 95, "subsample_mode": "off"}, LOSSY),
    ],
)
@pytest.mark.parametrize("name", GAMMAS)
def test_colours_under_a_profile_become_srgb(studio: Studio, name: str, suffix: str, options: dict[str, Any], limit: float) -> None:
    original = encoded(with_profile(patches(PATCHES).copy(interpretation="srgb"), rgb_profile(name)), suffix, keep="icc", **options)
    wanted = [expected(colour, name) for colour in PATCHES]
    rendition = reopened(studio.render(original, "_", "png"))
    assert worst(rendition, wanted) < limit
    assert PROFILE not in rendition.get_fields()
    # What would come out if the profile were not looked at is something else.
    assert max(distance(colour, want) for colour, want in zip(PATCHES, wanted, strict=True)) > LOSSY


@pytest.mark.parametrize("name", GAMMAS)
def test_sixteen_bits_under_a_profile_become_srgb(studio: Studio, name: str) -> None:
    deep = (patches(PATCHES) * 257).cast("ushort").copy(interpretation="rgb16")
    original = encoded(with_profile(deep, rgb_profile(name)), ".png", keep="icc")
    assert worst(reopened(studio.render(original, "_", "png")), [expected(colour, name) for colour in PATCHES]) < RIGHT


@pytest.mark.parametrize("gamma", [1.0, 1.8, 2.2])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_grey_under_a_profile_becomes_srgb(studio: Studio, suffix: str, gamma: float) -> None:
    levels = [(30,), (90,), (128,), (200,), (250,)]
    grey = with_profile(patches(levels).copy(interpretation="b-w"), profile(b"GRAY", (b"kTRC",), gamma))
    rendition = reopened(studio.render(encoded(grey, suffix, keep="icc", **({"Q": 98} if suffix == ".jpg" else {})), "_", "webp"))
    wanted = [(255 * srgb_encoded((level[0] / 255) ** gamma),) * 3 for level in levels]
    assert worst(rendition, wanted) < LOSSY


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
@pytest.mark.parametrize("embedded", [True, False])
def test_cmyk_becomes_srgb_with_a_profile_or_without(studio: Studio, suffix: str, embedded: bool) -> None:
    """What ink cannot show is lost when it is printed, up to 4.4 here. Without a profile, libvips' own is meant, which made these."""
    printed = patches(PATCHES).copy(interpretation="srgb").icc_transform("cmyk", input_profile="srgb")
    shown = middles(printed.icc_transform("srgb", input_profile="cmyk"))
    original = encoded(printed, suffix, keep="icc" if embedded else "none", **({"Q": 98} if suffix == ".jpg" else {}))
    assert pyvips.Image.new_from_buffer(original, "").interpretation == "cmyk"
    for extension in ("png", "jpg", "webp", "avif", "tiff", "gif"):
        rendition = reopened(studio.render(original, "_", extension))
        assert rendition.interpretation == "srgb"
        assert worst(rendition, shown) < (RIGHT if extension == "png" and suffix == ".tif" else LOSSY)


# Profiles of the result


@pytest.mark.parametrize("extension", sorted(Icc.formats))
@pytest.mark.parametrize("source", ["adobe", None])
def test_display_p3_holds_the_same_colours_under_its_profile(studio: Studio, source: str | None, extension: str) -> None:
    plain = patches(PATCHES).copy(interpretation="srgb")
    original = encoded(with_profile(plain, rgb_profile(source)) if source else plain, ".png", keep="icc")
    rendition = reopened(studio.render(original, "icc_p3", extension))
    assert PROFILE in rendition.get_fields()
    wanted = [expected(colour, source) if source else colour for colour in PATCHES]
    assert worst(rendition.icc_transform("srgb"), wanted) < (RIGHT if extension in ("png", "tiff") else LOSSY)
    assert worst(rendition, wanted) > RIGHT


def test_display_p3_keeps_what_srgb_cannot_hold(studio: Studio) -> None:
    reds = patches([(255, 0, 0), (240, 30, 20)]).copy(interpretation="srgb")
    display = pyvips.Image.new_from_buffer(studio.render(encoded(reds), "icc_p3", "png").data, "").get(PROFILE)
    original = encoded(with_profile(reds, display), ".png", keep="icc")
    assert worst(reopened(studio.render(original, "icc_p3", "png")), [(255, 0, 0), (240, 30, 20)]) < RIGHT
    assert worst(reopened(studio.render(original, "_", "png")), [(255, 0, 0), (255, 0, 0)]) < LOSSY


def test_a_watermark_keeps_its_colours_on_display_p3(studio: Studio, tmp_path: Path) -> None:
    mark, identity = tmp_path / "mark", "a" * 26
    mark.write_bytes(encoded(patches([(200, 40, 40)]).copy(interpretation="srgb")))
    path = studio.file(encoded(patches([(200, 40, 40)] * 4).copy(interpretation="srgb")))
    facts = probe(path, LIMITS)
    plan = parse(f"wm_{identity}_center,icc_p3", "png").resolve(facts).plan
    drawn = reopened(execute(plan, path, facts, LIMITS, {identity: mark})).icc_transform("srgb")
    assert worst(drawn, [(200, 40, 40)] * 4) < RIGHT


@pytest.mark.parametrize("extension", sorted(Icc.formats))
@pytest.mark.parametrize("plan", ["icc_keep", "icc_keep,crop_0_0_128_16/rotate180/rotate180"])
def test_kept_pixels_stay_under_their_own_profile(studio: Studio, plan: str, extension: str) -> None:
    icc = rgb_profile("adobe")
    original = encoded(with_profile(patches(PATCHES).copy(interpretation="srgb"), icc), ".png", keep="icc")
    rendition = reopened(studio.render(original, plan, extension))
    assert rendition.get(PROFILE) == icc
    assert worst(rendition, PATCHES) < (0.01 if extension in ("png", "tiff") else LOSSY)


@pytest.mark.parametrize(
    "original",
    [
        pytest.param(lambda: image().icc_transform("cmyk", input_profile="srgb").jpegsave_buffer(), id="cmyk"),
        pytest.param(
            lambda: with_profile(image()[0].copy(interpretation="b-w"), profile(b"GRAY", (b"kTRC",), 1.8)).pngsave_buffer(), id="grey"
        ),
        pytest.param(lambda: encoded(image()), id="no profile"),
        pytest.param(lambda: encoded(image().colourspace("lab"), ".tif"), id="lab"),
    ],
)
def test_what_has_no_rgb_profile_to_keep_becomes_srgb(studio: Studio, original: Callable[[], bytes]) -> None:
    data = original()
    kept, plain = (reopened(studio.render(data, plan, "png")) for plan in ("icc_keep", "_"))
    assert PROFILE not in kept.get_fields()
    assert (kept - plain).abs().max() == 0


# Rows 46, 48 and 52 of the table of bad inputs


def broken_profiles() -> dict[str, bytes]:
    good = rgb_profile("adobe")
    curve = good.index(b"curv") + 8
    return {
        "empty": b"",
        "short": b"\0\0\0\x08acsp",
        "noise": bytes(range(256)) * 4,
        "for printers": good[:12] + b"prtr" + b"CMYK" + good[20:],
        "an abstract one": good[:12] + b"abst" + good[16:],
        "cut": good[:200],
        "a curve of 4 G entries": good[:curve] + b"\xff\xff\xff\xff" + good[curve + 4 :],
        "tags that lie outside": good[:128] + struct.pack(">I4sII4sII", 2, b"rXYZ", 0xFFFFFFF0, 64, b"rTRC", 0x7FFFFFFF, 0x7FFFFFFF),
        "a table of 4 G tags": good[:128] + b"\xff\xff\xff\xff" + good[132:],
    }


@pytest.mark.parametrize("name", broken_profiles())
@pytest.mark.parametrize("plan", ["_", "w30", "icc_p3", "icc_keep", "icc_keep,meta_all"])
def test_a_broken_profile_is_ignored(studio: Studio, name: str, plan: str) -> None:
    icc = broken_profiles()[name]
    marked = jpeg_with(segment(0xE2, b"ICC_PROFILE\0\x01\x01" + icc))
    rendition, plain = (reopened(studio.render(data, plan, "png")) for data in (marked, jpeg()))
    assert plan != "icc_p3" or rendition.get(PROFILE) == plain.get(PROFILE)
    assert (PROFILE in rendition.get_fields()) == (plan == "icc_p3")
    assert (rendition - plain).abs().max() <= 1


def test_a_profile_over_the_limit_is_refused(studio: Studio) -> None:
    parts = [segment(0xE2, b"ICC_PROFILE\0" + bytes([n + 1, 80]) + bytes(65000)) for n in range(80)]
    with pytest.raises(LimitExceeded, match="metadata"):
        probe(studio.file(jpeg_with(*parts)), Limits())


def test_a_cmyk_marker_that_lies_is_no_error(studio: Studio) -> None:
    lying = jpeg_with(segment(0xEE, b"Adobe\0\x64\0\0\0\0\x02"))
    for plan in ("_", "icc_p3", "icc_keep"):
        assert studio.render(lying, plan, "png").size == (60, 40)


def test_grey_and_two_bands_come_out_in_srgb(studio: Studio) -> None:
    """Row 47: a band of opacity is none of colour."""
    grey = image()[0].copy(interpretation="b-w")
    for picture in (grey, grey.bandjoin(grey)):
        for plan in ("_", "icc_p3", "icc_keep"):
            rendition = reopened(studio.render(encoded(picture), plan, "webp"))
            assert rendition.interpretation == "srgb"
            assert rendition.hasalpha() == (picture.bands == 2)


# The corpus

needs_corpus = pytest.mark.skipif(not (CORPUS / "MANIFEST.csv").exists(), reason=f"the corpus of test pictures is not at {CORPUS}")
LARGE = "icc/gain-map-8mp-3840x2160.jpg"
COLOURED = [
    *(f"icc/{name}" for name in ("adobergb-290x442.jpg", "cielab-400x266.tif", "cmyk-no-profile-500x333.jpg", "cmyk-swop-500x333.jpg")),
    *(f"icc/{name}" for name in ("cmyk-ycck-64x56.jpg", "display-p3-8x8.png", "gray-gamma22-400x267.jpg", "linear-rec709-16bit-64.png")),
    *(f"icc/{name}" for name in ("profile-in-many-segments.jpg", "profile-missing-checksum-460x60.png", "xyb-profile-290x442.jpg")),
    *("jpeg_variants/mpo-iphone-gainmap-p3.jpg", LARGE, "avif/icc-exif-xmp-403x302.avif"),
    *("tiff/cmyk-jpeg-100.tif", "tiff/float32-rgb.tif", "tiff/rgba16-zip-tiled-64x56.tif", "png/flag-nl-16bit-900x600.png"),
    *("png/pngsuite-basi6a16.png", "alpha/grey-alpha-400x300.png", "orientation/brg-profile-exif5.jpg"),
]
# Mean deltaE 2000. At full size, CMYK without a profile had 0.30 and everything else 0.03 or less; at 64 pixels, where JPEGs are shrunk
# before their colours are converted, the CMYK photos had 1.3 and everything else 0.6 or less.
WHOLE, SHRUNK = 0.5, 1.5


def reference(path: Path) -> Any:
    """Every pixel decoded and converted, before anything is made smaller."""
    whole = pyvips.Image.new_from_file(str(path)).autorot()
    if PROFILE in whole.get_fields():
        return whole.icc_transform("srgb", embedded=True, depth=8)
    if whole.interpretation == "cmyk":
        return whole.icc_transform("srgb", input_profile="cmyk", depth=8)
    return whole.colourspace("srgb").cast("uchar")


def mean_distance(left: Any, right: Any) -> float:
    one, other = (picture.flatten(background=255) if picture.hasalpha() else picture for picture in (left, right))
    return float(one.colourspace("srgb").colourspace("lab").dE00(other.colourspace("lab")).avg())


def rendered(path: Path, plan: str, extension: str = "png") -> Rendition:
    facts = probe(path, LIMITS)
    return execute(parse(plan, extension).resolve(facts).plan, path, facts, LIMITS)


@needs_corpus
@pytest.mark.parametrize("name", [pytest.param(name, marks=in_soak(name == LARGE)) for name in COLOURED])
def test_real_pictures_come_out_in_the_colours_that_they_were_given(name: str) -> None:
    whole = reference(CORPUS / name).copy_memory()
    assert mean_distance(reopened(rendered(CORPUS / name, "_")), whole) < WHOLE
    small = reopened(rendered(CORPUS / name, "w64"))
    assert mean_distance(small, whole.thumbnail_image(small.width, height=small.height, size="force")) < SHRUNK


@needs_corpus
def test_one_photo_under_two_profiles_is_one_photo() -> None:
    """XYB looks green and purple when its profile is not looked at."""
    one, other = (reopened(rendered(CORPUS / f"icc/{name}-290x442.jpg", "_")) for name in ("adobergb", "xyb-profile"))
    assert mean_distance(one, other) < 4


@needs_corpus
@pytest.mark.parametrize("name", ["icc/display-p3-8x8.png", "icc/adobergb-290x442.jpg", "jpeg_variants/mpo-iphone-gainmap-p3.jpg"])
def test_a_real_profile_is_kept_with_its_pixels(name: str) -> None:
    original = pyvips.Image.new_from_file(str(CORPUS / name))
    kept = reopened(rendered(CORPUS / name, "icc_keep"))
    assert kept.get(PROFILE) == original.get(PROFILE)
    assert (kept - original).abs().max() == 0


@needs_corpus
@pytest.mark.parametrize("name", ["jpeg_variants/mpo-iphone-gainmap-p3.jpg", pytest.param(LARGE, marks=pytest.mark.soak)])
def test_of_a_photo_with_a_gain_map_the_first_picture_alone_comes_out(name: str) -> None:
    """Row 52. The plain JPEG loader sees no gain map: the same picture has to come out."""
    plain = pyvips.Image.jpegload(str(CORPUS / name)).icc_transform("srgb")
    for extension, plan in (("png", "_"), ("jpg", "meta_all"), ("avif", "w64,meta_all")):
        rendition = reopened(rendered(CORPUS / name, plan, extension))
        assert not [field for field in rendition.get_fields() if "gainmap" in field]
        assert rendition.get("vips-loader") != "uhdrload_buffer"
        if plan == "_":
            assert mean_distance(rendition, plain) < WHOLE
