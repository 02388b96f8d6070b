"""Shrink-on-load where libvips' own thumbnail is not exact.

Its JPEG decoder leaves off the last columns of a picture whose width is no multiple of the shrink, and all of the rest is drawn out over
them; its WebP decoder shrinks to the very size that is wanted, without the better filter of the last step. Measured on photos against
decoding whole (PSNR): a JPEG of 2,725 pixels at 512 had 41 dB and has 49, a WebP of 2,736 at 256 had 39 and has 49.
"""

from fractions import Fraction
from pathlib import Path

import pyvips

from transforms.geometry import Size
from transforms.operation import Image
from transforms.shrink import jpeg_shrink, webp_scale
from transforms.values import Facts

# So many pixels may be added to a side until it comes out whole, as nearly as makes no difference.
MOST_ADDED = 128


def shrunk(path: Path, file: Image, facts: Facts, size: Size) -> Image | None:
    """The picture as it lies in its file, shrunk on the way to `size`; None where libvips' own way is exact, or there is no other.

    `file` is its header: the file may be a mezzanine, smaller than the original that `facts` tell of.
    """
    wanted = Size(size.height, size.width) if facts.orientation >= 5 else size
    factor = min(Fraction(file.width, wanted.width), Fraction(file.height, wanted.height))
    match file.get("vips-loader"):
        case "jpegload":
            return _shrunk_jpeg(path, Size(file.width, file.height), wanted, jpeg_shrink(factor))
        case "webpload" if not facts.animated and factor > 1:
            return pyvips.Image.webpload(str(path), scale=webp_scale(factor), fail_on="error", access="sequential")
    return None


def _shrunk_jpeg(path: Path, whole: Size, wanted: Size, shrink: int) -> Image | None:
    if whole.width % shrink == 0 == whole.height % shrink:
        return None
    image = pyvips.Image.jpegload(str(path), shrink=shrink, fail_on="error", access="sequential")
    across, along = Fraction(wanted.width * shrink, whole.width), Fraction(wanted.height * shrink, whole.height)
    width, height = _longer(image.width, across, wanted.width), _longer(image.height, along, wanted.height)
    return image.embed(0, 0, width, height, extend="copy").resize(float(across), vscale=float(along)).crop(0, 0, *wanted)


def _longer(side: int, scale: Fraction, wanted: int) -> int:
    """The side with some pixels added, so that `scale` makes it as nearly a whole number as can be, not below the one that is wanted."""
    enough = (longer for longer in range(side, side + MOST_ADDED) if round(longer * scale) >= wanted)
    return min(enough, key=lambda longer: abs(longer * scale - round(longer * scale)))
