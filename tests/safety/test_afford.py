"""Encoders get as much effort as they can end with in time, and a picture that would always be late is refused by name."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pictures import encoded, image
from tests.safety.judge import made
from transforms.engine.afford import PACES, affordable
from transforms.errors import ImpossibleOutput
from transforms.limits import MEGAPIXEL, Limits


@pytest.mark.parametrize(
    ("format", "options", "megapixels", "changed"),
    [
        ("webp", {"effort": 6}, 16, {}),
        ("webp", {"effort": 6}, 17, {"effort": 4}),
        ("webp", {"effort": 4}, 70, {"effort": 2}),
        ("webp", {"effort": 4}, 100, {"effort": 0}),
        ("webp", {"effort": 1}, 70, {}),
        ("webp", {"effort": 4, "lossless": True}, 4, {}),
        ("webp", {"effort": 4, "lossless": True}, 7, {"effort": 0}),
        ("png", {}, 30, {}),
        ("png", {"filter": "all"}, 31, {"compression": 3, "filter": "sub"}),
        ("png", {"palette": True, "effort": 10}, 4, {"effort": 7}),
        ("png", {"palette": True}, 16, {"effort": 1}),
        ("gif", {"effort": 10}, 12, {"effort": 3}),
        ("jpg", {}, 100, {}),
        ("tiff", {}, 40, {}),
        ("tiff", {}, 100, {"level": 1}),
        ("avif", {"effort": 4, "lossless": True}, 16, {}),
    ],
)
def test_a_large_picture_gets_less_effort(format: str, options: dict[str, object], megapixels: int, changed: dict[str, object]) -> None:
    assert affordable(format, options, megapixels * MEGAPIXEL) == {**options, **changed}


@pytest.mark.parametrize(
    ("format", "options", "most"),
    [("webp", {}, 100), ("webp", {"lossless": True}, 7), ("png", {"palette": True}, 16), ("gif", {}, 12)],
)
def test_what_would_always_be_late_is_refused_with_what_is_possible(format: str, options: dict[str, object], most: int) -> None:
    affordable(format, options, most * MEGAPIXEL)
    with pytest.raises(ImpossibleOutput, match=str(most * MEGAPIXEL)) as caught:
        affordable(format, options, most * MEGAPIXEL + 1)
    assert caught.value.facts == {"pixels": most * MEGAPIXEL + 1, "maximum": most * MEGAPIXEL}


@given(st.sampled_from(sorted(PACES)), st.integers(0, 10), st.integers(1, 120), st.integers(1, 120))
def test_effort_never_rises_with_the_size(kind: str, effort: int, smaller: int, larger: int) -> None:
    smaller, larger = sorted((smaller, larger))
    *words, format = kind.split()
    options = {"effort": effort, **dict.fromkeys(words, True)}
    try:
        efforts = [affordable(format, options, size * MEGAPIXEL)["effort"] for size in (smaller, larger)]
    except ImpossibleOutput:
        return
    assert effort >= efforts[0] >= efforts[1]


def test_a_plan_learns_it_as_a_422_and_not_as_a_503(tmp_path: Path) -> None:
    (path := tmp_path / "picture").write_bytes(encoded(image(3000, 3000), ".png"))
    made(path, Limits(), "w1000,lossless", "webp")
    with pytest.raises(
        ImpossibleOutput, match=re.escape("A lossless webp of 9000000 pixels would take too long; at most 7000000 are possible")
    ):
        made(path, Limits(), "lossless", "webp")
