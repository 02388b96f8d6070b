"""Which metadata of an original goes into a rendition.

Nothing opaque is passed on: EXIF is written anew from the tags that libvips knows by name, of the picture and of its exposure. So GPS,
maker notes (which hold positions and previews), the embedded thumbnail (which shows what a crop removed) and unknown tags stay
behind. XMP is kept or dropped as a whole, and of IPTC only the records themselves are kept. The orientation tag says 1, also after
`orient_none`: who asks to see a picture as it lies must see it so with metadata too.
"""

import re
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyvips

from transforms.engine.load import PROFILE, opened, rgb_profile
from transforms.operation import Image, Stage
from transforms.operations.icc import KEEP, SRGB, Icc
from transforms.operations.meta import Meta
from transforms.plan import Plan
from transforms.values import Facts

EXIF, XMP, IPTC = "exif-data", "xmp-data", "iptc-data"
# What a picture can keep, and what savers call it.
KEEPABLE = {EXIF: "exif", XMP: "xmp", IPTC: "iptc", PROFILE: "icc"}

# Tags whose text goes along byte for byte, whatever its encoding: written by libvips, it would lose its accents.
DESCRIPTION, ARTIST, COPYRIGHT = 0x010E, 0x013B, 0x8298
ASCII = 2
# These describe the pixels of the original, cannot be written from what libvips says of them, or are among the above.
NOT_KEPT = re.compile(
    r"GPS|Orientation|ColorSpace|Gamma|Chromaticities|WhitePoint|TransferFunction|MakerNote|Pixel[XY]Dimension|ImageDescription|Artist|Copyright"
)
# In XMP, positions have many names (exif:GPSLatitude, drone-dji:Latitude, geo:lat); thumbnails are xmp:Thumbnails and xmpGImg.
NOT_IN_XMP = re.compile(rb"gps|latitude|longitude|geo:|/geo/|thumbnail|xmpgimg", re.IGNORECASE)
PHOTOSHOP = b"Photoshop 3.0\0"
IPTC_RECORDS = 0x0404


def kept(path: Path, facts: Facts, plan: Plan) -> Mapping[str, str | bytes]:
    """The fields of the original that go along, by libvips' names."""
    options = Stage(plan.options)
    meta, icc = options.get(Meta).meta, options.get(Icc).icc
    if meta == "none" and icc != KEEP:
        return {}
    image = opened(path, facts.format)
    fields = {name: image.get(name) for name in image.get_fields()}
    found: dict[str, str | bytes] = {}
    if icc == KEEP and (profile := rgb_profile(image)):
        found[PROFILE] = profile
    if meta == "copyright":
        found |= _exif(fields, (ARTIST, COPYRIGHT))
    if meta == "all":
        found |= _exif(fields, (DESCRIPTION, ARTIST, COPYRIGHT)) | _exif_by_name(fields) | _xmp(fields) | _iptc(fields)
    if any(name.startswith("exif-") for name in found):
        # 1 is sRGB, 65535 says that the profile knows.
        found["exif-ifd2-ColorSpace"] = "1" if icc == SRGB else "65535"
    return found


def labelled(image: Image, fields: Mapping[str, str | bytes]) -> Image:
    """The image with these fields and no other metadata: watermarks bring their own along."""
    clean = image.copy()
    for name in image.get_fields():
        if name.startswith("exif-") or name == "orientation" or image.get_typeof(name) == pyvips.GValue.blob_type:
            clean.remove(name)
    for name, value in fields.items():
        clean.set_type(pyvips.GValue.blob_type if isinstance(value, bytes) else pyvips.GValue.gstr_type, name, value)
    return clean


def keep(fields: Mapping[str, object]) -> str:
    """What a saver must be told to write all of these, and nothing more."""
    exif = {EXIF} if any(name.startswith("exif-") for name in fields) else set()
    return ":".join(flag for name, flag in KEEPABLE.items() if name in fields.keys() | exif) or "none"


def _exif(fields: Mapping[str, object], tags: tuple[int, ...]) -> dict[str, str | bytes]:
    """An EXIF block of the texts of these tags, as far as the original has them."""
    block = fields.get(EXIF)
    texts = {tag: text for tag, text in _texts(block if isinstance(block, bytes) else b"") if tag in tags}
    if not texts:
        return {}
    entries, data = b"", b""
    # TIFF 6.0, section 2: the header, the number of entries, 12 bytes for each, the place of the next directory, long values.
    start = 8 + 2 + 12 * len(texts) + 4
    for tag, text in sorted(texts.items()):
        value = text + b"\0"
        place = value.ljust(4, b"\0") if len(value) <= 4 else struct.pack("<I", start + len(data))
        entries += struct.pack("<HHI", tag, ASCII, len(value)) + place
        data += (value + bytes(len(value) % 2)) if len(value) > 4 else b""
    return {EXIF: b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(texts)) + entries + bytes(4) + data}


def _texts(block: bytes) -> Iterator[tuple[int, bytes]]:
    """Tags of the first directory of an EXIF block that are text. What points outside the block is left out."""
    block = block.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None or len(block) < 8:
        return
    (start,) = struct.unpack_from(f"{order}I", block, 4)
    count = int.from_bytes(block[start : start + 2], "little" if order == "<" else "big")
    for at in range(start + 2, min(start + 2 + 12 * count, len(block) - 11), 12):
        tag, kind, length, place = struct.unpack_from(f"{order}HHII", block, at)
        text = block[at + 8 : at + 8 + length] if length <= 4 else block[place : place + length]
        if kind == ASCII and len(text) == length and (text := text.rstrip(b"\0")):
            yield tag, text


def _exif_by_name(fields: Mapping[str, object]) -> dict[str, str | bytes]:
    named = ((name, value) for name, value in fields.items() if name.startswith(("exif-ifd0-", "exif-ifd2-")))
    return {name: value for name, value in named if isinstance(value, str) and not NOT_KEPT.search(name)}


def _xmp(fields: Mapping[str, object]) -> dict[str, str | bytes]:
    """All of it, or nothing when something in it must not leave. It may be UTF-16 or UTF-32, so zeros are skipped in the search."""
    xmp = fields.get(XMP)
    return {XMP: xmp} if isinstance(xmp, bytes) and not NOT_IN_XMP.search(xmp.replace(b"\0", b"")) else {}


def _iptc(fields: Mapping[str, object]) -> dict[str, str | bytes]:
    """The IPTC records out of Photoshop's resources, whose others hold thumbnails, EXIF and XMP once more."""
    block = fields.get(IPTC)
    if not isinstance(block, bytes):
        return {}
    for kind, data in _resources(block.removeprefix(PHOTOSHOP)):
        if kind == IPTC_RECORDS:
            resource = b"8BIM" + struct.pack(">HHI", kind, 0, len(data)) + data + bytes(len(data) % 2)
            return {IPTC: PHOTOSHOP + resource}
    return {}


def _resources(block: bytes) -> Iterator[tuple[int, bytes]]:
    """Photoshop's image resources: each a signature, a number, a name and data, the latter two padded to even lengths."""
    at = 0
    while block[at : at + 4] == b"8BIM" and at + 12 <= len(block):
        name = block[at + 6] + 1
        start = at + 6 + name + name % 2
        if start + 4 > len(block):
            return
        length = int.from_bytes(block[start : start + 4], "big")
        yield int.from_bytes(block[at + 4 : at + 6], "big"), block[start + 4 : start + 4 + length]
        at = start + 4 + length + length % 2
