"""What ProgImage refuses before it decodes: pure checks of what a header claims and of what a plan asks for.

The defaults are those of design/reliability.md §0 and, for outputs, of design/urls.md.
"""

from dataclasses import dataclass
from math import isqrt

from transforms.errors import ImpossibleOutput, LimitExceeded, TooManyBytes, UnsupportedFormat
from transforms.formats import FORMATS, Format
from transforms.geometry import Size, scaled_to
from transforms.values import Facts

MIB = 1 << 20
MEGAPIXEL = 1_000_000
ACCEPTED = frozenset({"jpg", "png", "webp", "gif", "avif"})
# Encoders of these hold or search so much for each pixel that large ones would block a slot for minutes.
COSTLY = frozenset({"avif", "gif"})
# Those of a frame. A photo of so many takes a quarter of the time that a render has, noise half of it (transforms/engine/afford.py).
GIF_PIXELS = 12 * MEGAPIXEL
# Types that people do send, with what they are called there.
UNREADABLE = {"heic": "HEIC", "heif": "HEIF", "jxl": "JPEG XL"}


@dataclass(frozen=True, kw_only=True)
class Header:
    """What can be said of a picture without decoding it.

    `metadata` counts bytes, `scans` the passes of a progressive JPEG; one that is `interlaced` must be held whole to be decoded.
    """

    facts: Facts
    bands: int = 3
    metadata: int = 0
    interlaced: bool = False
    scans: int = 0


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The largest values that are still accepted, and the names in FORMATS that are. Metadata in bytes; pixels of one frame."""

    accepted: frozenset[str] = ACCEPTED
    upload_bytes: int = 25 * MIB
    pixels: int = 100 * MEGAPIXEL
    side: int = 16_383
    bands: int = 5
    frames: int = 2_000
    animation_pixels: int = 200 * MEGAPIXEL
    interlaced_pixels: int = 50 * MEGAPIXEL
    scans: int = 100
    parts: int = 4_000
    metadata: int = 4 * MIB
    output_pixels: int = 100 * MEGAPIXEL
    output_side: int = 16_383
    costly_output_pixels: int = 16 * MEGAPIXEL

    def check_bytes(self, count: int) -> None:
        """TooManyBytes when an upload is larger than accepted."""
        if count > self.upload_bytes:
            message = f"The picture has {count} bytes or more; at most {self.upload_bytes} are accepted."
            raise TooManyBytes(message, limit="upload_bytes", value=count, maximum=self.upload_bytes)

    def check_type(self, sniffed: str | None) -> None:
        """UnsupportedFormat when a type, as formats.sniff names it, is not accepted; says what would be."""
        if sniffed in self.accepted:
            return
        accepted = [name for name in FORMATS if name in self.accepted]
        facts: dict[str, object] = {"detected": sniffed, "accepted": accepted}
        reason = f"it is {sniffed}" if sniffed else "its first bytes are of no known picture format"
        if sniffed in FORMATS and FORMATS[sniffed].loaders:
            facts["setting"] = setting = f"PROGIMAGE_ACCEPT={','.join([*accepted, sniffed])}"
            reason = f"{reason}, which is off by default; {setting} turns it on"
        elif sniffed in UNREADABLE:
            reason = f"it is {UNREADABLE[sniffed]}, which the libvips of this server cannot read"
        raise UnsupportedFormat(f"The file is not accepted: {reason}. Accepted are {', '.join(accepted)}.", **facts)

    def check_parts(self, count: int) -> None:
        """LimitExceeded for a file of more parts (transforms/parts.py). `count` need not go further than one above the limit."""
        if count > self.parts:
            message = f"The file is made of more than {self.parts} parts (segments, chunks or boxes); no picture needs so many."
            raise LimitExceeded(message, limit="parts", value=count, maximum=self.parts)

    def check_header(self, header: Header) -> None:
        """LimitExceeded for the first limit that the picture is over."""
        facts = header.facts
        for limit, value, maximum, unit in (
            ("side", max(facts.size), self.side, "pixels on its longest side"),
            ("pixels", facts.size.area, self.pixels, "pixels"),
            ("frames", facts.frames, self.frames, "frames"),
            ("animation_pixels", facts.size.area * facts.frames, self.animation_pixels, "pixels in all its frames"),
            ("interlaced_pixels", facts.size.area * header.interlaced, self.interlaced_pixels, "pixels and is interlaced or progressive"),
            ("scans", header.scans, self.scans, "progressive scans"),
            ("bands", header.bands, self.bands, "bands"),
            ("metadata", header.metadata, self.metadata, "bytes of metadata"),
        ):
            if value > maximum:
                raise LimitExceeded(
                    f"The picture has {value} {unit}; at most {maximum} are accepted.", limit=limit, value=value, maximum=maximum
                )

    def check_output(self, size: Size, output: Format, *, enlarged: bool, frames: int = 1) -> None:
        """ImpossibleOutput, naming the largest width allowed, when frames of this size are too large for the format."""
        if self._allows(size, output, enlarged, frames):
            return
        largest = self._largest_width(size, output, enlarged, frames)
        state = "Enlarged" if enlarged else f"As an animated {output.name}" if frames > 1 else f"As {output.name}"
        raise ImpossibleOutput(
            f"The result would have {size.width} x {size.height} pixels. "
            f"{state}, the largest width that a picture of these proportions can have is {largest}.",
            width=size.width,
            height=size.height,
            largest_width=largest,
        )

    def _allows(self, size: Size, output: Format, enlarged: bool, frames: int) -> bool:
        return max(size) <= self.output_side and size.area <= self._most_pixels(output, enlarged, frames)

    def _most_pixels(self, output: Format, enlarged: bool, frames: int) -> int:
        single = self.costly_output_pixels if enlarged or output.name in COSTLY else self.output_pixels
        single = min(single, GIF_PIXELS) if output.name == "gif" else single
        return min(single, self.animation_pixels // frames)

    def _largest_width(self, size: Size, output: Format, enlarged: bool, frames: int) -> int:
        by_area = isqrt(self._most_pixels(output, enlarged, frames) * size.width // size.height)
        widest = min(self.output_side, self.output_side * size.width // size.height, by_area)
        # Rounding of the height may carry it over the limit by a row: one pixel less is then enough, or nearly.
        narrower = (scaled_to(size, width, None) for width in range(widest, 0, -1))
        return next((fitting.width for fitting in narrower if self._allows(fitting, output, enlarged, frames)), 1)
