"""From pixels to characters: pictures as plain, as coloured and as marked up text.

Each character stands for CELL pixels (transforms/columns.py). Text is made for a dark background: what is bright is dense, and what is
transparent is blank. On a light one, `invert` does the same. Lightness is Rec. 709 luma of the sRGB levels: the densest glyph covers a
quarter of its cell, so that true light would leave nearly everything black.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from html import escape
from itertools import chain, groupby
from typing import TypeAlias

from transforms.columns import CELL, grid
from transforms.geometry import Size
from transforms.operation import Image, Stage
from transforms.operations._bands import LEVELS, WHITEST, alpha_of, luma
from transforms.operations.charset import ASCII, BLOCKS, BRAILLE, Charset
from transforms.plan import Plan

# How much of its cell a glyph covers, in percent, in DejaVu Sans Mono at 64 pixels (drawn by libvips, against U+2588).
DENSITY = dict(zip(" .:;*+=csoXA#@", (0, 2.5, 5.0, 6.7, 9.1, 10.7, 11.7, 12.3, 14.3, 17.0, 19.1, 20.6, 23.1, 26.4), strict=True))
# The quarters of a cell, row by row from the left, and the shades, as shares of white in each quarter.
QUARTERS = {glyph: tuple(float(mask >> bit & 1) for bit in range(4)) for mask, glyph in enumerate(" ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█")}
SHADES = {"░": (0.25,) * 4, "▒": (0.5,) * 4, "▓": (0.75,) * 4}
# The bits of U+2800 and what follows, as the dots lie in a cell.
DOTS = ((1, 8), (2, 16), (4, 32), (64, 128))
BRAILLE_BLANK = 0x2800
# The order in which the dots of a growing tone appear: Bayer's matrix.
DITHER = ((0, 8, 2, 10), (12, 4, 14, 6), (3, 11, 1, 9), (15, 7, 13, 5))
# Found by eye on two photos and a drawing: edges are raised by what a blur of this sigma takes from them, and tones a little darkened.
EDGE_SIGMA, TONE = 2, 1.2
OPAQUE = 128

Colour: TypeAlias = tuple[int, int, int]
# The colours of a glyph and of what is behind it; of a half block, those of its upper and lower half.
Look: TypeAlias = tuple[Colour | None, Colour | None]
PLAIN_LOOK: Look = (None, None)
Line: TypeAlias = Sequence[tuple[str, Look]]


def written(frame: Image, plan: Plan) -> bytes:
    """The frame that a plan for text drew, as UTF-8. Every line has all its columns and ends in a line feed."""
    cells = grid(Size(frame.width, frame.height))
    # The last column and row may be covered in part: they go on as they are.
    frame = frame if frame.bands > 2 else frame.colourspace("srgb")
    frame = frame.embed(0, 0, cells.width * CELL.width, cells.height * CELL.height, extend="copy").copy_memory()
    charset = Stage(plan.options).get(Charset).charset
    if plan.format == "txt":
        return "".join(f"{line}\n" for line in _glyphs(frame, charset)).encode()
    lines = _half_blocks(frame) if charset == BLOCKS else _inked(frame, charset)
    return (_ansi(lines) if plan.format == "ansi" else _html(lines, blocks=charset == BLOCKS)).encode()


def _glyphs(frame: Image, charset: str) -> Sequence[str]:
    return {ASCII: _ascii, BLOCKS: _blocks, BRAILLE: _braille}[charset](_light(frame))


def _light(frame: Image) -> Image:
    """One band: how much light the pixels add to a black background."""
    return (luma(frame) * alpha_of(frame)).linear(1 / WHITEST, 0.5, uchar=True)


def _rows(image: Image) -> Sequence[bytes]:
    """The rows of a picture of one band, rounded to 8 bits."""
    data = bytes(image.rint().cast("uchar").write_to_memory())
    return [data[at : at + image.width] for at in range(0, len(data), image.width)]


def _glyph(level: int) -> str:
    wanted = level / WHITEST * max(DENSITY.values())
    return min(DENSITY, key=lambda glyph: abs(DENSITY[glyph] - wanted))


RAMP = "".join(map(_glyph, LEVELS)).encode()


def _ascii(light: Image) -> Sequence[str]:
    return [row.translate(RAMP).decode() for row in _rows(light.shrink(*CELL))]


def _blocks(light: Image) -> Sequence[str]:
    """Of quarters and shades whatever comes nearest: shapes at edges, tones elsewhere."""
    rows = [bytes(level >> 4 for level in row) for row in _rows(light.shrink(1, CELL.height // 2))]
    pairs = zip(rows[::2], rows[1::2], strict=True)
    return ["".join(map(_block, top[::2], top[1::2], low[::2], low[1::2])) for top, low in pairs]


@lru_cache(maxsize=16**4)
def _block(*quarters: int) -> str:
    """The glyph for quarters of lightness 0 to 15."""
    glyphs: Mapping[str, tuple[float, ...]] = {**QUARTERS, **SHADES}
    return min(glyphs, key=lambda glyph: sum((level / 15 - white) ** 2 for level, white in zip(quarters, glyphs[glyph], strict=True)))


def _braille(light: Image) -> Sequence[str]:
    image, steps = type(light), len(DITHER) ** 2
    edges = (light * 2 - light.gaussblur(EDGE_SIGMA)).cast("uchar")
    thresholds = image.new_from_array([[((step + 0.5) / steps) ** (1 / TONE) * WHITEST for step in row] for row in DITHER])
    across, down = (-(-side // len(DITHER)) for side in (light.width, light.height))
    lit = (edges > thresholds.replicate(across, down).crop(0, 0, light.width, light.height)) / WHITEST
    bits = image.new_from_array([list(row) for row in DOTS]).replicate(light.width // CELL.width, light.height // CELL.height)
    return ["".join(chr(BRAILLE_BLANK + dots) for dots in row) for row in _rows((lit * bits).shrink(*CELL) * CELL.area)]


def _inked(frame: Image, charset: str) -> Iterator[Line]:
    """Glyphs as dense as their cells are light, in the colour of the cell at its brightest: together they are as light as it."""
    blank = {" ", chr(BRAILLE_BLANK)}
    for glyphs, colours in zip(_glyphs(frame, charset), _colours(frame, CELL), strict=True):
        looks = [PLAIN_LOOK if glyph in blank else (_bright(*colour), None) for glyph, colour in zip(glyphs, colours, strict=True)]
        yield list(zip(glyphs, looks, strict=True))


@lru_cache(maxsize=1 << 14)
def _bright(*colour: int) -> Colour:
    """The same hue at full brightness, in 16 steps a channel: neighbours that look alike share one."""
    most = max(colour) or 1
    red, green, blue = (round(15 * channel / most) * 17 for channel in colour)
    return red, green, blue


def _half_blocks(frame: Image) -> Iterator[Line]:
    """Two pixels to a cell."""
    half = Size(CELL.width, CELL.height // 2)
    rows: list[list[Colour | None]] = [
        [colour if opacity >= OPAQUE else None for colour, opacity in zip(colours, opacities, strict=True)]
        for colours, opacities in zip(_colours(frame, half), _rows(alpha_of(frame).shrink(*half)), strict=True)
    ]
    for upper, lower in zip(rows[::2], rows[1::2], strict=True):
        yield [("▀" if top else "▄" if low else " ", (top, low)) for top, low in zip(upper, lower, strict=True)]


def _colours(frame: Image, cell: Size) -> Sequence[Sequence[Colour]]:
    """Row by row the mean colour of every cell; what is transparent has no say in it."""
    mean = frame.premultiply().shrink(*cell).unpremultiply() if frame.hasalpha() else frame.shrink(*cell)
    channels = (_rows(mean[band]) for band in range(3))
    return [list(zip(*row, strict=True)) for row in zip(*channels, strict=True)]


def _runs(line: Line) -> Iterator[tuple[Look, str]]:
    for look, run in groupby(line, key=lambda cell: cell[1]):
        yield look, "".join(glyph for glyph, _ in run)


def _ansi(lines: Iterator[Line]) -> str:
    """Colours by SGR 38;2 and 48;2 (ISO 8613-6), reset at the end of every line."""
    return "".join(f"{''.join(f'{_sgr(look)}{text}' for look, text in _runs(line))}\x1b[0m\n" for line in lines)


@lru_cache(maxsize=16**3)
def _sgr(look: Look) -> str:
    ink, paper = look if look[0] else (look[1], None)
    colours = chain(("38;2", *map(str, ink)) if ink else (), ("48;2", *map(str, paper)) if paper else ())
    return f"\x1b[{';'.join(('0', *colours))}m"


# `2ch` makes cells twice as high as wide, whatever the font. Half blocks are painted: glyphs would leave gaps between the lines.
PAGE = """<!doctype html>
<html lang="zxx">
<head>
<meta charset="utf-8">
<title>Picture</title>
<style>
body {{ margin: 0; background: #000; color: #ddd }}
pre {{ margin: 1ch; font: 14px/2ch monospace }}
i {{ font-style: normal }}
b {{ display: inline-block; height: calc(2ch + 1px); margin-bottom: -1px; vertical-align: top; color: transparent;
  background: linear-gradient(var(--t) 50%, var(--l) 0) }}
</style>
</head>
<body>
<pre role="img" aria-label="A picture made of characters">
{lines}</pre>
</body>
</html>
"""


def _html(lines: Iterator[Line], *, blocks: bool) -> str:
    marked = _painted if blocks else _coloured
    return PAGE.format(lines="".join(f"{''.join(marked(look, escape(text)) for look, text in _runs(line))}\n" for line in lines))


def _coloured(look: Look, text: str) -> str:
    return f'<i style="color:{_css(look[0])}">{text}</i>' if look[0] else text


def _painted(look: Look, text: str) -> str:
    return f'<b style="--t:{_css(look[0])};--l:{_css(look[1])}">{text}</b>' if any(look) else text


def _css(colour: Colour | None) -> str:
    """The shortest hexadecimal notation."""
    if colour is None:
        return "#0000"
    digits = bytes(colour).hex()
    return f"#{digits[::2] if digits[::2] == digits[1::2] else digits}"
