"""Encoders get as much effort as they can end with in time, and a picture that would always be late is refused by name."""

from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pictures import encoded, image
from tests.safety.judge import made
from transforms.engine.afford import PACES, affordable
from transforms.errors import ImpossibleOutput
from transforms.geometry import Size, scaled_to
from transforms.limits import MEGAPIXEL, Limits


@pytest.mark.parametrize(
    ("format", "options", "megapixels", "changed"),
    [
        ("webp", {"effort": 6}, 5, {}),
        ("webp", {"effort": 6}, 6, {"effort": 4}),
        ("webp", {"effort": 4}, 14, {}),
        ("webp", {"effort": 4}, 26, {"effort": 2}),
        ("webp", {"effort": 4}, 100, {"effort": 0}),
        ("webp", {"effort": 1}, 26, {}),
        ("webp", {"effort": 4, "lossless": True}, 3, {}),
        ("webp", {"effort": 4, "lossless": True}, 7, {"effort": 0}),
        ("png", {}, 24, {}),
        ("png", {"filter": "all"}, 25, {"compression": 3, "filter": "sub"}),
        ("png", {"filter": "all"}, 100, {"compression": 1, "filter": "sub"}),
        ("png", {"palette": True, "effort": 10}, 1, {"effort": 5}),
        ("png", {"palette": True}, 8, {"effort": 1}),
        ("gif", {"effort": 10}, 5, {"effort": 3}),
        ("gif", {"effort": 3}, 8, {"bitdepth": 7}),
        ("gif", {"effort": 2}, 12, {"bitdepth": 6, "dither": 0}),
        ("jpg", {}, 100, {}),
        ("tiff", {}, 33, {}),
        ("tiff", {}, 100, {"level": 1}),
        ("avif", {"effort": 4, "lossless": True}, 16, {}),
    ],
)
def test_a_large_picture_gets_less_effort(format: str, options: dict[str, object], megapixels: int, changed: dict[str, object]) -> None:
    assert affordable(format, options, Size(1000, 1000), megapixels) == {**options, **changed}
    assert affordable(format, options, Size(MEGAPIXEL, megapixels)) == {**options, **changed}


@pytest.mark.parametrize(
    ("format", "options", "most"),
    [("webp", {}, 100), ("webp", {"lossless": True}, 7), ("png", {"palette": True}, 8), ("gif", {}, 12)],
)
@pytest.mark.parametrize(("shape", "times"), [(Size(1000, 1000), 1), (Size(3333, 1777), 1), (Size(7, 9999), 1), (Size(1234, 987), 44)])
def test_what_would_always_be_late_is_refused_with_the_width_that_is_possible(
    format: str, options: dict[str, object], most: int, shape: Size, times: int
) -> None:
    with pytest.raises(ImpossibleOutput) as caught:
        affordable(format, options, large := Size(shape.width * 100, shape.height * 100), times)
    width = cast(int, caught.value.facts["largest_width"])
    assert str(width) in str(caught.value)
    assert caught.value.facts == {"pixels": large.area * times, "maximum": most * MEGAPIXEL, "largest_width": width}
    affordable(format, options, scaled_to(large, width, None), times)
    with pytest.raises(ImpossibleOutput):
        affordable(format, options, scaled_to(large, width + 2, None), times)


@pytest.mark.parametrize("format", ["gif", "webp"])
def test_what_moves_gets_less_effort_and_is_not_refused(format: str) -> None:
    options = affordable(format, {"effort": 6}, Size(2000, 2000), 50, moving=True)
    assert options["effort"] < 6
    assert "bitdepth" not in options


@given(st.sampled_from(sorted(PACES)), st.integers(0, 10), st.integers(1, 120), st.integers(1, 120))
def test_effort_never_rises_with_the_size(kind: str, effort: int, smaller: int, larger: int) -> None:
    smaller, larger = sorted((smaller, larger))
    *words, format = kind.split()
    options = {"effort": effort, **dict.fromkeys(words, True)}
    try:
        efforts = [affordable(format, options, Size(1000, 1000), times)["effort"] for times in (smaller, larger)]
    except ImpossibleOutput:
        return
    assert effort >= efforts[0] >= efforts[1]


def test_a_plan_learns_it_as_a_422_and_not_as_a_503(tmp_path: Path) -> None:
    (path := tmp_path / "picture").write_bytes(encoded(image(3000, 3000), ".png"))
    made(path, Limits(), "w1000,lossless", "webp")
    with pytest.raises(
        ImpossibleOutput, match=r"A lossless webp of 3000 x 3000 pixels would take too long to encode.* is 2645 as this kind"
    ):
        made(path, Limits(), "lossless", "webp")
