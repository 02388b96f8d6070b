"""What leaves with a rendition: nothing, the author's rights, or all but what tells of places and of what was cut away.

Secrets are searched for in the raw bytes of what comes out, in both byte orders, so no reader needs to be trusted.
"""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import pyvips

from tests.pictures import CORPUS, Sample, _chunk, animation, corpus, covering, encoded, image, jpeg, samples
from tests.transforms.test_engine import LIMITS, Studio, reopened
from transforms.engine import execute, probe, rendered
from transforms.errors import ImageError, ImpossibleOutput, PlanError
from transforms.formats import FORMATS
from transforms.geometry import Size
from transforms.grammar import parse
from transforms.operations.meta import Meta
from transforms.values import Facts

METADATA_FIELDS = ("exif-", "xmp-", "iptc-", "png-comment", "photoshop-", "icc-profile", "gainmap-", "jpeg-thumbnail")
WITH_META = sorted(Meta.formats)
# Text has no metadata, and libvips does not read it again.
WRITABLE = [name for name, known in FORMATS.items() if known.writable and known.media_type.startswith("image/")]
PLANS = ["_", "w30", "crop_0_0_20_20", "rotate90,flip_h/w20", "orient_none,w30"]

ARTIST, COPYRIGHT = "Zoë Ω (Example)", "© 2024 Zoë, all rights"
# 43 degrees, 28 minutes and as many hundred-thousandths of a second as nothing else in a picture.
DEGREES = ((43, 1), (28, 1), (281_437_619, 100_000_003))
SECRETS = [
    struct.pack("<II", *DEGREES[2]),
    struct.pack(">II", *DEGREES[2]),
    *(b"maker-note-secret", b"thumbnail-secret", b"unknown-tag-secret", b"281437619", b"photoshop-secret"),
]
XMP = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">{}</rdf:RDF></x:xmpmeta>'
HARMLESS = XMP.format('<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" dc:format="harmless"/>').encode()
POSITIONS = [
    'exif:GPSLatitude="43,28.281437619N"',
    'drone-dji:Latitude="281437619"',
    'Camera:GpsXYAccuracy="281437619"',
    'geo:lat="281437619"',
    'xmpGImg:image="281437619"',
]
IPTC = b"\x1c\x02\x74\0\x0aiptc-right"


def directory(order: str, entries: Sequence[tuple[int, int, int, bytes]], start: int, following: int = 0) -> bytes:
    """A directory of TIFF tags at `start`: each has a number, a type, a count and its bytes."""
    head, tail = struct.pack(f"{order}H", len(entries)), b""
    place = start + 2 + 12 * len(entries) + 4
    for tag, kind, count, value in entries:
        head += struct.pack(f"{order}HHI", tag, kind, count)
        head += value.ljust(4, b"\0") if len(value) <= 4 else struct.pack(f"{order}I", place + len(tail))
        tail += value if len(value) > 4 else b""
    return head + struct.pack(f"{order}I", following) + tail


def exif(order: str = "<", orientation: int = 1, artist: bytes = ARTIST.encode()) -> bytes:
    """An EXIF block with rights, a camera, a position, a maker note, an unknown tag and a thumbnail."""

    def text(tag: int, value: bytes) -> tuple[int, int, int, bytes]:
        return tag, 2, len(value) + 1, value + b"\0"

    def number(tag: int, value: int, kind: int = 4) -> tuple[int, int, int, bytes]:
        return tag, kind, 1, struct.pack(f"{order}{'H' if kind == 3 else 'I'}", value)

    def first(exposure: int, position: int, thumbnail: int) -> bytes:
        entries = [
            *(text(0x010F, b"ACME"), number(0x0112, orientation, 3), text(0x013B, artist), text(0x8298, COPYRIGHT.encode())),
            *(number(0x8769, exposure), number(0x8825, position), text(0xC7A1, b"unknown-tag-secret")),
        ]
        return directory(order, entries, 8, thumbnail)

    pixel = encoded(image(8, 8), ".jpg") + b"thumbnail-secret"
    rational = struct.pack(f"{order}6I", *(value for part in DEGREES for value in part))
    exposure = [
        (0x829A, 5, 1, struct.pack(f"{order}II", 1, 125)),
        text(0x9003, b"2024:05:06 07:08:09"),
        (0x927C, 7, 17, b"maker-note-secret"),
        number(0xA001, 65535, 3),
    ]
    position = [(0x0000, 1, 4, bytes([2, 3, 0, 0])), text(0x0001, b"N"), (0x0002, 5, 3, rational)]
    at_exposure = 8 + len(first(0, 0, 0))
    at_position = at_exposure + len(directory(order, exposure, at_exposure))
    at_thumbnail = at_position + len(directory(order, position, at_position))
    small = [number(0x0103, 6, 3), number(0x0201, 0), number(0x0202, len(pixel))]
    small[1] = number(0x0201, at_thumbnail + len(directory(order, small, at_thumbnail)))
    return b"".join(
        [
            struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, 8),
            first(at_exposure, at_position, at_thumbnail),
            directory(order, exposure, at_exposure),
            directory(order, position, at_position),
            directory(order, small, at_thumbnail),
            pixel,
        ]
    )


