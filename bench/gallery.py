"""Draw the pictures of docs/transforms.md: the example of each operation, on a picture that is drawn here."""

import tempfile
from html import escape
from pathlib import Path

import pyvips

from transforms.engine import execute, probe
from transforms.formats import FORMATS
from transforms.grammar import parse
from transforms.limits import Limits
from transforms.operation import OutputOption, registry
from transforms.values import Rendition

FOLDER = Path(__file__).parent.parent / "docs" / "operations"
WIDTH = 120
VASE = """
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1200 900" width="1200" height="900">
<defs><linearGradient id="b" x1="0" y1="0" x2="0" y2="1">
<stop offset="0" stop-color="#f6e7d8"/><stop offset="1" stop-color="#e2b997"/></linearGradient>
<linearGradient id="v" x1="0" y1="0" x2="1" y2="0"><stop offset="0" stop-color="#1d4e89"/><stop offset=".45" stop-color="#4f8fd6"/>
<stop offset="1" stop-color="#12335c"/></linearGradient></defs>
<rect width="1200" height="900" fill="url(#b)"/><ellipse cx="600" cy="800" rx="330" ry="36" fill="#a9744f" opacity=".45"/>
<path d="M520 190C520 330 350 420 370 600 385 740 480 800 600 800S815 740 830 600C850 420 680 330 680 190Z" fill="url(#v)"/>
<ellipse cx="600" cy="190" rx="80" ry="22" fill="#0d2745"/>
<g fill="none"><path d="M390 560q105-60 210 0t215 0" stroke="#f4d35e" stroke-width="14"/>
<path d="M600 190C590 120 560 80 520 40M610 190C620 110 660 70 700 50" stroke="#3a7d44" stroke-width="10"/></g>
<circle cx="515" cy="40" r="34" fill="#e4572e"/><circle cx="705" cy="48" r="30" fill="#f29e4c"/></svg>
"""


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "vase.png"
        source.write_bytes(pyvips.Image.svgload_buffer(VASE.encode()).flatten(background=255).pngsave_buffer())
        facts = probe(source, Limits())
        for name, kind in registry().items():
            extension = max(kind.formats) if issubclass(kind, OutputOption) else "webp"
            plan = parse(kind.parameters()[name].example, extension).resolve(facts).plan
            shown = _seen(execute(plan, source, facts, Limits())).thumbnail_image(WIDTH, height=WIDTH, size="down")
            (FOLDER / f"{name}.webp").write_bytes(shown.webpsave_buffer(Q=75, keep="none"))
    print(f"drew {len(registry())} pictures in docs/operations")


def _seen(rendition: Rendition) -> pyvips.Image:
    if not FORMATS[rendition.format].text:
        return pyvips.Image.new_from_buffer(rendition.data, "")
    # White on black, as a terminal has it.
    return pyvips.Image.text(escape(rendition.data.decode()), font="monospace 12")


if __name__ == "__main__":
    main()
