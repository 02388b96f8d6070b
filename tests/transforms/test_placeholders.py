"""What a page shows before the picture: the hash that everybody else makes, a colour that is in the picture, a tiny picture of it."""

import base64
import re
from collections.abc import Callable
from typing import Any

import pytest
import pyvips

from tests.pictures import BLUE, GREEN, RED, YELLOW, colours, image, near, transparent
from transforms.params import Colour
from transforms.placeholders import dominant, placeholders


def pattern(width: int, height: int, alpha: str) -> Any:
    """A picture that the reference implementation has seen too."""
    opacity: dict[str, Callable[[int, int], int]] = {
        "opaque": lambda x, y: 255 | x | y,
        "stairs": lambda x, y: 255 if x * 7 < y * 3 + width else 90,
        "waves": lambda x, y: (x * 3 + y * y + 40) % 256,
    }
    pixels = [
        ((x * 5 + y * 3) % 256, x * y % 256, (x * x + 7 * y) % 256, opacity[alpha](x, y)) for y in range(height) for x in range(width)
    ]
    frame = pyvips.Image.new_from_memory(bytes(level for pixel in pixels for level in pixel), width, height, 4, "uchar")
    return frame.copy(interpretation="srgb") if alpha != "opaque" else frame.copy(interpretation="srgb").extract_band(0, n=3)


# Made with rgbaToThumbHash of the package thumbhash 0.1.1 (npm). Patterns without a symmetry: an amplitude of nothing is 7 or 8 by chance.
VECTORS = [
    (100, 75, "opaque", "3wcGDYJmV2ZWN5BWJ1x2ZUUG9OzE"),
    (100, 75, "stairs", "3xeCDIIoZlc0BCNVVkUB/mz2i2eGiXd3CA=="),
    (100, 75, "waves", "3weCBIIHd0hVCEVXV1NQr2zLU10KdCumBg=="),
    (75, 100, "opaque", "3wcGDQJGdXYoJgdUVmdYZTV3wPcL"),
    (75, 100, "stairs", "3weGDAI5NVWHMwRkR2EIiu/weEiniHd3CA=="),
    (75, 100, "waves", "3weCDAIIRmWIMgh1V3IIW79xtJIFmQZLCg=="),
    (64, 64, "opaque", "3xcGDwZXY2RjcHlWt1d2Znd2dgRWr5YL"),
    (64, 64, "stairs", "3heGDQQ5VyIyUFRYZVcg8111r3d1mXh3hw=="),
    (64, 64, "waves", "3xeCDQIIWGNzcFdXdyhw9mm5YzcMgy63wA=="),
    (100, 10, "opaque", "3DcKGYpSUGh0d1mIcGNj/Ng="),
    (100, 10, "stairs", "WTeGEYQnMTBld4ZAdVX6ye+8d4eIeHc="),
    (100, 10, "waves", "3TeGCYQXZWB0iIVyYIK6+gukZ7R4eYg="),
    (3, 100, "opaque", "13YKIRCDkBeIiXKkcKDkeAQ="),
    (3, 100, "stairs", "13aKIRAPg5AXpydwoOR3BHx4wHjACAw="),
    (1, 1, "opaque", "AAgCBwAAAAAAAAAAAAAAAAAAAAAAAAAA"),
    (2, 1, "opaque", "AAgCBIJyDY2IiIfQKIdyiCCHCA=="),
    (32, 20, "opaque", "WhcKJIZQdYhjiIiGeIaAswXf+Q=="),
    (32, 20, "stairs", "FxeGE4IoMFNSh4dwxxbvys95Zph3d3c="),
    (32, 20, "waves", "XBeGE4QXUGWEiJeApCa/+XOHVHdiWPs="),
]


@pytest.mark.parametrize(("width", "height", "alpha", "expected"), VECTORS)
def test_the_thumbhash_is_that_of_the_reference_implementation(width: int, height: int, alpha: str, expected: str) -> None:
    assert placeholders(pattern(width, height, alpha)).thumbhash == expected


