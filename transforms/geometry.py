"""Sizes and boxes: pure arithmetic, in whole pixels, halves rounded up."""

from typing import NamedTuple


class Size(NamedTuple):
    width: int
    height: int

    @property
    def area(self) -> int:
        return self.width * self.height