def photoshop() -> bytes:
    """IPTC among other resources of Photoshop, as JPEGs have it in APP13."""
    resources = ((0x040C, b"thumbnail-secret photoshop-secret"), (0x0404, IPTC), (0x0422, exif()))
    blocks = (b"8BIM" + struct.pack(">HHI", kind, 0, len(data)) + data + bytes(len(data) % 2) for kind, data in resources)
    return b"Photoshop 3.0\0" + b"".join(blocks)


def segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def jpeg_with(*segments: bytes) -> bytes:
    plain = jpeg()
    return plain[:2] + b"".join(segments) + plain[2:]


def png_with(*chunks: bytes) -> bytes:
    plain = encoded(image())
    return plain[:33] + b"".join(chunks) + plain[33:]


def through_libvips(suffix: str, xmp: bytes) -> bytes:
    """A format whose containers are not worth building by hand."""
    labelled = image().copy()
    labelled.set_type(pyvips.GValue.blob_type, "exif-data", b"Exif\0\0" + exif())
    labelled.set_type(pyvips.GValue.blob_type, "xmp-data", xmp)
    return encoded(labelled, suffix, keep="all")


def labelled(suffix: str, xmp: bytes = HARMLESS) -> bytes:
    """The four quarters with every kind of metadata that the format has."""
    if suffix == ".jpg":
        marked = [segment(0xE1, b"Exif\0\0" + exif()), segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp)]
        return jpeg_with(*marked, segment(0xED, photoshop()), segment(0xFE, b"maker-note-secret in a comment"))
    if suffix == ".png":
        itxt = _chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)
        return png_with(_chunk(b"eXIf", exif(">")), itxt, _chunk(b"tEXt", b"Comment\0maker-note-secret"))
    return through_libvips(suffix, xmp)


def fields(data: bytes) -> dict[str, Any]:
    opened = pyvips.Image.new_from_buffer(data, "")
    return {name: opened.get(name) for name in opened.get_fields() if name.startswith(METADATA_FIELDS)}


def harmless(data: bytes) -> bool:
    """Whether none of the secrets is in there, and nothing that tells of a place."""
    found = fields(data)
    named = [name for name in found if "GPS" in name or name.startswith(("exif-ifd1", "exif-ifd3", "png-comment", "jpeg-thumbnail"))]
    xmp = found.get("xmp-data", b"").lower()
    return not named and b"gps" not in xmp and not [secret for secret in SECRETS if secret in data]


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


SOURCES = [".jpg", ".png", ".webp", ".avif", ".tif"]


@pytest.mark.parametrize("suffix", SOURCES)
def test_the_originals_of_these_tests_do_have_secrets(suffix: str) -> None:
    data = labelled(suffix, XMP.format(f"<rdf:Description {POSITIONS[0]}/>").encode())
    assert not harmless(data)
    assert suffix == ".tif" or any("GPSLatitude" in name for name in fields(data))


