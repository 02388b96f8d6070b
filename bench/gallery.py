"""A contact sheet of every operation on every kind of picture, in build/gallery: for people to look at before a release.

Each cell is drawn as the service draws it. One that cannot be drawn is shown in red, and the command fails.
"""

import asyncio
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import pyvips
from playwright.async_api import async_playwright

from bench.drawing import LIMITS, drawn
from bench.pictures import BADGE, art, cut_out, falling, vase
from transforms.engine import probe
from transforms.errors import ProgImageError
from transforms.formats import FORMATS
from transforms.operation import OutputOption, registry
from transforms.values import Facts, Rendition

ROOT = Path(__file__).parent.parent
CORPUS = ROOT.parent / "shared" / "corpus"
FOLDER = ROOT / "build" / "gallery"
# Title of the column: the picture of the corpus, and what stands in where there is no corpus.
COLUMNS: Mapping[str, tuple[str, Callable[[], Any]]] = {
    "JPEG": ("photos/husky-progressive-960x640.jpg", vase),
    "PNG with alpha": ("alpha/gopher-exif6-1634x2224.png", cut_out),
    "moving GIF": ("gif/anim-cat-20-frames-320x143.gif", falling),
    "16-bit PNG": ("png/flag-nl-16bit-900x600.png", lambda: vase().colourspace("rgb16")),
    "CMYK JPEG": ("icc/cmyk-swop-500x333.jpg", lambda: vase().colourspace("cmyk")),
}
# What browsers do not show.
FOREIGN = frozenset({"tiff"})
WIDE, PHONE = 1360, 390
COLOURED = re.compile(r"\x1b\[([\d;]*)m([^\x1b]*)")


@dataclass(frozen=True, kw_only=True)
class Source:
    title: str
    path: Path
    facts: Facts


@dataclass(frozen=True, kw_only=True)
class Row:
    title: str
    about: str
    plan: str
    extension: str


def rows() -> Iterator[Row]:
    """Every operation, then every format."""
    for name, kind in registry().items():
        known = kind.parameters()[name]
        extension = max(kind.formats) if issubclass(kind, OutputOption) else "webp"
        yield Row(title=name, about=known.summary, plan=known.example, extension=extension)
    for format in FORMATS.values():
        if format.writable:
            yield Row(title=f".{format.name}", about=format.media_type, plan="w60" if format.text else "w200", extension=format.name)


def sources() -> list[Source]:
    found = []
    for title, (name, stand_in) in COLUMNS.items():
        path = CORPUS / name
        if not path.exists():
            path = FOLDER / f"stand-in-{Path(name).name}"
            stand_in().write_to_file(str(path))
        found.append(Source(title=title, path=path, facts=probe(path, LIMITS)))
    return found


def cell(row: Row, source: Source, overlay: Path) -> tuple[str, bool]:
    """Its HTML, and whether it was drawn."""
    # A still has one page.
    plan = row.plan if source.facts.animated else row.plan.replace("page2", "page1")
    try:
        rendition = drawn(plan, row.extension, source.path, source.facts, overlay=overlay)
    except (ProgImageError, RuntimeError) as error:
        return f'<p class="error">{escape(f"{type(error).__name__}: {error}")}</p>', False
    width, height = rendition.size
    name = f"{row.title.strip('.')}-{source.title.replace(' ', '-')}.{row.extension}".lower()
    (FOLDER / name).write_bytes(rendition.data)
    link = f'<a href="{name}">{width} x {height}, {len(rendition.data):,} bytes</a>'
    return f"{_shown(rendition, name)}<br>{link}", True


def _shown(rendition: Rendition, name: str) -> str:
    if rendition.format == "html":
        return f'<iframe srcdoc="{escape(rendition.data.decode())}" sandbox title="{name}"></iframe>'
    if FORMATS[rendition.format].text:
        return f"<pre>{_coloured(rendition.data.decode())}</pre>"
    if rendition.format in FOREIGN:
        name += ".png"
        pyvips.Image.new_from_buffer(rendition.data, "").write_to_file(str(FOLDER / name))
    width, height = rendition.size
    return f'<img src="{name}" width="{width}" height="{height}" loading="lazy" alt="">'


def _coloured(text: str) -> str:
    """Terminal colours as HTML."""
    if "\x1b" not in text:
        return escape(text)
    return "".join(_span(found[1], found[2]) for found in COLOURED.finditer("\x1b[0m" + text))


def _span(codes: str, text: str) -> str:
    colours = re.findall(r"([34]8);2;(\d+);(\d+);(\d+)", codes)
    style = ";".join(f"{'color' if layer == '38' else 'background'}:rgb({r},{g},{b})" for layer, r, g, b in colours)
    return f'<span style="{style}">{escape(text)}</span>' if style else escape(text)


def page(found: list[Source], overlay: Path) -> tuple[str, int]:
    """The sheet, and how many of its cells could not be drawn."""
    sections, failed = [], 0
    for row in rows():
        figures = []
        for source in found:
            html, fine = cell(row, source, overlay)
            failed += not fine
            figures.append(f"<figure>{html}<figcaption>{escape(source.title)}</figcaption></figure>")
        head = f"<h2>{escape(row.title)}</h2><p>{escape(row.about)}: <code>{escape(row.plan)}.{row.extension}</code></p>"
        sections.append(f"<section>{head}<div>{''.join(figures)}</div></section>")
        print(row.title, end=" ", flush=True)
    verdict = f"{failed} cells could not be drawn." if failed else "Every cell was drawn."
    template = Template(Path(__file__).with_name("gallery.html").read_text())
    return template.substitute(verdict=verdict, sections="\n".join(sections)), failed


async def photograph() -> None:
    """The page as a picture, as wide as a desk's screen and as a phone's."""
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, width in (("gallery.png", WIDE), ("gallery-phone.png", PHONE)):
            tab = await browser.new_page(viewport={"width": width, "height": 900})
            await tab.goto((FOLDER / "index.html").as_uri())
            await tab.evaluate("for (const picture of document.images) picture.loading = 'eager'")
            await tab.wait_for_function("[...document.images].every(picture => picture.complete)")
            # Frames are drawn where they are seen.
            await tab.set_viewport_size({"width": width, "height": await tab.evaluate("document.documentElement.scrollHeight")})
            await tab.wait_for_timeout(500)
            await tab.screenshot(path=FOLDER / name)
        await browser.close()


def main() -> int:
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    overlay = FOLDER / "badge.png"
    art(BADGE).write_to_file(str(overlay))
    html, failed = page(sources(), overlay)
    (FOLDER / "index.html").write_text(html)
    print(f"\n{FOLDER.relative_to(ROOT)}/index.html: {failed} cells failed")
    asyncio.run(photograph())
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
