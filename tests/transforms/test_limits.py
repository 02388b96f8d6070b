"""What is refused before it is decoded, at the very values where it begins."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.errors import ImpossibleOutput, LimitExceeded, TooManyBytes, UnsupportedFormat
from transforms.formats import FORMATS
from transforms.geometry import Size, scaled_to
from transforms.limits import MEGAPIXEL, MIB, Header, Limits
from transforms.values import Facts

LIMITS = Limits()
FACTS = Facts(format="png", width=100, height=100)


def sized(width: int, height: int, frames: int = 1) -> Header:
    return Header(facts=Facts(format="gif", width=width, height=height, frames=frames))


def test_an_upload_may_be_as_large_as_the_limit_and_no_byte_larger() -> None:
    LIMITS.check_bytes(25 * MIB)
    with pytest.raises(TooManyBytes) as caught:
        LIMITS.check_bytes(25 * MIB + 1)
    assert caught.value.facts == {"limit": "upload_bytes", "value": 25 * MIB + 1, "maximum": 25 * MIB}


@pytest.mark.parametrize(
    ("limit", "fits", "over"),
    [
        ("side", sized(16_383, 1), sized(16_384, 1)),
        ("side", sized(1, 16_383), sized(1, 16_384)),
        ("pixels", sized(10_000, 10_000), sized(10_000, 10_001)),
        ("frames", sized(1, 1, 2_000), sized(1, 1, 2_001)),
        ("animation_pixels", sized(1_000, 1_000, 200), sized(1_000, 1_000, 201)),
        ("interlaced_pixels", replace(sized(5_000, 10_000), interlaced=True), replace(sized(5_000, 10_001), interlaced=True)),
        ("scans", Header(facts=FACTS, scans=100), Header(facts=FACTS, scans=101)),
        ("bands", Header(facts=FACTS, bands=5), Header(facts=FACTS, bands=6)),
        ("metadata", Header(facts=FACTS, metadata=4 * MIB), Header(facts=FACTS, metadata=4 * MIB + 1)),
    ],
)
def test_a_header_may_claim_the_limit_and_nothing_above_it(limit: str, fits: Header, over: Header) -> None:
    LIMITS.check_header(fits)
    with pytest.raises(LimitExceeded) as caught:
        LIMITS.check_header(over)
    assert caught.value.facts["limit"] == limit
    assert str(caught.value.facts["value"]) in str(caught.value)
    assert caught.value.facts["maximum"] == getattr(LIMITS, limit)


def test_accepted_types_pass() -> None:
    for name in LIMITS.accepted:
        LIMITS.check_type(name)


@pytest.mark.parametrize(
    ("sniffed", "said"),
    [
        ("tiff", "it is tiff, which is off by default; PROGIMAGE_ACCEPT=jpg,png,webp,avif,gif,tiff turns it on"),
        ("svg", "PROGIMAGE_ACCEPT=jpg,png,webp,avif,gif,svg"),
        ("heic", "it is HEIC, which the libvips of this server cannot read"),
        ("jxl", "it is JPEG XL, which the libvips of this server cannot read"),
        ("pdf", "it is pdf"),
        ("html", "it is html. Accepted"),
        (None, "no known picture format"),
    ],
)
def test_a_refused_type_is_told_what_it_is_and_what_would_be_accepted(sniffed: str | None, said: str) -> None:
    with pytest.raises(UnsupportedFormat) as caught:
        LIMITS.check_type(sniffed)
    assert said in str(caught.value)
    assert "Accepted are jpg, png, webp, avif, gif." in str(caught.value)
    assert caught.value.facts["detected"] == sniffed


def test_a_setting_turns_a_type_on() -> None:
    Limits(accepted=LIMITS.accepted | {"tiff"}).check_type("tiff")


@pytest.mark.parametrize(
    ("fits", "over", "output", "enlarged", "frames"),
    [
        (Size(10_000, 10_000), Size(10_000, 10_001), "jpg", False, 1),
        (Size(16_383, 1), Size(16_384, 1), "png", False, 1),
        (Size(1, 16_383), Size(1, 16_384), "webp", False, 1),
        (Size(4_000, 4_000), Size(4_000, 4_001), "avif", False, 1),
        (Size(4_000, 3_000), Size(4_000, 3_001), "gif", False, 1),
        (Size(4_000, 4_000), Size(4_000, 4_001), "jpg", True, 1),
        (Size(1_000, 1_000), Size(1_000, 1_001), "webp", False, 200),
    ],
)
def test_an_output_may_reach_the_limit_of_its_format(fits: Size, over: Size, output: str, enlarged: bool, frames: int) -> None:
    LIMITS.check_output(fits, FORMATS[output], enlarged=enlarged, frames=frames)
    with pytest.raises(ImpossibleOutput) as caught:
        LIMITS.check_output(over, FORMATS[output], enlarged=enlarged, frames=frames)
    assert str(caught.value.facts["largest_width"]) in str(caught.value)


@given(st.integers(1, 30_000), st.integers(1, 30_000), st.sampled_from(["jpg", "avif"]))
def test_the_largest_width_named_is_allowed_and_hardly_smaller_than_possible(width: int, height: int, output: str) -> None:
    size, known = Size(width, height), FORMATS[output]
    try:
        LIMITS.check_output(size, known, enlarged=False)
    except ImpossibleOutput as error:
        largest = error.facts["largest_width"]
        assert isinstance(largest, int)
        if scaled_to(size, largest, None).height <= LIMITS.output_side:
            LIMITS.check_output(scaled_to(size, largest, None), known, enlarged=False)
        with pytest.raises(ImpossibleOutput):
            LIMITS.check_output(scaled_to(size, largest + 1 + largest // 100, None), known, enlarged=False)
    else:
        assert size.area <= (100 if output == "jpg" else 16) * MEGAPIXEL
