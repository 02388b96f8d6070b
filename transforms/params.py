"""Convertors between the text of a parameter and its value, each with its exact inverse.

The text of a parameter is its name, then a number that follows directly or values that follow underscores (urls.md, grammar). A convertor
sees the number and the values apart: `trim10_equal` is number "10" and values ("equal",). It raises ValueError for what it does
not accept; `expected` finishes the sentence "'w' takes …". One that knows words says them as `words`, for hints. Where there is much to
say, Unfit names the one part that was wrong.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple, Protocol, TypeVar

T = TypeVar("T")
N = TypeVar("N", int, Decimal)


class Unfit(ValueError):
    """Its text stands in the place of `expected`."""


class Convertor(Protocol[T]):
    @property
    def expected(self) -> str: ...

    def parse(self, number: str | None, values: tuple[str, ...]) -> T: ...

    def format(self, value: T) -> str: ...


def decimal_text(value: Decimal) -> str:
    """Without exponent and trailing zeros."""
    return f"{value.normalize():f}"


@dataclass(frozen=True)
class Integer:
    """A whole number that follows the name directly."""

    lowest: int
    highest: int

    @property
    def expected(self) -> str:
        return f"a whole number from {self.lowest} to {self.highest}"

    def parse(self, number: str | None, values: tuple[str, ...]) -> int:
        if number is None or values or "." in number:
            raise ValueError(self.expected)
        return _ranged(int(number), self.lowest, self.highest)

    def format(self, value: int) -> str:
        return str(value)


@dataclass(frozen=True)
class Number:
    """A decimal number of at most `places` places that follows the name directly."""

    lowest: Decimal
    highest: Decimal
    places: int = 2

    @property
    def expected(self) -> str:
        return f"a number from {self.lowest} to {self.highest} with at most {self.places} decimal place{'s' * (self.places > 1)}"

    def parse(self, number: str | None, values: tuple[str, ...]) -> Decimal:
        if number is None or values or len(decimal_text(Decimal(number)).partition(".")[2]) > self.places:
            raise ValueError(self.expected)
        return _ranged(Decimal(number), self.lowest, self.highest)

    def format(self, value: Decimal) -> str:
        return decimal_text(value)


def _ranged(value: N, lowest: N, highest: N) -> N:
    if not lowest <= value <= highest:
        raise ValueError(value)
    return value


@dataclass(frozen=True)
class Flag:
    """A name alone."""

    expected: str = "nothing after the name"

    def parse(self, number: str | None, values: tuple[str, ...]) -> bool:
        if number is not None or values:
            raise ValueError(self.expected)
        return True

    def format(self, value: bool) -> str:
        return ""


@dataclass(frozen=True)
class Choice:
    """One of some words."""

    words: tuple[str, ...]

    @property
    def expected(self) -> str:
        return "one of " + ", ".join(f"_{word}" for word in self.words)

    def parse(self, number: str | None, values: tuple[str, ...]) -> str:
        if number is not None or len(values) != 1 or values[0] not in self.words:
            raise ValueError(self.expected)
        return values[0]

    def format(self, value: str) -> str:
        return f"_{value}"


class Colour(NamedTuple):
    """Red, green, blue and opacity, each 0 to 255."""

    red: int
    green: int
    blue: int
    alpha: int = 255

    @property
    def opaque(self) -> bool:
        return self.alpha == 255

    @property
    def hex(self) -> str:
        return bytes(self[: 3 if self.opaque else 4]).hex()


TRANSPARENT = Colour(0, 0, 0, 0)
WHITE = Colour(255, 255, 255)


@dataclass(frozen=True)
class ColourText:
    expected: str = "a colour of 3, 6 or 8 hexadecimal digits after an underscore, or _transparent"

    def parse(self, number: str | None, values: tuple[str, ...]) -> Colour:
        if number is not None or len(values) != 1:
            raise ValueError(self.expected)
        text = values[0]
        if text == "transparent":
            return TRANSPARENT
        if len(text) not in (3, 6, 8) or not text.isascii() or not text.isalnum():
            raise ValueError(self.expected)
        digits = bytes.fromhex("".join(2 * digit for digit in text) if len(text) == 3 else text)
        return Colour(*digits) if len(digits) == 3 or digits[3] else TRANSPARENT

    def format(self, value: Colour) -> str:
        return "_transparent" if value == TRANSPARENT else f"_{value.hex}"
