"""Decoding: from a file to facts and to pixels.

libvips' errors become ours here: whatever it cannot open or decode to the end is a BrokenImage, its own words are the cause.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyvips

from transforms.engine.shrunk import shrunk
from transforms.errors import BrokenImage, UnsupportedFormat
from transforms.formats import FORMATS
from transforms.geometry import Size
from transforms.limits import Header, Limits
from transforms.operation import Image, SourceOption
from transforms.operations.icc import KEEP, P3, SRGB
from transforms.threads import no_threads
from transforms.values import Facts
from transforms.watch import watched

# The second picture in a phone's JPEG is not metadata, however it is stored.
NOT_METADATA = frozenset({"gainmap-data"})
PROFILE = "icc-profile-data"


def decode(path: Path, facts: Facts, size: Size, source: Sequence[SourceOption] = (), icc: str = SRGB) -> Image:
    """Exactly this size, upright, 8-bit RGB with or without alpha; more than one frame as one strip. Bad profiles are ignored.

    `facts` are what is seen of the original, `source` how; `icc` says the colour space, as the operation does.
    """
    options: dict[str, Any] = {"height": size.height, "size": "force"}
    # Without a turn left to make, the loader must not make the one that the file asks for.
    if facts.orientation == 1:
        options["no_rotate"] = True
    file = opened(path, facts.format)
    if profile := _output_profile(file, icc):
        try:
            return _decode(path, file, facts, size, source, **options, output_profile=profile)
        except pyvips.Error as error:
            if "VipsIcc" not in str(error):
                raise
    image = _decode(path, file, facts, size, source, **options)
    return image.icc_transform(P3, input_profile=SRGB, embedded=False) if icc == P3 else image


def _decode(path: Path, file: Image, facts: Facts, wanted: Size, source: Sequence[SourceOption], **options: Any) -> Image:
    if facts.format == "svg":
        image = pyvips.Image.thumbnail_buffer(path.read_bytes(), wanted.width, option_string="fail_on=error", **options)
    elif (smaller := shrunk(path, file, facts, wanted)) is not None:
        image = smaller.thumbnail_image(wanted.width, **options)
    else:
        image = pyvips.Image.thumbnail(f"{path}{_page_options(facts, source)}", wanted.width, fail_on="error", **options)
    image = image.copy() if image.interpretation == "srgb" else image.colourspace("srgb")
    # What is left lying must not be turned by a later thumbnail_image.
    image.remove("orientation")
    return watched(image)


def _output_profile(image: Image, icc: str) -> str | None:
    """What libvips converts to. With nothing to do it does much all the same: 1.85 s, not 0.06, for a 13 MP photo at full size."""
    if icc == P3:
        return P3
    untouched = PROFILE not in image.get_fields() or (icc == KEEP and rgb_profile(image))
    return None if untouched else SRGB


def rgb_profile(image: Image) -> bytes | None:
    """The profile embedded in an RGB picture, when it is one for RGB that works."""
    if image.interpretation not in ("srgb", "rgb16") or PROFILE not in image.get_fields():
        return None
    profile: bytes = image.get(PROFILE)
    pixel = pyvips.Image.black(1, 1, bands=3).copy(interpretation="srgb")
    pixel.set_type(pyvips.GValue.blob_type, PROFILE, profile)
    try:
        pixel.icc_transform(SRGB, embedded=True).avg()
        # libpng looks at it more closely, also whether it is one for RGB, and would not write the result.
        pixel.pngsave_buffer(keep="icc")
    except pyvips.Error as error:
        _check_for_threads(error)
        return None
    return profile


def _page_options(facts: Facts, source: Sequence[SourceOption]) -> str:
    """For a loader that knows pages: the first frame and how many."""
    if not FORMATS[facts.format].animation:
        return ""
    chosen = {"page": 0, "n": facts.frames, **{name: value for option in source for name, value in option.load_options().items()}}
    return f"[page={chosen['page']},n={chosen['n']}]"


def opened(path: Path, detected: str) -> Image:
    if detected == "svg":
        return pyvips.Image.new_from_buffer(path.read_bytes(), "")
    return pyvips.Image.new_from_file(str(path), access="sequential")


def header(image: Image, detected: str, limits: Limits, scans: int) -> Header:
    fields = frozenset(image.get_fields())
    if "heif-compression" in fields and image.get("heif-compression") != "av1":
        limits.check_type("heic")
    orientation = image.get("orientation") if "orientation" in fields else 1
    lies = orientation >= 5
    facts = Facts(
        format=detected,
        width=image.height if lies else image.width,
        height=image.width if lies else image.height,
        # Tiles of an AVIF and levels of a TIFF are pages to libvips too.
        frames=image.get("n-pages") if FORMATS[detected].animation and "n-pages" in fields else 1,
        orientation=orientation,
        alpha=bool(image.hasalpha()),
    )
    return Header(
        facts=facts,
        bands=image.bands,
        metadata=sum(_metadata_bytes(image, field) for field in fields - NOT_METADATA),
        interlaced="interlaced" in fields,
        scans=scans,
    )


def _metadata_bytes(image: Image, field: str) -> int:
    """EXIF, XMP, IPTC and profiles are blobs, comments of a PNG are text."""
    return len(image.get(field)) if image.get_typeof(field) == pyvips.GValue.blob_type or field.startswith("png-comment-") else 0


@contextmanager
def translated() -> Iterator[None]:
    try:
        yield
    except pyvips.Error as error:
        _check_for_threads(error)
        if "not a known file format" in str(error):
            reason = "This kind of picture cannot be read here, though its format is accepted: an animated AVIF, for example."
            raise UnsupportedFormat(reason) from error
        raise BrokenImage("The picture is damaged or incomplete: it cannot be decoded to its end.") from error


def _check_for_threads(error: pyvips.Error) -> None:
    """NoThreads when libvips could start none: nothing is known of the picture then."""
    if "creating thread" in str(error) or "create thread" in str(error):
        raise no_threads() from error
