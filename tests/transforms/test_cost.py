"""What a render will cost is foretold by the rules by which it is carried out."""

from dataclasses import replace
from fractions import Fraction

import pytest
import pyvips

from tests.pictures import encoded
from transforms.engine.cost import Cost, cost
from transforms.errors import ImpossibleOutput
from transforms.geometry import Size
from transforms.grammar import parse
from transforms.limits import Limits
from transforms.shrink import decoded_size, jpeg_shrink, webp_scale
from transforms.values import Facts

PHOTO = Facts(format="jpg", width=4000, height=3000)
DRAWING = Facts(format="png", width=900, height=600, alpha=True)
MOVING = Facts(format="gif", width=60, height=40, frames=3)


def cost_of(asked: str, facts: Facts, whole: Size | None = None) -> Cost:
    text, _, format = asked.rpartition(".")
    return cost(parse(text, format).resolve(facts), facts, whole or facts.size, Limits())


@pytest.mark.parametrize(
    ("asked", "facts", "expected"),
    [
        ("w400.webp", PHOTO, ((1000, 750), (400, 300), 1, 0)),
        ("w600.webp", PHOTO, ((2000, 1500), (600, 450), 1, 0)),
        ("w2001.webp", PHOTO, ((4000, 3000), (2001, 1501), 1, 0)),
        ("_.png", PHOTO, ((4000, 3000), (4000, 3000), 1, 0)),
        ("w400/rotate90.jpg", PHOTO, ((1000, 750), (400, 300), 1, 400 * 300 * 3)),
        ("w400,q_auto.jpg", PHOTO, ((1000, 750), (400, 300), 1, 400 * 300 * 3)),
        ("blur2,w400,maxbytes9000.jpg", PHOTO, ((1000, 750), (400, 300), 1, 2 * 400 * 300 * 3)),
        ("crop_0_0_2000_1500/w200.jpg", PHOTO, ((2000, 1500), (800, 600), 1, 800 * 600 * 3)),
        ("w300.webp", DRAWING, ((900, 600), (300, 200), 1, 0)),
        ("w300,blur2.webp", DRAWING, ((900, 600), (300, 200), 1, 300 * 200 * 4)),
        ("w30.webp", MOVING, ((60, 40), (30, 20), 3, 30 * 20 * 3 * 3)),
        ("w30.jpg", MOVING, ((60, 40), (30, 20), 1, 0)),
    ],
)
def test_pixels_and_memory(asked: str, facts: Facts, expected: tuple[object, ...]) -> None:
    told = cost_of(asked, facts)
    assert (told.decoded, told.begun, told.frames, told.held) == expected


def test_a_mezzanine_is_decoded_instead_of_the_whole() -> None:
    assert cost_of("w400.webp", PHOTO, Size(2048, 1536)).decoded == (1024, 768)


@pytest.mark.parametrize(
    ("asked", "facts", "told"),
    [
        ("w400.webp", PHOTO, {"effort": 4, "Q": 80}),
        ("_.webp", replace(PHOTO, width=6000, height=4000), {"effort": 2, "Q": 80}),
        ("w400,q50.jpg", PHOTO, {"Q": 50, "optimize_coding": True}),
        ("w80.txt", PHOTO, {}),
    ],
)
def test_what_the_encoder_is_told(asked: str, facts: Facts, told: dict[str, object]) -> None:
    assert cost_of(asked, facts).encoder.items() >= told.items()
    assert bool(told) == bool(cost_of(asked, facts).encoder)


def test_what_would_be_refused_is_refused_before_anything_is_decoded() -> None:
    with pytest.raises(ImpossibleOutput, match="largest width"):
        cost_of("palette.png", PHOTO)


@pytest.mark.parametrize("wanted", [Size(10, 7), Size(99, 69), Size(100, 70), Size(201, 141), Size(400, 281), Size(801, 562)])
def test_decoders_make_the_size_that_was_foretold(wanted: Size) -> None:
    whole = Size(803, 563)
    noise = pyvips.Image.gaussnoise(*whole).cast("uchar")
    factor = min(Fraction(whole.width, wanted.width), Fraction(whole.height, wanted.height))
    jpg = pyvips.Image.jpegload_buffer(encoded(noise, ".jpg"), shrink=jpeg_shrink(factor))
    webp = pyvips.Image.webpload_buffer(encoded(noise, ".webp"), scale=webp_scale(factor))
    for name, made in (("jpg", jpg), ("webp", webp)):
        assert decoded_size(Facts(format=name, width=803, height=563), whole, wanted) == (made.width, made.height), name