@pytest.mark.parametrize("position", POSITIONS)
# The text of a PNG is UTF-8 always.
@pytest.mark.parametrize(
    ("suffix", "encoding"),
    [(suffix, encoding) for suffix in SOURCES for encoding in ("utf-8", "utf-16", "utf-32-be") if suffix != ".png" or encoding == "utf-8"],
)
def test_xmp_that_tells_a_place_or_holds_a_thumbnail_never_leaves(studio: Studio, suffix: str, encoding: str, position: str) -> None:
    xmp = XMP.format(f"<rdf:Description {position}/>").encode(encoding)
    data = studio.render(labelled(suffix, xmp), "meta_all", "png").data
    assert "xmp-data" not in fields(data)
    assert harmless(data)


@pytest.mark.parametrize(("suffix", "extension", "plan"), covering(SOURCES, WRITABLE, PLANS))
def test_gps_previews_and_maker_notes_never_leave(studio: Studio, suffix: str, extension: str, plan: str) -> None:
    original = labelled(suffix, XMP.format(f"<rdf:Description {POSITIONS[0]}/>").encode())
    for meta in ("", ",meta_copyright", ",meta_all") if extension in Meta.formats else ("",):
        for icc in ("", ",icc_p3", ",icc_keep") if extension != "gif" else ("",):
            text = f"{'orient_none' if plan == '_' else plan}{meta}{icc}" if meta or icc else plan
            assert harmless(studio.render(original, text, extension).data), text


@pytest.mark.parametrize(("suffix", "extension", "plan"), covering(SOURCES, WRITABLE, PLANS))
def test_without_being_asked_no_metadata_leaves(studio: Studio, suffix: str, extension: str, plan: str) -> None:
    # A palette, or how a PNG was interlaced, is no metadata.
    assert not fields(studio.render(labelled(suffix), plan, extension).data)


def scraped(suffix: str) -> bytes:
    """A picture so badly compressed that ours have more bytes, but for what is written into it."""
    noise = [pyvips.Image.gaussnoise(160, 120, mean=128, sigma=60, seed=seed) for seed in range(3)]
    picture = noise[0].bandjoin(noise[1:]).cast("uchar").copy(interpretation="srgb")
    marked = pyvips.Image.new_from_buffer(labelled(suffix, XMP.format(f"<rdf:Description {POSITIONS[0]}/>").encode()), "")
    for name in ("exif-data", "xmp-data"):
        picture.set_type(pyvips.GValue.blob_type, name, marked.get(name))
    return encoded(picture, suffix, Q=1 if suffix != ".png" else 2, keep="all", **({"palette": True} if suffix == ".png" else {}))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".avif"])
def test_an_original_that_we_cannot_make_smaller_leaves_without_its_secrets(studio: Studio, suffix: str) -> None:
    original = scraped(suffix)
    assert not harmless(original)
    data = studio.render(original, "_", suffix[1:]).data
    assert harmless(data)
    assert not fields(data)


@pytest.mark.parametrize(("suffix", "extension", "plan"), covering([".jpg", ".png", ".webp", ".avif"], WITH_META, PLANS[1:]))
def test_rights_leave_byte_for_byte_when_asked_and_nothing_else(studio: Studio, suffix: str, extension: str, plan: str) -> None:
    data = studio.render(labelled(suffix), f"{plan},meta_copyright", extension).data
    assert ARTIST.encode() + b"\0" in data
    assert COPYRIGHT.encode() + b"\0" in data
    told = {name for name in fields(data) if name.startswith("exif-ifd")}
    assert not told & {"exif-ifd0-Make", "exif-ifd2-DateTimeOriginal", "exif-ifd2-ExposureTime"}
    assert b"ACME" not in data
    assert not fields(data).keys() & {"xmp-data", "iptc-data", "icc-profile-data"}


@pytest.mark.parametrize("extension", WITH_META)
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".avif"])
def test_all_keeps_exif_and_xmp_and_a_jpeg_its_iptc(studio: Studio, suffix: str, extension: str) -> None:
    data = studio.render(labelled(suffix), "w30,meta_all", extension).data
    found = fields(data)
    assert harmless(data)
    assert ARTIST.encode() + b"\0" in data
    assert found["exif-ifd0-Make"].startswith("ACME")
    assert found["exif-ifd2-ExposureTime"].startswith("1/125")
    assert found["exif-ifd2-DateTimeOriginal"].startswith("2024:05:06 07:08:09")
    assert found["exif-ifd2-PixelXDimension"].startswith("30 ")
    assert found["xmp-data"] == HARMLESS
    assert (found.get("iptc-data", b"").count(IPTC) == 1) == (suffix == ".jpg" and extension == "jpg")


