"""text: words over the picture."""

import base64
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from html import escape
from typing import Any, NamedTuple, Self

from transforms.errors import ImpossibleOutput
from transforms.geometry import Size, round_side
from transforms.operation import Image, Operation, Stage, param, register
from transforms.operations._bands import CSS_LUMA, Ink, InkText
from transforms.operations._overlay import PLACES, laid_on, placed, shortest
from transforms.operations.dpr import DevicePixelRatio
from transforms.operations.gravity import COMPASS
from transforms.params import Integer, Unfit

ENCODED = re.compile(r"[A-Za-z0-9~-]+", re.ASCII)
MOST_BYTES = 256
MOST_SHOWN = 60
SIZES, INKS = Integer(1, 1000), InkText()
FONT = "DejaVu Sans, Sans"
# Text is laid out as small as this first, to learn how much room it takes.
TRIAL = 16
# A block of text is held in memory whole, whatever the size of the picture.
MOST_PIXELS = 16_000_000
# Around the letters is a seam, a twelfth of their size wide, dark where they are bright: they must be legible on any picture.
SEAM = 12
SEAM_OPACITY = 0.7


class Lettering(NamedTuple):
    """`size` is that of the font in pixels."""

    text: str
    place: str = "south"
    size: int = 32
    ink: Ink = Ink(255, 255, 255)


@dataclass(frozen=True)
class LetteringText:
    expected: str = (
        f"_ and the text (UTF-8 of at most {MOST_BYTES} bytes, no control characters but line breaks, as base64url with ~ for _ and no "
        f"padding); if you like then _ and its place ({', '.join(PLACES)}), then _ and its size ({SIZES.lowest} to {SIZES.highest} "
        "pixels), then _ and its colour (3 or 6 hexadecimal digits)"
    )

    def parse(self, number: str | None, values: tuple[str, ...]) -> Lettering:
        if number is not None or not 1 <= len(values) <= len(Lettering._fields) or not values[0]:
            raise ValueError(self.expected)
        default = Lettering(self._text(values[0]))
        place = values[1] if len(values) > 1 else default.place
        if place not in PLACES:
            raise Unfit(f"as a place, after the text, one of {', '.join(f'_{place}' for place in PLACES)}")
        size = self._size(values[2]) if len(values) > 2 else default.size
        return Lettering(default.text, place, size, self._ink(values[3]) if len(values) > 3 else default.ink)

    def _text(self, encoded: str) -> str:
        try:
            # The decoder leaves out what is no base64.
            if not ENCODED.fullmatch(encoded):
                raise ValueError(encoded)  # noqa: TRY301  the same answer as the decoder's own
            plain = base64.urlsafe_b64decode(encoded.replace("~", "_") + "=" * (-len(encoded) % 4))
            text = plain.decode()
        except ValueError:
            how = "as base64url of UTF-8 with ~ for _ and no padding (Hello is SGVsbG8)"
            raise Unfit(f"the words first, {how}: {encoded[:MOST_SHOWN]!r} is not") from None
        if len(plain) > MOST_BYTES or any(unicodedata.category(sign) == "Cc" and sign != "\n" for sign in text):
            raise Unfit(f"words of at most {MOST_BYTES} bytes of UTF-8, without control characters but line breaks")
        return text

    def _size(self, text: str) -> int:
        try:
            if not (text.isascii() and text.isdigit()) or len(text) > 5:
                raise ValueError(text)  # noqa: TRY301  the same answer as the convertor's own
            return SIZES.parse(text, ())
        except ValueError:
            raise Unfit(f"as a size, after the place, {SIZES.expected} after an underscore") from None

    def _ink(self, text: str) -> Ink:
        try:
            return INKS.parse(None, (text,))
        except ValueError:
            raise Unfit(f"as a colour, after the size, {INKS.expected}") from None

    def format(self, value: Lettering) -> str:
        encoded = base64.urlsafe_b64encode(value.text.encode()).decode().rstrip("=").replace("_", "~")
        texts = [encoded, value.place, str(value.size), bytes(value.ink).hex()]
        return shortest(texts, value, Lettering(value.text))


