"""From a file to a rendition: the one place that knows libvips. Runs in the children of a RenderPool, prepared by `prepare`.

libvips' errors become ours here: whatever it cannot open or decode to the end is a BrokenImage, its own words are the cause.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import pyvips

from transforms.errors import BrokenImage, UnsupportedFormat
from transforms.formats import FORMATS, HEAD_BYTES, Format, gif_is_cut_off, jpeg_scans, sniff
from transforms.geometry import Size
from transforms.limits import MEGAPIXEL, Header, Limits
from transforms.operation import Image, Operation, Stage
from transforms.params import WHITE
from transforms.plan import Plan, pipeline, save_options
from transforms.values import Facts, Rendition

# Shrinking by this is what JPEG and WebP decoders do best, and every pixel is still decoded.
VERIFY_SHRINK = 8
# Beyond it the search for good AV1 blocks would take many seconds; measured on a 13 MP photo: 2 s at 6 MP with effort 2, 1.2 s with 0.
AVIF_SEARCH_PIXELS = 2 * MEGAPIXEL
# Pixels times two to the power of the effort. A photo of 1 MP at the effort that this leaves, 4, took 2 s, lossless 4, and noise 3.5;
# effort 6 at 2 MP would take 10, lossless 20.
AVIF_EFFORT_PIXELS = 16 * MEGAPIXEL
# The second picture in a phone's JPEG is not metadata, however it is stored.
NOT_METADATA = frozenset({"gainmap-data"})
PROFILE = "icc-profile-data"

SAVERS: Mapping[str, str] = {
    "jpg": "jpegsave_buffer",
    "png": "pngsave_buffer",
    "webp": "webpsave_buffer",
    "avif": "heifsave_buffer",
    "gif": "gifsave_buffer",
    "tiff": "tiffsave_buffer",
}
# Progressive JPEG is left to the plan: on five photos it saved -12 to 4 %, and decoding large ones again took 3 to 11 times as long.
# All PNG filters: two photos got 37 and 44 % smaller than with none, a screenshot 11 % larger, and encoding took twice as long (0.08 s).
SAVE_OPTIONS: Mapping[str, Mapping[str, object]] = {
    "jpg": {"optimize_coding": True},
    "png": {"compression": 6, "filter": "all"},
    "webp": {"effort": 4},
    "avif": {"compression": "av1", "bitdepth": 8},
    "gif": {"effort": 3},
    "tiff": {"compression": "deflate", "predictor": "horizontal"},
}

# An operation of a plan, its stage, and the size that it sees.
Step: TypeAlias = tuple[Operation, Stage, Size]


class Support(NamedTuple):
    reads: bool
    writes: bool


def prepare(accepted: frozenset[str]) -> None:
    """Set libvips up for untrusted pictures: one thread, no caches, and loaders of the accepted formats only."""
    pyvips.concurrency_set(1)
    pyvips.cache_set_max(0)
    pyvips.operation_block_set("VipsForeignLoad", True)
    for name in accepted:
        for loader in FORMATS[name].loaders:
            # By path an SVG could read its neighbours.
            for variant in (f"{loader}_buffer",) if name == "svg" else (loader, f"{loader}_buffer"):
                if kind := pyvips.type_find("VipsForeignLoad", variant):
                    pyvips.operation_block_set(pyvips.type_name(kind), False)


def supported_formats() -> dict[str, Support]:
    """What this libvips was built with, by name in FORMATS."""
    return {
        name: Support(
            reads=any(pyvips.type_find("VipsForeignLoad", loader) for loader in known.loaders),
            writes=known.writable and bool(pyvips.type_find("VipsForeignSave", SAVERS[name])),
        )
        for name, known in FORMATS.items()
    }


def self_test() -> None:
    """Decode a small real JPEG and encode it as WebP: that this process can still do its work."""
    jpeg = pyvips.Image.gaussnoise(64, 64).cast("uchar").jpegsave_buffer()
    webp = pyvips.Image.thumbnail_buffer(jpeg, 64, height=64, size="force").webpsave_buffer(keep="none")
    if sniff(webp) != "webp":
        raise RuntimeError("libvips made something else of a JPEG than a WebP")


def probe(path: Path, limits: Limits) -> Facts:
    """What the header says, checked against all limits; no pixel is decoded. UnsupportedFormat, LimitExceeded or BrokenImage."""
    limits.check_bytes(path.stat().st_size)
    with path.open("rb") as file:
        detected = sniff(file.read(HEAD_BYTES))
    limits.check_type(detected)
    assert detected is not None
    with _translated():
        header = _header(_open(path, detected), path, detected, limits)
    limits.check_header(header)
    return header.facts


def verify(path: Path, limits: Limits) -> Facts:
    """Like `probe`, and every frame is decoded to its end, shrunken. BrokenImage when something is missing or damaged."""
    facts = probe(path, limits)
    if facts.format == "gif" and gif_is_cut_off(path.read_bytes()):
        # libvips takes the frames that are left for the whole animation.
        raise BrokenImage("The picture is incomplete: it ends in the middle of a frame.")
    size = Size(max(1, facts.width // VERIFY_SHRINK), max(1, facts.height // VERIFY_SHRINK))
    with _translated():
        _decode(path, facts, size, animated=facts.animated).avg()
    return facts


def execute(plan: Plan, path: Path, facts: Facts, limits: Limits) -> Rendition:
    """Carry out a plan that was resolved for these facts: ImpossibleOutput when a step is too large, BrokenImage when it cannot be decoded.

    Orientation and colours are made plain (upright, 8-bit sRGB), metadata is dropped, an animation moves on in formats that can.
    """
    steps = list(pipeline(plan, facts))
    output = FORMATS[plan.format]
    animated = facts.animated and output.animation
    size = _checked_size(steps, facts, output, limits, frames=facts.frames if animated else 1)
    with _translated():
        load, rest = _left_to_decoder(steps, facts)
        image = _run(rest, _decode(path, facts, load, animated=animated), load.height if animated else None)
        made = Size(image.width, image.get_page_height() if animated else image.height)
        data = _encode(image, plan, made)
    if made != size:
        raise RuntimeError(f"The plan {plan} promised {size} and made {made}")
    return Rendition(data=data, size=size, format=plan.format)


def _checked_size(steps: Sequence[Step], facts: Facts, output: Format, limits: Limits, *, frames: int) -> Size:
    """The size that comes out. What lies on the way to it must not be too large for memory either, whatever the format."""
    size, enlarged = facts.size, False
    for operation, stage, before in steps:
        size, enlarged = operation.output_size(before, stage), enlarged or operation.enlarges()
        limits.check_output(size, FORMATS["png"], enlarged=enlarged, frames=frames)
    limits.check_output(size, output, enlarged=enlarged, frames=frames)
    return size


def _left_to_decoder(steps: Sequence[Step], facts: Facts) -> tuple[Size, Sequence[Step]]:
    """The size in which to decode, and the steps that remain: shrinking while decoding is several times faster than afterwards."""
    if steps:
        operation, stage, size = steps[0]
        if (load := operation.load_size(size)) is not None:
            return load, steps[1:] if load == operation.output_size(size, stage) else steps
    return facts.size, steps


def _decode(path: Path, facts: Facts, size: Size, *, animated: bool) -> Image:
    """Exactly this size, upright, 8-bit sRGB with or without alpha; all frames as one strip when animated. Bad profiles are ignored."""
    options = {"height": size.height, "size": "force"}
    # Told to convert where there is no profile, libvips does much work for nothing: 1.85 s instead of 0.06 for a 13 MP photo at full size.
    if PROFILE in _open(path, facts.format).get_fields():
        options["output_profile"] = "srgb"
    if facts.format == "svg":
        image = pyvips.Image.thumbnail_buffer(path.read_bytes(), size.width, option_string="fail_on=error", **options)
    else:
        image = pyvips.Image.thumbnail(f"{path}[n=-1]" if animated else str(path), size.width, fail_on="error", **options)
    return image if image.interpretation == "srgb" else image.colourspace("srgb")


def _run(steps: Sequence[Step], image: Image, page_height: int | None) -> Image:
    """The image after the steps; one with a page height is a strip of frames before and after them."""
    if not steps:
        return image
    # Decoders deliver rows once, from top to bottom; turning or looking for a face wants them in any order.
    image = image.copy_memory()
    height = page_height or image.height
    frames = [image.crop(0, top, image.width, height) for top in range(0, image.height, height)]
    for operation, stage, size in steps:
        frames = operation.apply(frames, size, stage)
    return _strip(frames) if page_height else frames[0]


def _strip(frames: Sequence[Image]) -> Image:
    """Frames below each other, as savers want them. Delays and the loop count come along with the first."""
    strip = pyvips.Image.arrayjoin(list(frames), across=1).copy()
    strip.set_type(pyvips.GValue.gint_type, "page-height", frames[0].height)
    return strip


def _encode(image: Image, plan: Plan, size: Size) -> bytes:
    output = FORMATS[plan.format]
    if image.hasalpha() and not output.alpha:
        image = image.flatten(background=list(WHITE[:3]))
    options: dict[str, Any] = {"keep": "none", **SAVE_OPTIONS[output.name]}
    if output.quality is not None:
        options["Q"] = output.quality
    if output.name == "avif":
        options["effort"] = 2 if size.area <= AVIF_SEARCH_PIXELS else 0
    options.update(save_options(plan))
    if output.name == "avif":
        options["effort"] = min(options["effort"], _highest_avif_effort(size))
    data: bytes = pyvips.Operation.call(SAVERS[output.name], image, **options)
    return data


def _highest_avif_effort(size: Size) -> int:
    """The most that a plan's effort gets: each step takes about twice as long as the one below it."""
    return max(0, (AVIF_EFFORT_PIXELS // size.area).bit_length() - 1)


def _open(path: Path, detected: str) -> Image:
    if detected == "svg":
        return pyvips.Image.new_from_buffer(path.read_bytes(), "")
    return pyvips.Image.new_from_file(str(path), access="sequential")


def _header(image: Image, path: Path, detected: str, limits: Limits) -> Header:
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
        scans=jpeg_scans(path.read_bytes()) if detected == "jpg" else 1,
    )


def _metadata_bytes(image: Image, field: str) -> int:
    """EXIF, XMP, IPTC and profiles are blobs, comments of a PNG are text."""
    return len(image.get(field)) if image.get_typeof(field) == pyvips.GValue.blob_type or field.startswith("png-comment-") else 0


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except pyvips.Error as error:
        if "not a known file format" in str(error):
            reason = "This kind of picture cannot be read here, though its format is accepted: an animated AVIF, for example."
            raise UnsupportedFormat(reason) from error
        raise BrokenImage("The picture is damaged or incomplete: it cannot be decoded to its end.") from error
