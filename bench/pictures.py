"""Draw the pictures of docs/transforms.md: the example of each operation, on a picture that is drawn here.

A test holds these pictures against what the code draws now, so they are what the operations are meant to look like.
"""

import shutil
import tempfile
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any, TypeAlias

import pyvips

from bench.drawing import LIMITS, drawn
from transforms.engine import probe
from transforms.formats import FORMATS
from transforms.operation import OutputOption, registry

Picture: TypeAlias = Any

FOLDER = Path(__file__).parent.parent / "docs" / "operations"
GOLDENS = FOLDER.parent.parent / "tests" / "transforms" / "goldens"
# Small and without loss: what the examples are too coarse for, or do not show.
PLANS = {
    **{f"mask-{shape}": f"w64,mask_{shape}" for shape in ("ellipse", "square", "triangle", "heart", "star", "hexagon")},
    "mask-by-picture": f"bg_f4d35e/w64,mask_{'a' * 26}",
    "watermark-tiles": f"w80,wm_{'a' * 26}_tile_60p_25p",
    "text-on-two-lines": "w80,text_VmFzZSBpbgpibHVl_center_16_e4572e",
    "radius-and-colour": "w64/radius20,bg_f4d35e80",
    "turned": "w64/rotate30",
    "turned-on-blur": "w64/rotate30,bg_blur",
    "trimmed": "trim/w64",
    "nearest": "crop_40p_15p_20p_20p/w64,enlarge,kernel_nearest",
    "soft": "w64,blur3",
    "sharp": "w64,sharpen2",
    "median": "w64,median5",
    "blocks": "w64,pixelate7",
    "edges": "w64,edge",
    "relief": "w64,emboss",
    "contained-on-colour": "w64,h64,fit_contain,bg_auto",
}
WIDTH = 120
EXACT = {"lossless": True, "effort": 6, "keep": "none"}
BORDER = 110
FRAMES = 8
LYING = 6
PAPER, INK = [24, 24, 27], [228, 228, 231]
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
BADGE = """
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 120" width="200" height="120">
<rect x="6" y="6" width="188" height="108" rx="54" fill="#16181d"/><circle cx="60" cy="60" r="34" fill="#f4d35e"/>
<path d="M110 84 140 36 170 84Z" fill="#f4d35e"/></svg>
"""
PETAL = """
<svg xmlns="http://www.w3.org/2000/svg" width="90" height="60"><ellipse cx="45" cy="30" rx="44" ry="26" fill="#e4572e"/></svg>
"""


def art(svg: str) -> Picture:
    return pyvips.Image.svgload_buffer(svg.encode())


def vase() -> Picture:
    return art(VASE).flatten(background=255)


def cut_out() -> Picture:
    """The vase without what is behind it."""
    return art(VASE.replace('<rect width="1200" height="900" fill="url(#b)"/>', ""))


def falling(picture: Callable[[], Picture] = vase) -> Picture:
    """Frames in which a petal falls beside the vase."""
    frames = [picture().composite2(art(PETAL), "over", x=250 - 20 * n, y=110 * n) for n in range(FRAMES)]
    strip = pyvips.Image.arrayjoin([frame.resize(1 / 3) for frame in frames], across=1).copy()
    strip.set_type(pyvips.GValue.gint_type, "page-height", 300)
    strip.set_type(pyvips.GValue.array_int_type, "delay", [120] * FRAMES)
    return strip


def lying() -> Picture:
    stored = vase().rot270().copy()
    stored.set_type(pyvips.GValue.gint_type, "orientation", LYING)
    return stored


def bordered() -> Picture:
    return vase().embed(BORDER, BORDER, 1200 + 2 * BORDER, 900 + 2 * BORDER, extend="background", background=[255, 255, 255])


# What shows better, or at all, on another picture than the vase.
SOURCES: Mapping[str, tuple[str, Callable[[], Picture]]] = {
    "page": ("falling.gif", falling),
    "frames": ("falling.gif", falling),
    "orient": ("lying.jpg", lying),
    "trim": ("bordered.png", bordered),
}


def example_of(name: str, folder: Path) -> Picture:
    """The example of an operation at the size of the documentation; `folder` takes the pictures that it is drawn from."""
    kind = registry()[name]
    file, make = SOURCES.get(name, ("vase.png", vase))
    source, badge = folder / file, folder / "badge.png"
    for path, content in ((source, make), (badge, lambda: art(BADGE))):
        if not path.exists():
            content().write_to_file(str(path))
    extension = max(kind.formats) if issubclass(kind, OutputOption) else "webp"
    rendition = drawn(kind.parameters()[name].example, extension, source, probe(source, LIMITS), overlay=badge)
    if FORMATS[extension].text:
        return _fitted(_printed(rendition.data.decode()))
    made = pyvips.Image.new_from_buffer(rendition.data, "", **({"n": -1} if FORMATS[extension].animation else {}))
    return _fitted(_side_by_side(made))


def golden(text: str, folder: Path) -> Picture:
    """A plan on the vase alone, over nothing."""
    source, badge = folder / "cut out.png", folder / "badge.png"
    for path, content in ((source, cut_out), (badge, lambda: art(BADGE))):
        if not path.exists():
            content().write_to_file(str(path))
    rendition = drawn(text, "png", source, probe(source, LIMITS), overlay=badge)
    return pyvips.Image.new_from_buffer(rendition.data, "")


def _side_by_side(strip: Picture) -> Picture:
    height = strip.get_page_height()
    frames = [strip.crop(0, top, strip.width, height) for top in range(0, strip.height, height)]
    return pyvips.Image.arrayjoin(frames, across=len(frames))


def _printed(text: str) -> Picture:
    """As on a dark terminal."""
    # Lines as high as the block elements of this font, so that nothing shows between them.
    letters = pyvips.Image.text(f'<span line_height="0.9">{escape(text)}</span>', font="DejaVu Sans Mono 10", dpi=144)
    return letters.ifthenelse(INK, PAPER, blend=True).cast("uchar").copy(interpretation="srgb")


def _fitted(picture: Picture) -> Picture:
    """Small, in sRGB."""
    options = {"output_profile": "srgb"} if picture.get_typeof("icc-profile-data") else {}
    return picture.thumbnail_image(WIDTH, height=WIDTH, size="down", **options)


def main() -> None:
    for drawings in (FOLDER, GOLDENS):
        shutil.rmtree(drawings, ignore_errors=True)
        drawings.mkdir()
    with tempfile.TemporaryDirectory() as folder:
        sources = Path(folder)
        for name in registry():
            (FOLDER / f"{name}.webp").write_bytes(example_of(name, sources).webpsave_buffer(**EXACT))
        for name, text in PLANS.items():
            (GOLDENS / f"{name}.webp").write_bytes(golden(text, sources).webpsave_buffer(**EXACT))
    print(f"drew {len(registry())} pictures in docs/operations and {len(PLANS)} in tests/transforms/goldens")


if __name__ == "__main__":
    main()
