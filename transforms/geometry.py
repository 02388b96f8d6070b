"""Sizes, boxes and gravities: pure arithmetic in whole pixels, halves rounded up."""

from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple


class Size(NamedTuple):
    width: int
    height: int

    @property
    def area(self) -> int:
        return self.width * self.height

    def times(self, factor: Fraction) -> "Size":
        return Size(round_side(self.width * factor), round_side(self.height * factor))

    def within(self, other: "Size") -> bool:
        return self.width <= other.width and self.height <= other.height


class Box(NamedTuple):
    """A part of a picture: its left upper corner and its size, in pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def size(self) -> Size:
        return Size(self.width, self.height)

    def clipped(self, size: Size) -> "Box":
        """The part of the box that lies in a picture of this size; its sides are 0 where there is none."""
        left, top = min(self.left, size.width), min(self.top, size.height)
        return Box(left, top, min(self.width, size.width - left), min(self.height, size.height - top))


class Fitted(NamedTuple):
    """How a picture gets into a box: first scaled to `scale`, then cut down or extended to `canvas`."""

    scale: Size
    canvas: Size


def round_side(length: Fraction | Decimal | int) -> int:
    """A length in whole pixels: half up, at least 1."""
    return _rounded(*length.as_integer_ratio())


def _rounded(numerator: int, denominator: int) -> int:
    """The same of a ratio of whole numbers that is not negative, without reducing it."""
    return max(1, (2 * numerator + denominator) // (2 * denominator))


def scaled_to(size: Size, width: int | None, height: int | None) -> Size:
    """The size with the ratio kept that has this width or this height; with both, the largest inside the two."""
    if width is not None and (height is None or width * size.height <= height * size.width):
        return Size(width, _rounded(size.height * width, size.width))
    if height is not None:
        return Size(_rounded(size.width * height, size.height), height)
    return size


def fit_inside(size: Size, width: int | None, height: int | None, *, enlarge: bool) -> Fitted:
    target = scaled_to(size, width, height)
    target = target if enlarge or target.within(size) else size
    return Fitted(target, target)


def fit_outside(size: Size, box: Size, *, enlarge: bool) -> Fitted:
    factor = _covering(size, box)
    target = size.times(factor) if enlarge or factor <= 1 else size
    return Fitted(target, target)


def fit_fill(size: Size, box: Size, *, enlarge: bool) -> Fitted:
    target = box if enlarge else Size(min(box.width, size.width), min(box.height, size.height))
    return Fitted(target, target)


def fit_cover(size: Size, box: Size, *, enlarge: bool) -> Fitted:
    """Cut to the ratio of the box, at the box's size or, where the picture is too small, the largest that it can give."""
    factor = _covering(size, box)
    if enlarge or factor <= 1:
        scale = size.times(factor)
        return Fitted(Size(max(scale.width, box.width), max(scale.height, box.height)), box)
    return Fitted(size, box.times(min(Fraction(size.width, box.width), Fraction(size.height, box.height))))


def fit_contain(size: Size, box: Size, *, enlarge: bool) -> Fitted:
    return Fitted(fit_inside(size, box.width, box.height, enlarge=enlarge).scale, box)


def _covering(size: Size, box: Size) -> Fraction:
    return max(Fraction(box.width, size.width), Fraction(box.height, size.height))


def crop_around(size: Size, crop: Size, x: Decimal, y: Decimal) -> Box:
    """The box of size `crop` in a picture of `size` whose middle is as near as can be to the point (x, y), in shares of the sides."""
    return Box(_offset(size.width, crop.width, x), _offset(size.height, crop.height, y), *crop)


def _offset(side: int, crop: int, share: Decimal) -> int:
    wanted = Fraction(share) * side - Fraction(crop, 2)
    return min(max(int(wanted + Fraction(1, 2)) if wanted > 0 else 0, 0), side - crop)
