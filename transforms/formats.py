"""Picture formats: what ProgImage knows of each, telling them apart by their first bytes, and choosing one for a client."""

import re
import zlib
from dataclasses import dataclass

# An XML prologue may be long; everything else shows itself in the first dozens of bytes.
HEAD_BYTES = 4096
# Browsers send less than 200 characters. What comes after this cannot change the answer, and costs nothing.
MAX_ACCEPT = 1000
QUALITY = re.compile(r"1(\.0{0,3})?|0(\.\d{0,3})?", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Format:
    """`quality` is the encoder's default, 1 to 100, or None for a format without one; `loaders` are libvips nicknames.

    `alpha` and `animation` say what our output in this format can hold. A format that is not `inline_safe` can carry
    scripts, and browsers must not be given it as a document. One that is not `writable` is read only, one without loaders
    is written only. A picture in `text` is characters instead of pixels (transforms/columns.py).
    """

    name: str
    aliases: tuple[str, ...] = ()
    media_type: str
    alpha: bool = True
    animation: bool = False
    quality: int | None = None
    loaders: tuple[str, ...] = ()
    inline_safe: bool = True
    writable: bool = True
    text: bool = False


FORMATS = {
    known.name: known
    for known in (
        # New phones' pictures with a gain map open with a loader of their own.
        Format(name="jpg", aliases=("jpeg",), media_type="image/jpeg", alpha=False, quality=80, loaders=("jpegload", "uhdrload")),
        Format(name="png", media_type="image/png", loaders=("pngload",)),
        Format(name="webp", media_type="image/webp", animation=True, quality=80, loaders=("webpload",)),
        Format(name="avif", media_type="image/avif", quality=58, loaders=("heifload",)),
        Format(name="gif", media_type="image/gif", animation=True, loaders=("gifload",)),
        Format(name="tiff", aliases=("tif",), media_type="image/tiff", loaders=("tiffload",)),
        Format(name="svg", media_type="image/svg+xml", loaders=("svgload",), inline_safe=False, writable=False),
        Format(name="txt", media_type="text/plain; charset=utf-8", text=True),
        Format(name="ansi", media_type="text/plain; charset=utf-8", text=True),
        Format(name="html", media_type="text/html; charset=utf-8", text=True),
    )
}
_EXTENSIONS = {extension: known for known in FORMATS.values() for extension in (known.name, *known.aliases)}


def by_extension(text: str) -> Format | None:
    """The format that an extension (lower case, without the dot) or one of its aliases stands for."""
    return _EXTENSIONS.get(text)


def negotiate(accept: str | None, *, alpha: bool, animated: bool, order: tuple[str, ...] = ("avif", "webp")) -> str:
    """The format for the extension `auto`: the first of `order` that the Accept header lists by name with q above 0.

    Wildcards select jpg (png for a picture with alpha), since everything that can show pictures can show those. An animation
    becomes webp where that is accepted, else gif: our avif does not move.
    """
    accepted = {media_type for media_type, weight in weights(accept or "").items() if weight}
    if animated:
        return "webp" if FORMATS["webp"].media_type in accepted else "gif"
    return next((name for name in order if FORMATS[name].media_type in accepted), "png" if alpha else "jpg")


def weights(accept: str) -> dict[str, float]:
    """What an Accept header says of each media type or range that it names, 0 to 1; 0 too for a weight that is none.

    Of what is named twice the larger weight counts. nginx/progimage.conf reads the header by the same rules. Takes time in proportion
    to the header's length, whatever a stranger wrote into it.
    """
    found: dict[str, float] = {}
    for item in accept[:MAX_ACCEPT].lower().split(","):
        media_type, *parameters = (part.strip(" \t") for part in item.split(";"))
        quality = next((parameter[2:] for parameter in parameters if parameter.startswith("q=")), "1")
        weight = float(quality) if QUALITY.fullmatch(quality) else 0.0
        found[media_type] = max(weight, found.get(media_type, 0.0))
    return found


def sniff(head: bytes) -> str | None:
    """The name of a type by its magic bytes alone: a name in FORMATS, or a well-known one that is not a picture of ours, or None.

    `head` are the first HEAD_BYTES of a file, fewer when it is shorter.
    """
    if head[4:12] == b"ftypjxl ":
        return "jxl"
    if head[4:8] == b"ftyp":
        return _iso_media(head)
    if head[:4] == b"RIFF":
        return {b"WEBP": "webp", b"WAVE": "wav", b"AVI ": "avi"}.get(head[8:12])
    known = next((name for magic, name in _MAGIC if head.startswith(magic)), None)
    if known == "gzip":
        return "svg" if _markup(_inflated(head)) == "svg" else known
    return known or _markup(head)


_MAGIC = (
    (b"\xff\xd8\xff", "jpg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    *((magic, "tiff") for magic in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    (b"\xff\x0a", "jxl"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "jxl"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "jp2"),
    (b"\xff\x4f\xff\x51", "jp2"),
    (b"\0\0\1\0", "ico"),
    (b"\0\0\2\0", "ico"),
    (b"BM", "bmp"),
    (b"8BPS", "psd"),
    (b"%PDF-", "pdf"),
    (b"%!PS", "ps"),
    (b"\x76\x2f\x31\x01", "exr"),
    (b"qoif", "qoi"),
    (b"\x1aE\xdf\xa3", "webm"),
    (b"PK\3\4", "zip"),
    (b"\x1f\x8b", "gzip"),
    (b"\x7fELF", "elf"),
)

_AVIF_BRANDS = {b"avif", b"avis"}
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_HEIF_BRANDS = {b"mif1", b"msf1", b"mif2", b"miaf"}


def _iso_media(head: bytes) -> str:
    """Which of the formats that share the ISO base media container; the brands are in its first box."""
    end = min(int.from_bytes(head[:4], "big"), len(head))
    # The four bytes after the major brand are a version.
    brands = {head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4))}
    for name, own in (("avif", _AVIF_BRANDS), ("heic", _HEIC_BRANDS), ("heif", _HEIF_BRANDS)):
        if brands & own:
            return name
    return "mp4"


