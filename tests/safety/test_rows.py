"""Hostile files, one row each, with the numbers of the table of bad inputs that the project was designed with.

`H` is refused by what its header says: at most 100 ms of CPU and 32 MiB in the child. `D` may be decoded: at most 5 s of CPU, 512 MiB.

Elsewhere: 15 (remote pictures are off), 21, 23 and 24 (test_costly_plans.py), 22 (a load, not a file), 31 (plans), 36 (test_mutated.py),
39, 43 and 55 (names and headers, in tests/e2e), 50 (tests/transforms/test_metadata.py), 57 and 58 (tests/transforms/test_pool.py,
test_quarantine.py).
Not so here: 5, libvips takes the frame's size for the picture's; 16, what libvips does not keep costs little and is not refused.
"""

import struct
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
import pyvips

from tests.pictures import animation, encoded, gif_header, png_header
from tests.safety import bombs
from tests.safety.judge import judged
from transforms.engine import prepare
from transforms.formats import FORMATS
from transforms.limits import MIB, Limits
from transforms.pool import RenderPool

pytestmark = pytest.mark.anyio

LIMITS = Limits()
EVERYTHING = Limits(accepted=frozenset(name for name, known in FORMATS.items() if known.loaders))
TAKEN, OFF, OVER, BROKEN = "", "unsupported-format", "limit-exceeded", "broken-image"
CPU = {"H": 0.1, "D": 5.0}
MEMORY = {"H": 32 * MIB, "D": 512 * MIB}
FULL = LIMITS.upload_bytes - 4096
SIZE = ((256, 4, 1, 2**31 - 1), (257, 4, 1, 2**31 - 1))
RASTERS = ("jpg", "png", "webp", "gif", "avif")


class Row(NamedTuple):
    expected: str | tuple[str, ...]
    bound: str
    make: Callable[[], bytes]
    limits: Limits = LIMITS


def plain(data: bytes) -> Callable[[], bytes]:
    return lambda: data


def pixels(bands: int, suffix: str = ".tif", **meta: object) -> bytes:
    return encoded(pyvips.Image.black(32, 32, bands=bands).copy(**meta), suffix)


def png_with(kind: bytes, data: bytes, count: int = 1) -> bytes:
    return bombs.png(16, 16, row=16, extra=bombs.chunk(kind, data) * count)


