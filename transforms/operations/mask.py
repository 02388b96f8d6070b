"""mask: cut out a shape, or what another image says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import cos, pi, sin, sqrt
from typing import NamedTuple, Protocol, Self

from transforms.geometry import Size
from transforms.operation import Image, Operation, Stage, param, register
from transforms.operations._bands import alpha_of, luma
from transforms.operations._overlay import IMAGE_ID
from transforms.operations.background import Background
from transforms.operations.radius import antialiased, cut, length

SMALLEST = 1e-6


class Extent(NamedTuple):
    """How far a shape of radius 1 reaches from its origin."""

    right: float
    top: float
    bottom: float


class Shape(Protocol):
    """Symmetric left to right; its radius and all distances are in pixels."""

    @property
    def extent(self) -> Extent: ...

    def distance(self, points: Image, radius: float) -> Image:
        """How far outside the shape the points (x, y: two bands, seen from its origin) are; below 0 inside."""
        ...


@dataclass(frozen=True)
class Circle:
    @property
    def extent(self) -> Extent:
        return Extent(1, 1, 1)

    def distance(self, points: Image, radius: float) -> Image:
        return length(points) - radius


@dataclass(frozen=True)
class Star:
    """The regular star polygon {corners/step} (a convex one when the step is 1): Coxeter, Regular Polytopes, 2.8.

    Each side lies on a line; a point is in the star when it is inside all of these lines but `step` - 1.
    """

    corners: int
    step: int = 1
    turn: float = 0

    @property
    def extent(self) -> Extent:
        angles = [2 * pi * n / self.corners + self.turn for n in range(self.corners)]
        ys = [cos(angle) for angle in angles]
        return Extent(max(sin(angle) for angle in angles), max(ys), -min(ys))

    def distance(self, points: Image, radius: float) -> Image:
        normals = [self.turn + pi * (2 * n + self.step) / self.corners for n in range(self.corners)]
        rows = [[sin(angle), -cos(angle)] for angle in normals]
        first, *others = points.recomb(type(points).new_from_array(rows)).bandsplit()
        return first.bandrank(others, index=self.corners - self.step) - radius * cos(pi * self.step / self.corners)


@dataclass(frozen=True)
class Heart:
    """A square that stands on its corner, with half circles of radius 1 on its upper sides."""

    @property
    def extent(self) -> Extent:
        return Extent(1 + sqrt(1 / 2), 1 + sqrt(1 / 2), sqrt(2))

    def distance(self, points: Image, radius: float) -> Image:
        offset = radius * sqrt(1 / 2)
        left, right = (Circle().distance(points.linear([1, 1], [x, offset]), radius) for x in (-offset, offset))
        return left.bandrank([right, Star(4).distance(points, radius * sqrt(2))], index=0)


SHAPES: Mapping[str, Shape] = {
    "circle": Circle(),
    "square": Star(4, turn=pi / 4),
    "triangle": Star(3),
    "heart": Heart(),
    "star": Star(5, step=2),
    "hexagon": Star(6),
}


ELLIPSE = "ellipse"


@dataclass(frozen=True)
class MaskText:
    words: tuple[str, ...] = ("circle", ELLIPSE, "square", "triangle", "heart", "star", "hexagon")

    @property
    def expected(self) -> str:
        return f"one of {', '.join(f'_{word}' for word in self.words)}, or the id of an image after an underscore"

    def parse(self, number: str | None, values: tuple[str, ...]) -> str:
        if number is not None or len(values) != 1 or not (values[0] in self.words or IMAGE_ID.fullmatch(values[0])):
            raise ValueError(self.expected)
        return values[0]

    def format(self, value: str) -> str:
        return f"_{value}"


@register
@dataclass(frozen=True, kw_only=True)
class Mask(Operation):
    """The largest shape that fits, in the middle, upright; or an image stretched to the picture: its alpha, or else its luminance.

    Around it is the background, transparent where the stage names none.
    """

    mask: str | None = param(
        MaskText(),
        default=None,
        summary="cut out a shape, the largest that fits, or what another stored image shows by its alpha or its luminance",
        example="w200,mask_circle",
    )

    def uses(self) -> frozenset[str]:
        return frozenset({"bg"} if self.mask else ())

    def images(self) -> frozenset[str]:
        return frozenset({self.mask} if self.mask and self.mask not in MaskText().words else ())

    def resolved(self, size: Size, stage: Stage) -> Self | None:
        """A square is nothing on a square picture, and an ellipse is a circle there."""
        if size.width != size.height:
            return self
        return {"square": None, ELLIPSE: type(self)(mask="circle")}.get(self.mask or "", self)

    def lets_through(self, transparent: bool, stage: Stage) -> bool:
        return transparent or (self.mask is not None and not stage.get(Background).opaque)

    def apply(self, frames: Sequence[Image], size: Size, stage: Stage) -> list[Image]:
        for image in self.images():
            picture = stage.images[image].load(size)
            return cut(frames, alpha_of(picture) if picture.hasalpha() else luma(picture), stage)
        grid = type(frames[0]).xyz(*size)
        distance = _ellipse(grid, size) if self.mask == ELLIPSE else _largest(grid, size, SHAPES[self.mask or ""])
        return cut(frames, antialiased(distance), stage)


def _largest(grid: Image, size: Size, shape: Shape) -> Image:
    """The distance to the shape in the middle of a picture of this size."""
    right, top, bottom = shape.extent
    radius = min(size.width / (2 * right), size.height / (top + bottom))
    middle, origin = size.width / 2, size.height / 2 + radius * (top - bottom) / 2
    return shape.distance(grid.linear([1, 1], [0.5 - middle, 0.5 - origin]), radius)


def _ellipse(grid: Image, size: Size) -> Image:
    """f / |grad f| for the ellipse's equation f = x²/a² + y²/b² - 1: the distance to first order, exact enough near the border.

    Taubin, Estimation of planar curves with applications to edge and range image segmentation (1991).
    """
    half = [size.width / 2, size.height / 2]
    unit = grid.linear([1 / half[0], 1 / half[1]], [0.5 / half[0] - 1, 0.5 / half[1] - 1])
    # In the very middle there is no slope to divide by.
    slope = 2 * length(unit.linear([1 / half[0], 1 / half[1]], [0, 0])) + SMALLEST
    return (length(unit) ** 2 - 1) / slope