def _inflated(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(head, HEAD_BYTES)
    except zlib.error:
        return b""


def _markup(head: bytes) -> str | None:
    """`svg`, `html`, `xml` or `text`, when these bytes are text at all."""
    text = _decoded(head[:HEAD_BYTES])
    if not text or any(ord(char) < 32 and char not in "\t\n\f\r" for char in text):
        return None
    root = _after_prologue(text).lower()
    if re.match(r"<(?:[a-z_][\w.-]*:)?svg[\s/>]", root):
        return "svg"
    if re.match(r"<(?:!doctype\s+html|html|head|body|script|iframe|a|b|p|div|table|img)[\s/>]", root):
        return "html"
    return "xml" if text.lstrip().startswith("<?xml") else "text"


def _decoded(head: bytes) -> str:
    """As text in UTF-8 or UTF-16, with or without a byte order mark."""
    encoding = "utf-8-sig"
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif head[:2] in (b"<\0", b"\0<"):
        encoding = "utf-16-le" if head[:1] == b"<" else "utf-16-be"
    # Markup in an older encoding, or cut in the middle of a character, is recognised too: its tags are ASCII all the same.
    return head.decode(encoding, "replace")


_DOCTYPE = re.compile(r"<!doctype\s+(?!html)", re.IGNORECASE)


def _after_prologue(text: str) -> str:
    """What follows the XML declaration, comments, processing instructions and the document type; empty when they do not end."""
    at = 0
    while True:
        at = len(text) - len(text[at:].lstrip())
        if text.startswith("<?", at):
            end, closed = text.find("?>", at), 2
        elif text.startswith("<!--", at):
            end, closed = text.find("-->", at + 4), 3
        elif _DOCTYPE.match(text, at):
            end, closed = _doctype_end(text, at), 1
        else:
            return text[at:]
        if end < 0:
            return ""
        at = end + closed


def _doctype_end(text: str, at: int) -> int:
    subset, end = text.find("[", at), text.find(">", at)
    return text.find(">", text.find("]", subset)) if 0 <= subset < end and "]" in text[subset:] else end


def gif_is_cut_off(data: bytes) -> bool:
    """Whether a GIF ends inside a block. One that only lacks the mark of its end is whole. Linear in the data."""
    at = 13 + gif_palette_bytes(data[10:11])
    while at < len(data) and (kind := data[at]) in b"!,":
        if kind == ord(","):
            at += 11 + gif_palette_bytes(data[at + 9 : at + 10])
        else:
            at += 2
        while at < len(data) and data[at]:
            at += 1 + data[at]
        at += 1
    return at > len(data)


def gif_palette_bytes(flags: bytes) -> int:
    """The length of the palette that these flags announce, if any."""
    return 3 * 2 ** ((flags[0] & 7) + 1) if flags and flags[0] & 0x80 else 0