@register
@dataclass(frozen=True, kw_only=True)
class Text(Operation):
    """Wrapped to the width of the picture, and smaller than asked for where it would not fit. What nobody can see draws nothing."""

    text: Lettering | None = param(
        LetteringText(),
        default=None,
        summary="write over the picture: base64url with ~ for _ of a text, its place, size in pixels and colour",
        example="w200,text_SGVsbG8_south_28_f5c542",
    )

    def uses(self) -> frozenset[str]:
        return frozenset({"dpr"} if self.text else ())

    def resolved(self, size: Size, stage: Stage) -> Self | None:
        if self.text is None:
            return None
        scaled = round_side(self.text.size * stage.get(DevicePixelRatio).dpr)
        return replace(self, text=self.text._replace(size=min(scaled, SIZES.highest)))

    def apply(self, frames: Sequence[Image], size: Size, stage: Stage) -> list[Image]:
        if self.text is None:
            return list(frames)
        image: Any = type(frames[0])
        if not _has_font(image):
            raise ImpossibleOutput("This server has no font to write with. It needs one like DejaVu Sans: fonts-dejavu-core in Debian.")
        margin = min(self.text.size // 2, min(size) // 10)
        written = _written(image, self.text, Size(size.width - 2 * margin, size.height - 2 * margin))
        if written is None:
            return list(frames)
        seam = max(1, min(self.text.size, written.height) // SEAM)
        overlay = _seamed(written, self.text.ink, seam).copy_memory()
        return laid_on(frames, overlay, *placed(size, Size(overlay.width, overlay.height), self.text.place, margin - seam))


def _written(image: type[Image], lettering: Lettering, room: Size) -> Image | None:
    """The text, transparent around the letters, in at most this room if it can be; None when there is nothing to see of it."""
    room = Size(room.width, min(room.height, max(1, MOST_PIXELS // room.width)))
    trial = min(TRIAL, lettering.size)
    small = _laid_out(image, lettering._replace(size=trial), width=max(1, room.width * trial // lettering.size), dpi=72)
    if small is None:
        return None
    if small.width * lettering.size <= room.width * trial and small.height * lettering.size <= room.height * trial:
        large = _laid_out(image, lettering, width=room.width, dpi=72)
        if large is not None and Size(large.width, large.height).within(room):
            return large
    # Given a height, libvips finds the largest size that fits, in small steps only if it begins with a small one.
    return _laid_out(image, lettering._replace(size=trial), width=room.width, height=room.height)


def _laid_out(image: type[Image], lettering: Lettering, **options: int) -> Image | None:
    # Text is data: pango would take it for markup.
    markup = f'<span foreground="#{bytes(lettering.ink).hex()}">{escape(lettering.text)}</span>'
    align = ("low", "centre", "high")[int(COMPASS[lettering.place].x * 2)]
    try:
        return image.text(markup, font=f"{FONT} {lettering.size}", rgba=True, align=align, wrap="word-char", **options)
    except Exception as error:
        # Spaces, for example. The error has a class that only the engine may import.
        if "no text to render" in str(error):
            return None
        raise


def _seamed(written: Image, ink: Ink, width: int) -> Image:
    """The text with a soft seam of so many pixels around the letters, which makes it larger on all sides."""
    bright = sum(weight * channel for weight, channel in zip(CSS_LUMA, ink, strict=True)) > 127
    size = Size(written.width + 2 * width, written.height + 2 * width)
    letters = written.embed(width, width, *size)
    spread = letters.extract_band(3).gaussblur(max(0.5, width / 2)).linear(3 * SEAM_OPACITY, 0)
    opacity = (spread > 255 * SEAM_OPACITY).ifthenelse(255 * SEAM_OPACITY, spread).cast("uchar")
    colour = [0, 0, 0] if bright else [255, 255, 255]
    seam = opacity.new_from_image(colour).cast("uchar").copy(interpretation="srgb").bandjoin(opacity)
    return seam.composite2(letters, "over")


@cache
def _has_font(image: Any) -> bool:
    """Without any font pango draws boxes, of one size for every size of a font."""
    small, large = (image.text("x", font=f"{FONT} {size}", dpi=72).height for size in (20, 80))
    return bool(large > 2 * small)