A: Mapping[str, Row] = {
    "01 pixel flood": Row(OVER, "H", lambda: bombs.png(50_000, 50_000, depth=1, row=6250)),
    "02 png of 2^31-1, cut": Row(BROKEN, "H", lambda: bombs.png(2**31 - 1, 2**31 - 1)[:60]),
    "03 extreme ratio": Row(OVER, "H", lambda: bombs.png(65_500, 10, row=65_500)),
    "04 lottapixel": Row(BROKEN, "H", lambda: bombs.claiming(bombs.jpeg(), 65_535, 65_535)[:640]),
    "04 as large as a decoder takes": Row(OVER, "H", lambda: bombs.claiming(bombs.jpeg(), 65_000, 65_000)),
    "05 gif canvas": Row(TAKEN, "H", lambda: bombs.gif(65_535, 65_535, bombs.gif_frame(0, 0, 1, 1))),
    "06 gif frame outside": Row(OVER, "H", lambda: bombs.gif(1, 1, bombs.gif_frame(60_000, 60_000, 5000, 5000))),
    "07 webp of 16383^2 in 28 bytes": Row(OVER, "H", lambda: bombs.webp(16_383, 16_383)),
    "08 avif of 16384^2": Row(OVER, "H", lambda: bombs.avif_claiming(16_384, 16_384)),
    "09 avif of 60,000 items": Row(BROKEN, "H", lambda: bombs.avif_items(60_000)),
    "09 avif of boxes in boxes": Row(BROKEN, "H", lambda: bombs.avif_nested(20_000)),
    "09 avif of boxes": Row(OVER, "H", lambda: bombs.avif() + bombs.box(b"free") * (FULL // 8)),
    "10 tiff, off": Row(OFF, "H", lambda: bombs.exif(*SIZE)),
    "10 tiff of 2^31": Row((OFF, OVER, BROKEN), "H", lambda: bombs.exif(*SIZE, (258, 3, 1, 8), (262, 3, 1, 1)), EVERYTHING),
    "10 tiff in a circle": Row((OFF, OVER, BROKEN), "H", lambda: bombs.exif(*SIZE, following=8), EVERYTHING),
    "11 bmp of 40 bits": Row(OFF, "H", plain(b"BM" + struct.pack("<IHHIIiiHH", 100, 0, 0, 54, 40, 10, -10, 1, 40) + bytes(24))),
    "12 100 MP": Row(TAKEN, "D", lambda: bombs.jpeg(10_000, 10_000)),
    "12 100 MP and a row": Row(OVER, "H", lambda: bombs.claiming(bombs.jpeg(10_000, 10_000), 10_000, 10_001)),
    "13 interlaced png": Row(OVER, "H", lambda: png_header(10_000, 6000, interlaced=True, depth=16)),
    "14 progressive jpeg": Row(TAKEN, "D", lambda: bombs.jpeg(5000, 5000, interlace=True)),
    "16 zTXt": Row(TAKEN, "D", lambda: png_with(b"zTXt", b"Comment\0\0" + bombs.deflated_zeros(100 * MIB))),
    "16 iTXt": Row(TAKEN, "D", lambda: png_with(b"iTXt", b"Comment\0\1\0\0\0" + bombs.deflated_zeros(100 * MIB))),
    "16 iCCP": Row(TAKEN, "D", lambda: png_with(b"iCCP", b"p\0\0" + bombs.deflated_zeros(100 * MIB))),
    "16 much zTXt": Row(TAKEN, "D", lambda: png_with(b"zTXt", b"C\0\0" + bombs.deflated_zeros(7 * MIB), 1000)),
    "16 10,000 texts": Row(TAKEN, "D", lambda: png_with(b"tEXt", b"Comment\0x", 10_000)),
    "16 much text": Row(OVER, "H", lambda: png_with(b"tEXt", b"Comment\0" + b"x" * MIB, 6)),
    "16 empty chunks": Row(TAKEN, "D", lambda: png_with(b"abCd", b"", FULL // 12)),
}
B: Mapping[str, Row] = {
    "17 80,000 scans": Row(OVER, "H", lambda: bombs.many_scans(80_000)),
    "17 101 scans": Row(OVER, "H", lambda: bombs.many_scans(92)),
    "18 lossless": Row(BROKEN, "H", lambda: bombs.jpeg_frame(0xC3)),
    "18 12 bits": Row(BROKEN, "H", lambda: bombs.jpeg_frame(0xC1, 12)),
    "19 restarts": Row(BROKEN, "D", lambda: bombs.restarts(65_536)),
    "20 avif of 10 bits, 4:4:4": Row(TAKEN, "D", lambda: bombs.avif(512, 512, bitdepth=10, subsample_mode="off")),
    "25 gif of 100,000 frames": Row(OVER, "H", lambda: gif_header(1, 1, 100_000)),
    "25 gif of nothing but blocks": Row(
        TAKEN, "D", lambda: bombs.gif(1, 1, b"!\xfe" + b"\1x" * (FULL // 2) + b"\0", bombs.gif_frame(0, 0, 1, 1))
    ),
    "26 gif of 0.4 GP": Row(OVER, "H", lambda: gif_header(1080, 1350, 300)),
    "27 webp of 10,000 frames": Row(OVER, "H", lambda: bombs.animated_webp(1, 1, 10_000)),
    "27 webp of 600,000 frames": Row(OVER, "H", lambda: bombs.animated_webp(1, 1, FULL // 40)),
    "27 webp of 2 GP": Row(OVER, "H", lambda: bombs.animated_webp(1000, 1000, 1999)),
    "28 apng": Row(TAKEN, "D", lambda: bombs.apng(5000)),
    "29 gif without a frame": Row(BROKEN, "H", lambda: bombs.gif(10, 10)),
    "29 gif of its end": Row(BROKEN, "H", plain(b"GIF89a;")),
    "30 gif cut in its last frame": Row(BROKEN, "D", lambda: animation()[:-8]),
}
D: Mapping[str, Row] = {
    "32 nothing": Row(OFF, "H", plain(b"")),
    "32 a byte": Row(OFF, "H", plain(b"\xff")),
    **{f"32 only the magic of {name}": Row(BROKEN, "H", partial(bombs.header_of, name)) for name in RASTERS},
    **{
        f"33 {name} cut at {percent} %": Row(BROKEN, "D", partial(bombs.small_cut, name, percent))
        for name in RASTERS
        for percent in (10, 50, 99)
    },
    "34 jpeg without its end": Row(BROKEN, "D", lambda: bombs.jpeg()[:-2]),
    "35 wrong sum of IHDR": Row(BROKEN, "D", lambda: bombs.wrong_crc(b"IHDR")),
    "35 wrong sum of IDAT": Row(BROKEN, "D", lambda: bombs.wrong_crc(b"IDAT")),
    "35 wrong sum of tEXt": Row(TAKEN, "D", lambda: bombs.wrong_crc(b"tEXt")),
    "37 html": Row(OFF, "H", plain(b"<!doctype html><script>alert(1)</script>")),
    "37 php": Row(OFF, "H", plain(b"<?php system('id'); ?>")),
    "37 zip": Row(OFF, "H", plain(b"PK\3\4" + bytes(99))),
    "37 pdf": Row(OFF, "H", plain(b"%PDF-1.7\n" + bytes(99))),
    "37 mp4": Row(OFF, "H", plain(bombs.box(b"ftyp", b"isom\0\0\0\0isommp42"))),
    "37 elf": Row(OFF, "H", plain(b"\x7fELF" + bytes(99))),
    "40 mvg": Row(OFF, "H", plain(b"push graphic-context\nviewbox 0 0 640 480\nfill 'url(https://example.com/|id)'\npop graphic-context")),
    "42 svg of 10^9 pixels": Row(
        OFF, "H", plain(b'\xef\xbb\xbf<!-- a --><svg xmlns="http://www.w3.org/2000/svg" width="1e9" height="1e9"/>')
    ),
    "42 svg of 3.6 GP, on": Row(
        (OVER, BROKEN), "H", plain(b'<svg xmlns="http://www.w3.org/2000/svg" width="60000" height="60000"/>'), EVERYTHING
    ),
    "44 ppm": Row(OFF, "H", plain(b"P6\n1 1\n255\n\0\0\0")),
    "44 ppm, all on": Row(OFF, "H", plain(b"P6\n1 1\n255\n\0\0\0"), EVERYTHING),
    "45 hevc": Row(OFF, "H", plain(bombs.box(b"ftyp", b"heic\0\0\0\0mif1heic") + bytes(99))),
    "46 cmyk without a profile": Row(TAKEN, "D", lambda: pixels(4, ".jpg", interpretation="cmyk")),
    "47 2 bands": Row(TAKEN, "D", lambda: pixels(2, ".png", interpretation="b-w")),
    "47 5 bands": Row(TAKEN, "D", lambda: pixels(5), EVERYTHING),
    "47 6 bands": Row(OVER, "H", lambda: pixels(6), EVERYTHING),
    "47 256 bands": Row(OVER, "H", lambda: pixels(256), EVERYTHING),
    "48 empty profile": Row(TAKEN, "D", lambda: bombs.jpeg_profile(b"")),
    "48 garbage for a profile": Row(TAKEN, "D", lambda: bombs.jpeg_profile(b"garbage" * 100)),
    "48 garbage for a profile of a png": Row(TAKEN, "D", lambda: bombs.png_profile(b"garbage" * 100)),
    "48 profile of a wrong class": Row(TAKEN, "D", lambda: bombs.jpeg_profile(bombs.profile_of_a_wrong_class())),
    "48 large profile": Row(OVER, "H", lambda: bombs.jpeg_profile(bytes(5 * MIB))),
    "49 directories in a circle": Row(TAKEN, "D", lambda: bombs.with_exif(bombs.exif((274, 3, 1, 1), following=8))),
    "49 a directory in itself": Row(TAKEN, "D", lambda: bombs.with_exif(bombs.exif((0x8769, 4, 1, 8)))),
    "49 an offset outside": Row(TAKEN, "D", lambda: bombs.with_exif(bombs.exif((0x8769, 4, 1, 2**32 - 8)))),
    "49 65,535 entries": Row(TAKEN, "D", lambda: bombs.with_exif(b"II*\0\x08\0\0\0\xff\xff" + bytes(60_000))),
    "49 a thumbnail of 2^31 bytes": Row(TAKEN, "D", lambda: bombs.with_exif(bombs.exif((0x201, 4, 1, 26), (0x202, 4, 1, 2**31)))),
    **{f"49 orientation {turn}": Row(TAKEN, "D", partial(bombs.turned, turn)) for turn in (0, 9, 255, 65_535)},
    "49 large note": Row(OVER, "H", lambda: png_with(b"eXIf", bombs.exif((0x927C, 7, 8 * MIB, 26)) + bytes(8 * MIB))),
    "51 100,000 comments": Row(OVER, "H", lambda: bombs.segments(0xFE, *([b"x" * 20] * 100_000))),
    "51 empty segments": Row(OVER, "H", lambda: bombs.segments(0xE1, *([b"Exif\0\0"] * (FULL // 10)))),
    "51 xmp of 20 MB": Row(OVER, "D", lambda: png_with(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + b"x" * 20 * MIB)),
}
ROWS = {**A, **B, **D}


@pytest.fixture(scope="module")
async def pool(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RenderPool]:
    """One child, which has read a picture of each format: the first of them costs more."""
    pool = RenderPool(workers=1, wait=60, deadline=60, prepare=partial(prepare, EVERYTHING.accepted))
    path = tmp_path_factory.mktemp("first") / "picture"
    for name in (*RASTERS, "tiff"):
        path.write_bytes(bombs.small(name))
        assert (await pool.run(judged, path, EVERYTHING)).facts
    yield pool
    await pool.close()


@pytest.mark.parametrize("name", ROWS)
async def test_a_hostile_file_is_judged_within_its_bounds(pool: RenderPool, tmp_path: Path, name: str) -> None:
    row = ROWS[name]
    (path := tmp_path / "file").write_bytes(row.make())
    verdict = await pool.run(judged, path, row.limits)
    assert verdict.error in ((row.expected,) if isinstance(row.expected, str) else row.expected)
    assert verdict.cpu <= CPU[row.bound]
    assert verdict.memory <= MEMORY[row.bound]
    if verdict.facts:
        assert verdict.facts.orientation in range(1, 9)
