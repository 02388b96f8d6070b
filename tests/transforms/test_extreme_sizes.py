"""Pictures of one pixel and of one row: every format that is read, as every format that is written (design: row 53 of bad inputs)."""

from pathlib import Path

import pytest
import pyvips

from bench.drawing import LIMITS, drawn, resolved
from tests.pictures import covering, encoded
from tests.transforms.spellings import WRITABLE, example, extension_of, pixel_names
from transforms.engine import verify
from transforms.errors import ImpossibleOutput
from transforms.formats import FORMATS
from transforms.geometry import Size

READABLE = [name for name, format in FORMATS.items() if format.loaders]
WIDEST = 16_383


def file_of(folder: Path, format: str, size: Size) -> Path:
    path = folder / f"picture.{format}"
    if format == "svg":
        svg = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{size.width}" height="{size.height}"><rect width="100%" height="100%"/></svg>'
        )
        path.write_text(svg)
    else:
        red = pyvips.Image.black(*size).new_from_image([200, 30, 30]).cast("uchar").copy(interpretation="srgb")
        path.write_bytes(encoded(red, f".{format}"))
    return path


def check(path: Path, text: str, extension: str, size: Size | None = None) -> None:
    """It is drawn as foretold, in `size` when that is known; a text may have too many rows."""
    facts = verify(path, LIMITS)
    try:
        foretold = resolved(text, extension, path, facts)
    except ImpossibleOutput:
        assert FORMATS[extension].text
        return
    rendition = drawn(text, extension, path, facts)
    assert rendition.size == foretold.size
    if FORMATS[extension].loaders:
        picture = pyvips.Image.new_from_buffer(rendition.data, "")
        assert (picture.width, picture.height) == rendition.size == (size or rendition.size)
        assert picture.avg() >= 0, "it can be decoded to its end"


@pytest.mark.parametrize(("source", "extension"), covering(READABLE, WRITABLE))
def test_one_pixel_of_every_format_becomes_every_format(tmp_path: Path, source: str, extension: str) -> None:
    path = file_of(tmp_path, source, Size(1, 1))
    check(path, "_", extension, Size(1, 1))
    check(path, "w1,h1,fit_cover", extension, Size(1, 1))
    check(path, "w9,enlarge", extension, Size(9, 9))


@pytest.mark.parametrize(("size", "extension"), covering([Size(1, 10_000), Size(10_000, 1), Size(WIDEST, 1), Size(1, WIDEST)], WRITABLE))
def test_one_row_becomes_every_format(tmp_path: Path, size: Size, extension: str) -> None:
    path = file_of(tmp_path, "png", size)
    check(path, "_", extension, size)
    check(path, "w100,h100", extension, Size(min(size.width, 100), min(size.height, 100)))
    check(path, "w20,h20,fit_cover", extension, Size(1, 1))
    check(path, "rotate90", extension, Size(size.height, size.width))


@pytest.mark.parametrize("source", [name for name in READABLE if name not in {"png", "svg"}])
def test_the_longest_row_of_every_format_is_read(tmp_path: Path, source: str) -> None:
    path = file_of(tmp_path, source, Size(WIDEST, 1))
    check(path, "_", "png", Size(WIDEST, 1))
    check(path, "w256", "webp", Size(256, 1))


def test_a_part_in_percent_of_a_row_is_a_part_of_it(tmp_path: Path) -> None:
    """A tenth of one pixel down is not beside the picture."""
    check(file_of(tmp_path, "png", Size(1, 3000)), "crop_10p_10p_80p_80p", "png", Size(1, 2400))


@pytest.mark.parametrize(("size", "name"), covering([Size(1, 1), Size(1, 3000), Size(3000, 1)], pixel_names()))
def test_every_operation_works_on_one_pixel_and_on_one_row(tmp_path: Path, name: str, size: Size) -> None:
    path, overlay = file_of(tmp_path, "png", size), tmp_path / "overlay.png"
    overlay.write_bytes(encoded(pyvips.Image.black(3, 2) + 200))
    text = example(name) if name != "enlarge" else "w2,enlarge"
    facts = verify(path, LIMITS)
    assert drawn(text, extension_of(name), path, facts, overlay=overlay).size == resolved(text, extension_of(name), path, facts).size
