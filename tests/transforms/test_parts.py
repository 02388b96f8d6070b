"""Parts of files are counted as decoders would meet them, whatever the bytes are, and no further than somebody asks."""

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pictures import animation, encoded, image, jpeg
from tests.safety.bombs import FTYP, animated_webp, avif, box, segments
from transforms.parts import START_OF_SCAN, WALKS, parts

# A box whose length is written in 64 bits.
LONG = b"\0\0\0\1long\0\0\0\0\0\0\0\x10"
SCAN = b"\xff\xda\0\2" + b"\1\xff\0\xff\xd0" * 3


@pytest.mark.parametrize(
    ("data", "scans"),
    [
        (b"", 0),
        (b"\xff\xd8", 0),
        (b"\xff\xd8" + SCAN + b"\xff\xd9", 1),
        (b"\xff\xd8" + SCAN * 883 + b"\xff\xd9", 883),
        (b"\xff\xd8" + SCAN + b"\xff\xd9" + SCAN, 1),
        (b"\xff\xd8\xff\xe1\0\x06\xff\xda\xff\xd9" + SCAN, 1),
        (b"\xff\xd8\xff\xff\xff\xda", 1),
    ],
)
def test_scans_are_counted_up_to_the_end_of_the_first_picture(data: bytes, scans: int) -> None:
    assert list(parts(data, "jpg")).count(START_OF_SCAN) == scans


@pytest.mark.parametrize(
    ("data", "format", "kinds"),
    [
        (animated_webp(1, 1, 3), "webp", [b"VP8X", b"ANIM", b"ANMF", b"ANMF", b"ANMF"]),
        (encoded(image(), ".webp", keep="none"), "webp", [b"VP8 "]),
        (avif(), "avif", [b"ftyp", b"meta", b"mdat"]),
        (FTYP + LONG + box(b"free") + b"\0\0\0\0mdat" + box(b"free"), "avif", [b"ftyp", b"long", b"free", b"mdat"]),
        (encoded(image(), ".png"), "png", []),
        (animation(), "gif", []),
    ],
)
def test_the_kinds_come_in_order(data: bytes, format: str, kinds: list[bytes]) -> None:
    assert list(parts(data, format)) == kinds


def test_each_segment_of_a_jpeg_counts() -> None:
    assert list(parts(segments(0xFE, b"a", b"", b"\xff\xd9"), "jpg")).count(b"\xfe") == 3
    assert len(list(parts(jpeg(), "jpg"))) < 20


def test_fill_bytes_are_read_once() -> None:
    # In time that grew with the square of their number this would take hours.
    assert list(parts(b"\xff\xd8" + bytes([0xFF]) * 1_000_000 + SCAN, "jpg")) == [START_OF_SCAN]
    assert list(parts(b"\xff\xd8" + bytes([0xFF]) * 1_000_000, "jpg")) == []


@given(st.sampled_from(sorted(WALKS)), st.binary(max_size=60), st.integers(0, 12))
def test_any_bytes_have_an_end(format: str, data: bytes, limit: int) -> None:
    assert len(list(islice(parts(data, format), limit))) <= limit
    assert len(list(parts(data, format))) <= len(data)