@pytest.mark.parametrize(("icc", "colour_space"), [("", "1 "), (",icc_p3", "65535 ")])
def test_exif_names_the_colour_space_that_came_out(studio: Studio, icc: str, colour_space: str) -> None:
    assert fields(studio.render(labelled(".jpg"), f"meta_all{icc}", "jpg").data)["exif-ifd2-ColorSpace"].startswith(colour_space)


@pytest.mark.parametrize("meta", ["meta_copyright", "meta_all"])
@pytest.mark.parametrize("extension", WITH_META)
@pytest.mark.parametrize("orient", ["", "orient_none,"])
def test_no_tag_turns_a_picture_that_came_out_as_it_is_seen(studio: Studio, orient: str, extension: str, meta: str) -> None:
    """With `orient_none` the client asked to see it as it lies, so metadata must not turn it upright again."""
    original = jpeg_with(segment(0xE1, b"Exif\0\0" + exif(orientation=6)))
    plain, kept = (studio.render(original, f"{orient}w20{more}", extension) for more in ("", f",{meta}"))
    opened = reopened(kept)
    assert "orientation" not in opened.get_fields() or opened.get("orientation") == 1
    assert (opened.width, opened.height) == (reopened(plain).width, reopened(plain).height)
    assert (opened - reopened(plain)).abs().max() == 0


@pytest.mark.parametrize("artist", [b"Zo\xeb \xa9", b"x", b"abc", b"abcd", b"a, ASCII, (b) c", b"long " * 2000, "中村".encode()])
@pytest.mark.parametrize("order", ["<", ">"])
def test_the_artist_leaves_whatever_the_text(studio: Studio, order: str, artist: bytes) -> None:
    original = jpeg_with(segment(0xE1, b"Exif\0\0" + exif(order, artist=artist)))
    for meta in ("meta_copyright", "meta_all"):
        assert artist + b"\0" in studio.render(original, meta, "png").data


def test_a_text_that_claims_the_rest_of_the_block_is_left_out(studio: Studio) -> None:
    """Else the position behind it would leave as the artist's name."""
    block, entry = exif(), struct.pack("<HH", 0x013B, 2)
    start = block.index(entry) + 4
    greedy = block[:start] + struct.pack("<I", 1 << 20) + block[start + 4 :]
    for meta in ("meta_copyright", "meta_all"):
        assert harmless(studio.render(jpeg_with(segment(0xE1, b"Exif\0\0" + greedy)), meta, "png").data)


@pytest.mark.parametrize("cut", [0, 1, 2, 7, 8, 9, 10, 21, 22, 40, 80, 110, 150, 200, 300])
@pytest.mark.parametrize("order", ["<", ">"])
def test_half_of_an_exif_block_is_no_error(studio: Studio, order: str, cut: int) -> None:
    original = jpeg_with(segment(0xE1, b"Exif\0\0" + exif(order)[:cut]))
    for meta in ("meta_copyright", "meta_all"):
        assert harmless(studio.render(original, meta, "jpg").data)


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(b"II*\0\xf8\xff\xff\xff", id="directory outside"),
        pytest.param(b"II*\0\x08\0\0\0\xff\xff" + bytes(40), id="65,535 entries"),
        pytest.param(b"II*\0\x08\0\0\0\x01\0\x3b\x01\x02\0\xff\xff\xff\xff\xf0\xff\xff\xff", id="text of 4 GB"),
        pytest.param(directory("<", [(0x0112, 3, 1, b"\x09\0")], 8).join([b"II*\0\x08\0\0\0", b""]), id="orientation 9"),
        pytest.param(directory("<", [(0x0112, 3, 1, b"\xff\0")], 8).join([b"II*\0\x08\0\0\0", b""]), id="orientation 255"),
        pytest.param(directory("<", [(0x0112, 3, 1, b"\0\0")], 8).join([b"II*\0\x08\0\0\0", b""]), id="orientation 0"),
        pytest.param(directory("<", [(0x8769, 4, 1, b"\x08\0\0\0")], 8, 8).join([b"II*\0\x08\0\0\0", b""]), id="loops"),
    ],
)
def test_hostile_exif_is_accepted_and_changes_nothing(studio: Studio, block: bytes) -> None:
    """Row 49 of the table of bad inputs: the picture is as good as without."""
    original = jpeg_with(segment(0xE1, b"Exif\0\0" + block))
    plain = studio.render(jpeg(), "_", "png").data
    for plan in ("_", "meta_copyright", "meta_all"):
        rendition = studio.render(original, plan, "png")
        assert rendition.size == Size(60, 40)
        assert (reopened(rendition) - pyvips.Image.new_from_buffer(plain, "")).abs().max() == 0


