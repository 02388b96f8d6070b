"""Odd but whole pictures come out in every format, and what was hidden in them does not."""

from pathlib import Path
from typing import Any

import pytest
import pyvips

from tests.pictures import covering, encoded
from tests.safety import bombs
from tests.safety.judge import made
from transforms.errors import ImpossibleOutput
from transforms.formats import FORMATS
from transforms.limits import Limits

LIMITS = Limits(accepted=frozenset(name for name, known in FORMATS.items() if known.loaders))
RASTERS = ("jpg", "png", "webp", "gif", "avif", "tiff")
WRITABLE = tuple(name for name, known in FORMATS.items() if known.writable and known.loaders)
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
MARKERS = (bombs.MARKER, b"<?php system('id'); ?>", b"PK\3\4" + bytes(26) + b"evil", EICAR)


def written(folder: Path, data: bytes) -> Path:
    (path := folder / "picture").write_bytes(data)
    return path


def grey(width: int, height: int) -> Any:
    return pyvips.Image.black(width, height, bands=3).new_from_image([128, 128, 128]).cast("uchar").copy(interpretation="srgb")


def size_of(data: bytes) -> tuple[int, int]:
    picture = pyvips.Image.new_from_buffer(data, "")
    return picture.width, picture.height


@pytest.mark.parametrize(("source", "output"), covering(RASTERS, WRITABLE))
def test_a_pixel_of_each_format_becomes_one_of_each(tmp_path: Path, source: str, output: str) -> None:
    path = written(tmp_path, encoded(grey(1, 1), f".{source}"))
    assert size_of(made(path, LIMITS, "_", output)) == (1, 1)


@pytest.mark.parametrize("size", [(1, 10_000), (16_383, 1)], ids=str)
@pytest.mark.parametrize("output", WRITABLE)
def test_a_line_becomes_one_of_each_format(tmp_path: Path, size: tuple[int, int], output: str) -> None:
    path = written(tmp_path, encoded(grey(*size), ".png"))
    assert size_of(made(path, LIMITS, "_", output)) == size
    assert max(size_of(made(path, LIMITS, "w256,h256", output))) == 256


def test_a_pixel_is_not_made_a_poster(tmp_path: Path) -> None:
    path = written(tmp_path, encoded(grey(1, 1)))
    assert size_of(made(path, LIMITS, "w4096,h4096", "jpg")) == (1, 1)
    with pytest.raises(ImpossibleOutput) as caught:
        made(path, LIMITS, "w4096,h4096,enlarge", "jpg")
    assert caught.value.facts["largest_width"] == 4000


@pytest.mark.parametrize(("source", "marker", "plan", "output"), covering(["jpg", "png", "gif", "webp"], MARKERS, ["_", "w20"], WRITABLE))
def test_nothing_that_is_hidden_in_a_picture_comes_out_of_it(tmp_path: Path, source: str, marker: bytes, plan: str, output: str) -> None:
    for data in (bombs.small(source) + marker, hidden(source, marker)):
        assert marker in data
        assert marker not in made(written(tmp_path, data), LIMITS, plan, output)


def hidden(source: str, marker: bytes) -> bytes:
    """A whole picture with the marker in a comment, or, where the format has none, behind it."""
    match source:
        case "jpg":
            return bombs.segments(0xFE, marker)
        case "png":
            return bombs.png(16, 16, row=16, extra=bombs.chunk(b"tEXt", b"profile\0" + marker))
        case "gif":
            return bombs.gif(1, 1, b"!\xfe" + bytes([len(marker)]) + marker + b"\0", bombs.gif_frame(0, 0, 1, 1))
        case _:
            return bombs.small(source) + marker