def noisy(width: int, height: int, colour: tuple[int, int, int], sigma: float = 4) -> Any:
    bands = [pyvips.Image.gaussnoise(width, height, mean=level, sigma=sigma, seed=level) for level in colour]
    return bands[0].bandjoin(bands[1:]).rint().cast("uchar").copy(interpretation="srgb")


def flat(width: int, height: int, colour: tuple[int, ...]) -> Any:
    return pyvips.Image.black(width, height).new_from_image(list(colour)).cast("uchar").copy(interpretation="srgb")


@pytest.mark.parametrize("colour", [RED, (0, 0, 0), (255, 255, 255), (127, 128, 15)])
def test_a_picture_of_one_colour_has_exactly_that(colour: tuple[int, int, int]) -> None:
    assert dominant(flat(640, 480, colour)) == Colour(*colour)
    assert placeholders(flat(64, 48, colour)).colour == f"#{bytes(colour).hex()}"


def test_shades_of_a_colour_count_together_wherever_they_lie() -> None:
    # 128 is where cells meet: each of the channels falls on both sides.
    picture = noisy(100, 60, (128, 128, 128)).join(flat(100, 40, RED), "vertical")
    assert near(dominant(picture), (128, 128, 128, 255), 2)


def test_the_dominant_colour_is_in_the_picture_and_not_between_its_colours() -> None:
    picture = image(100, 100, quarters=(BLUE, BLUE, RED, YELLOW))
    assert near(dominant(picture)[:3], BLUE, 2)


def test_what_is_transparent_has_no_colour() -> None:
    hidden, shown = flat(70, 100, (*GREEN, 0)), flat(30, 100, (*RED, 255))
    assert near(dominant(hidden.join(shown, "horizontal"))[:3], RED, 2)
    assert dominant(flat(9, 9, (*GREEN, 0))) == Colour(255, 255, 255)


def test_a_gray_frame_has_a_gray_colour() -> None:
    assert dominant(pyvips.Image.black(30, 20).new_from_image(90).cast("uchar").copy(interpretation="b-w")) == Colour(90, 90, 90)


def decoded(uri: str) -> bytes:
    assert uri.startswith("data:image/webp;base64,")
    return base64.b64decode(uri.partition(",")[2], validate=True)


def test_the_tiny_picture_shows_what_the_large_one_shows() -> None:
    data = decoded(placeholders(image(1200, 800)).data_uri)
    tiny = pyvips.Image.new_from_buffer(data, "")
    assert (tiny.width, tiny.height, tiny.hasalpha()) == (16, 11, False)
    assert all(near(seen, drawn, 40) for seen, drawn in zip(colours(data), (RED, GREEN, BLUE, YELLOW), strict=True))


def test_the_tiny_picture_is_transparent_where_the_large_one_is() -> None:
    tiny = pyvips.Image.new_from_buffer(decoded(placeholders(transparent(1200, 800)).data_uri), "")
    assert (tiny(3, 5)[3], tiny(12, 5)[3]) == (255, 0)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 1), (5000, 1), (1, 5000), (3000, 20), (1234, 777), (100, 100)])
@pytest.mark.parametrize("make", [image, transparent])
def test_pictures_of_any_size_have_small_placeholders(make: Any, width: int, height: int) -> None:
    found = placeholders(make(max(2, width), max(2, height)).crop(0, 0, width, height))
    assert 5 < len(base64.b64decode(found.thumbhash, validate=True)) <= 25
    assert re.fullmatch("#[0-9a-f]{6}", found.colour)
    assert len(found.data_uri) < 500


def test_noise_with_transparency_is_the_worst_there_is() -> None:
    found = placeholders(noisy(64, 64, (128, 128, 128), 90).bandjoin(noisy(64, 64, (99, 128, 128), 90)[0]))
    assert len(found.data_uri) < 700