def test_what_other_pictures_bring_along_stays_behind(studio: Studio) -> None:
    """libvips joins the metadata of all pictures that it draws together, and a watermark has its own."""
    path = studio.file(encoded(image()))
    facts = probe(path, LIMITS)
    plan = parse("meta_all,icc_keep", "jpg").resolve(facts).plan
    joined = pyvips.Image.new_from_buffer(labelled(".jpg"), "")
    assert not fields(rendered(plan, facts, LIMITS, lambda _: joined).data)


@pytest.mark.parametrize("extension", ["gif", "webp"])
def test_an_animation_still_moves(studio: Studio, extension: str) -> None:
    plan = "w30,meta_all,icc_keep" if extension == "webp" else "w30"
    opened = reopened(studio.render(animation(loop=3), plan, extension))
    assert (opened.get("n-pages"), opened.get("delay"), opened.get("loop")) == (3, [50, 100, 150], 3)


@pytest.mark.parametrize(
    ("text", "extension", "canonical"),
    [
        ("meta_none", "jpg", "_"),
        ("icc_srgb,meta_none,w9", "jpg", "w9"),
        ("icc_p3,meta_all/w9", "webp", "w9,meta_all,icc_p3"),
        ("icc_keep", "tiff", "icc_keep"),
        ("icc_p3", "auto", "icc_p3"),
    ],
)
def test_options_have_one_canonical_text(text: str, extension: str, canonical: str) -> None:
    assert str(parse(text, extension)) == canonical


@pytest.mark.parametrize(
    ("text", "extension", "named"),
    [
        ("meta_all", "gif", "avif, jpg, png, webp have"),
        ("meta_all", "tiff", "tiff has no meta"),
        ("meta_gps", "jpg", "_none, _copyright, _all"),
        ("icc_p3", "gif", "gif has no icc"),
        ("icc_sgrb", "jpg", "Did you mean 'icc_srgb'"),
        ("icc", "jpg", "_srgb, _p3, _keep"),
    ],
)
def test_what_a_format_lacks_is_refused_by_name(text: str, extension: str, named: str) -> None:
    with pytest.raises(PlanError) as refused:
        parse(text, extension)
    assert named in str(refused.value)


@pytest.mark.parametrize("text", ["meta_all", "meta_copyright", "icc_p3", "icc_keep"])
def test_a_copy_without_metadata_and_profile_will_not_do(text: str) -> None:
    plan = parse(text, "jpg").resolve(Facts(format="jpg", width=4000, height=3000)).plan
    assert any(operation.needs_original() for operation in plan.operations)


# Row 35, 38 and 40 of the table of bad inputs


def test_a_wrong_checksum_of_a_text_chunk_is_accepted(studio: Studio) -> None:
    chunk = _chunk(b"tEXt", b"profile\0/etc/passwd")
    data = studio.render(png_with(chunk[:-4] + b"\0\0\0\0"), "_", "png").data
    assert b"/etc/passwd" not in data


@pytest.mark.parametrize("name", [b"IHDR", b"IDAT"])
def test_a_wrong_checksum_of_what_matters_is_refused(studio: Studio, name: bytes) -> None:
    data = bytearray(encoded(image()))
    start = data.index(name) - 4
    (length,) = struct.unpack_from(">I", data, start)
    data[start + 8 + length] ^= 0xFF
    with pytest.raises(ImageError):
        studio.render(bytes(data), "_", "png")


