"""pixelate: blocks of one colour."""

from dataclasses import dataclass

from transforms.geometry import Size
from transforms.operation import Image, Operation, Stage, param, register
from transforms.operations.blur import mixed
from transforms.params import Integer


@register
@dataclass(frozen=True, kw_only=True)
class Pixelate(Operation):
    pixelate: int | None = param(
        Integer(2, 1000), default=None, summary="blocks of 2 to 1000 pixels a side, each in its mean colour", example="w200,pixelate8"
    )

    def apply_to_frame(self, frame: Image, size: Size, stage: Stage) -> Image:
        if self.pixelate is None:
            return frame
        # With alpha, what the last blocks have outside of the picture is transparent, and so weighs nothing in their colour.
        blocks = mixed(frame if frame.hasalpha() else frame.addalpha(), self._means)
        return blocks if frame.hasalpha() else blocks.extract_band(0, n=blocks.bands - 1)

    def _means(self, image: Image) -> Image:
        """Every pixel replaced by the mean of its block; blocks begin at the left upper corner."""
        side = self.pixelate
        columns, rows = -(-image.width // side), -(-image.height // side)
        means = image.embed(0, 0, columns * side, rows * side).shrink(side, side)
        # Kept, or every tile of the result would add up its whole block anew.
        return means.copy_memory().zoom(side, side).crop(0, 0, image.width, image.height)
