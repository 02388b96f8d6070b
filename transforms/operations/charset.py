"""charset: the characters of a text."""

from dataclasses import dataclass
from typing import ClassVar

from transforms.formats import FORMATS
from transforms.operation import OutputOption, param, register
from transforms.params import Choice

ASCII, BLOCKS, BRAILLE = "ascii", "blocks", "braille"


@register
@dataclass(frozen=True, kw_only=True)
class Charset(OutputOption):
    """What they look like is drawn by transforms/text.py."""

    formats: ClassVar[frozenset[str]] = frozenset(name for name, format in FORMATS.items() if format.text)

    charset: str = param(
        Choice((ASCII, BLOCKS, BRAILLE)),
        default=ASCII,
        summary="the characters of a text: ASCII, block elements, or braille patterns",
        example="w40,charset_blocks",
    )