MARKER = b"<script>alert('marker')</script><?php marker ?>"
POLYGLOTS = {
    "after a jpeg": jpeg() + MARKER,
    "after a png": encoded(image()) + MARKER,
    "after a gif": encoded(image(), ".gif") + MARKER,
    "in a comment of a jpeg": jpeg_with(segment(0xFE, MARKER)),
    "in an unknown segment": jpeg_with(segment(0xEF, MARKER)),
    "in a text of a png": png_with(_chunk(b"tEXt", b"profile\0" + MARKER)),
    "in an unknown chunk": png_with(_chunk(b"prVt", MARKER)),
}


@pytest.mark.parametrize("original", POLYGLOTS.values(), ids=POLYGLOTS)
@pytest.mark.parametrize("extension", WRITABLE)
def test_what_hides_in_or_after_a_picture_is_gone(studio: Studio, original: bytes, extension: str) -> None:
    for plan in ("_", "w30", "meta_all,icc_keep") if extension in Meta.formats else ("_", "w30"):
        data = studio.render(original, plan, extension).data
        assert b"marker" not in data
        assert b"<script" not in data


# The corpus

SAMPLES = samples(lambda sample: sample.expected == "accept" and not sample.name.startswith("bombs"))
needs_corpus = pytest.mark.skipif(not SAMPLES, reason=f"the corpus of test pictures is not at {CORPUS}")


def told(path: Path) -> dict[str, Any]:
    opened = pyvips.Image.new_from_file(str(path))
    return {name: opened.get(name) for name in opened.get_fields() if name.startswith(METADATA_FIELDS)}


def positions(found: dict[str, Any]) -> list[bytes]:
    """The position of a picture as the bytes that stand in its EXIF block, in both byte orders."""
    texts = (found.get(f"exif-ifd3-GPS{side}", "").partition(" (")[0].split() for side in ("Latitude", "Longitude"))
    pairs = [tuple(int(number) for number in text.split("/")) for side in texts for text in side]
    # Zero over one stands in many places.
    return [struct.pack(f"{order}II", *pair) for pair in pairs if pair[0] > 999 and len(pair) == 2 for order in "<>"]


@needs_corpus
@pytest.mark.parametrize("sample", SAMPLES)
def test_no_place_leaves_with_a_real_picture(sample: Sample) -> None:
    """All that may be kept, in all formats that keep it; at full size where that is not too slow."""
    facts, found = probe(sample.path, LIMITS), told(sample.path)
    located = any("GPS" in name for name in found) or b"gps" in found.get("xmp-data", b"").lower()
    at_full_size = ["meta_all"] if located and facts.size.area < 2_000_000 else []
    unchanged = ["_"] if found and facts.size.area < 2_000_000 else []
    for plan in ("w64", "w64,meta_copyright", "w64,meta_all,icc_keep", *at_full_size, *unchanged):
        same = facts.format if FORMATS[facts.format].writable else "jpg"
        for extension in WITH_META if located and "meta_all" in plan else (same if plan == "_" else "jpg",):
            try:
                data = execute(parse(plan, extension).resolve(facts).plan, sample.path, facts, LIMITS).data
            except ImpossibleOutput:
                continue
            left = fields(data)
            assert not [name for name in left if "GPS" in name or name.startswith(("exif-ifd1", "exif-ifd3"))]
            assert b"gps" not in left.get("xmp-data", b"").lower()
            assert not [secret for secret in positions(found) if secret in data]
            if plan in ("w64", "_"):
                assert not left


@needs_corpus
def test_some_real_pictures_do_tell_a_place() -> None:
    located = [sample.name for sample in corpus() if sample.expected == "accept" and positions(told(sample.path))]
    assert "photos/arezzo-gps-640x480.jpg" in located
    assert len(located) >= 4


@needs_corpus
@pytest.mark.parametrize(
    ("name", "marker"),
    [("gen-polyglot-jpeg-zip.jpg", b"PK\3\4"), ("gen-polyglot-png-html.png", b"<script"), ("gen-comment-php.jpg", b"<?php")],
)
def test_real_polyglots_come_out_as_pictures_alone(name: str, marker: bytes) -> None:
    path = CORPUS / "broken" / name
    assert marker in path.read_bytes()
    facts = probe(path, LIMITS)
    for extension in WRITABLE:
        assert marker not in execute(parse("w128", extension).resolve(facts).plan, path, facts, LIMITS).data
