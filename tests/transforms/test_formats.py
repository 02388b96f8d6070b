"""Telling formats apart by their first bytes, and choosing one for a client."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pictures import Sample, animation, corpus, gif_header
from transforms.formats import FORMATS, HEAD_BYTES, by_extension, gif_is_cut_off, negotiate, sniff

SVG = '<svg xmlns="http://www.w3.org/2000/svg"/>'


def box(major: bytes, *brands: bytes) -> bytes:
    body = b"ftyp" + major + bytes(4) + b"".join(brands)
    return (len(body) + 4).to_bytes(4, "big") + body + b"\0\0\0\x08avif"


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\xff\xd8\xff\xe0", "jpg"),
        (b"\x89PNG\r\n\x1a\n\0", "png"),
        (b"GIF87a", "gif"),
        (b"GIF89a", "gif"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "webp"),
        (b"RIFF\x10\0\0\0WAVEfmt ", "wav"),
        (b"RIFF\x10\0\0\0????", None),
        (b"II*\0", "tiff"),
        (b"MM\0+", "tiff"),
        (box(b"avif", b"mif1"), "avif"),
        (box(b"avis", b"msf1"), "avif"),
        (box(b"mif1", b"miaf", b"avif"), "avif"),
        (box(b"heic", b"mif1"), "heic"),
        (box(b"mif1", b"heic"), "heic"),
        (box(b"mif1", b"miaf"), "heif"),
        (box(b"isom", b"mp42"), "mp4"),
        (b"\0\0\0\x14ftyp", "mp4"),
        (b"\xff\x0a\xfa", "jxl"),
        (b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl ", "jxl"),
        (b"\0\0\0\x14ftypjxl \0\0\0\0", "jxl"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "jp2"),
        (b"BM6`\0\0", "bmp"),
        (b"\0\0\1\0\3\0", "ico"),
        (b"%PDF-1.7", "pdf"),
        (b"PK\3\4", "zip"),
        (b"\x7fELF\2", "elf"),
        (gzip.compress(b"hello", mtime=0), "gzip"),
        (b"<!DOCTYPE html><svg/>", "html"),
        (b"<HTML >", "html"),
        (b"<?xml version='1.0'?><rss>", "xml"),
        (b"#EXTM3U\nhttp://127.0.0.1:9/", "text"),
        (b"\1\2\3\4", None),
        (b"", None),
    ],
)
def test_a_type_is_told_by_its_first_bytes(head: bytes, name: str | None) -> None:
    assert sniff(head) == name


@pytest.mark.parametrize(
    "data",
    [
        SVG.encode(),
        b"\xef\xbb\xbf" + SVG.encode(),
        SVG.encode("utf-16"),
        SVG.encode("utf-16-le"),
        SVG.encode("utf-16-be"),
        f"\n <?xml version='1.0'?>\n<!-- <html> -->\n{SVG}".encode(),
        f"<!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN' 'a.dtd'>{SVG}".encode(),
        f"<!doctype svg [<!ENTITY a '>'><!ENTITY b 'b'>]>{SVG}".encode(),
        b"<svg:svg xmlns:svg='http://www.w3.org/2000/svg'>",
        b"<SVG>",
        "<?xml version='1.0' encoding='latin-1'?><!-- é --><svg>".encode("latin-1"),
        gzip.compress(SVG.encode(), mtime=0),
        f"<?php ?><svg>{'é' * HEAD_BYTES}".encode()[: HEAD_BYTES - 1],
    ],
)
def test_svg_is_found_behind_all_that_may_stand_before_it(data: bytes) -> None:
    assert sniff(data) == "svg"


@pytest.mark.parametrize("data", [b"<svgfoo>", b"text <svg>", b"<!-- <svg> ", b"<?xml <svg>", gzip.compress(b"x" * 10**7, mtime=0)])
def test_what_only_mentions_svg_is_not_svg(data: bytes) -> None:
    assert sniff(data) != "svg"


@pytest.mark.parametrize("sample", [pytest.param(sample, id=sample.name) for sample in corpus() if sample.expected == "accept"])
def test_the_corpus_is_what_its_manifest_says(sample: Sample) -> None:
    with sample.path.open("rb") as file:
        assert sniff(file.read(HEAD_BYTES)) == sample.format


@given(st.binary(max_size=200))
def test_any_bytes_are_something_or_nothing(head: bytes) -> None:
    assert sniff(head) is None or isinstance(sniff(head), str)


@pytest.mark.parametrize("part", ["<?x?>", "<!---->", "<!DOCTYPE a>", "<!DOCTYPE a [", " ", "<", "<!--", "<?"])
def test_hostile_markup_is_cheap(part: str) -> None:
    assert sniff((part * 1_000_000).encode()) in ("text", "xml")


@pytest.mark.parametrize(
    ("extension", "name"), [("jpg", "jpg"), ("jpeg", "jpg"), ("tif", "tiff"), ("webp", "webp"), ("JPG", None), ("", None)]
)
def test_extensions_have_aliases(extension: str, name: str | None) -> None:
    found = by_extension(extension)
    assert (found and found.name) == name


def test_no_two_formats_share_an_extension() -> None:
    names = [name for known in FORMATS.values() for name in (known.name, *known.aliases)]
    assert len(names) == len(set(names))


FIREFOX = "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"


@pytest.mark.parametrize(
    ("accept", "still", "with_alpha", "moving"),
    [
        (None, "jpg", "png", "gif"),
        ("", "jpg", "png", "gif"),
        ("*/*", "jpg", "png", "gif"),
        ("image/*", "jpg", "png", "gif"),
        (FIREFOX, "avif", "avif", "webp"),
        ("image/webp,*/*", "webp", "webp", "webp"),
        ("image/avif", "avif", "avif", "gif"),
        ("image/webp;q=0.1, image/avif;q=0", "webp", "webp", "webp"),
        ("image/avif;q=0.000,image/webp;q=0", "jpg", "png", "gif"),
        ("IMAGE/WEBP ; Q=1.000", "webp", "webp", "webp"),
        ("image/webp;level=1;q=0.5", "webp", "webp", "webp"),
        ("image/webp;q=high", "jpg", "png", "gif"),
        ("image/webp;q=-1, image/avif;q=1.5", "jpg", "png", "gif"),
        ("image/webpx, ximage/avif, image/web p", "jpg", "png", "gif"),
        (",;,=;q,image/webp", "webp", "webp", "webp"),
        ("image/webp;q=0,image/webp", "webp", "webp", "webp"),
        ("image/webp,image/webp;q=0", "webp", "webp", "webp"),
        ("\xa0image/webp, image/avif\x85", "jpg", "png", "gif"),
    ],
)
def test_the_best_that_is_accepted_by_name(accept: str | None, still: str, with_alpha: str, moving: str) -> None:
    assert negotiate(accept, alpha=False, animated=False) == still
    assert negotiate(accept, alpha=True, animated=False) == with_alpha
    assert negotiate(accept, alpha=True, animated=True) == moving


def test_the_order_is_the_servers() -> None:
    assert negotiate(FIREFOX, alpha=False, animated=False, order=("webp", "avif")) == "webp"
    assert negotiate(FIREFOX, alpha=False, animated=False, order=()) == "jpg"


@given(st.text(), st.booleans(), st.booleans())
def test_any_header_gets_a_format_that_can_hold_the_picture(accept: str, alpha: bool, animated: bool) -> None:
    chosen = FORMATS[negotiate(accept, alpha=alpha, animated=animated)]
    assert chosen.writable
    assert chosen.alpha or not alpha
    assert chosen.animation or not animated


def test_a_huge_header_is_cheap() -> None:
    assert negotiate(",;q=0" * 1_000_000, alpha=False, animated=False) == "jpg"


@pytest.mark.parametrize("data", [gif_header(3, 2, 5), animation()])
def test_a_gif_may_lack_its_end_mark_and_no_byte_more(data: bytes) -> None:
    assert not gif_is_cut_off(data)
    assert not gif_is_cut_off(data + b"and something behind it")
    assert not gif_is_cut_off(data[:-1])
    assert gif_is_cut_off(data[:-2])


@given(st.binary(max_size=50))
def test_any_bytes_are_a_whole_gif_or_not(data: bytes) -> None:
    assert gif_is_cut_off(b"GIF89a" + data) in (True, False)
