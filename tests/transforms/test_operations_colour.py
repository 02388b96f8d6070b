"""Operations on colour: their text, what they do to known pixels, and what they leave alone."""

import re
from pathlib import Path
from typing import Any

import pytest
import pyvips

from tests.pictures import BLUE, GREEN, RED, YELLOW, animation, colours, covering, encoded, image, near, transparent
from transforms.engine import execute, verify
from transforms.errors import PlanError
from transforms.formats import FORMATS
from transforms.geometry import Size
from transforms.grammar import parse
from transforms.limits import Limits
from transforms.operation import registry
from transforms.values import Facts, Rendition

LIMITS = Limits(accepted=frozenset(FORMATS))
FACTS = Facts(format="png", width=60, height=40, frames=1, orientation=1, alpha=True)
BLACK, WHITE = (0, 0, 0), (255, 255, 255)

# One plan an operation that does something to every picture with colours.
PLANS = (
    *("gray", "sepia", "invert", "normalize", "brightness0.5", "contrast0.5", "saturate0.5", "hue120", "gamma2.2"),
    *("tint_2864c8", "duotone_1e3264_f5c542", "threshold128", "posterize4", "opacity0.5"),
)
COLOUR_PLANS = [plan for plan in PLANS if not plan.startswith("opacity")]


class Studio:
    """Renders bytes by way of a file, as the children of the pool do."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "original"

    def render(self, data: bytes, plan: str, extension: str = "png") -> Rendition:
        self._path.write_bytes(data)
        facts = verify(self._path, LIMITS)
        return execute(parse(plan, extension).resolve(facts).plan, self._path, facts, LIMITS)


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


def quarters(*four: tuple[int, int, int]) -> bytes:
    return encoded(image(quarters=four))


# Text


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        *((plan, plan) for plan in PLANS),
        ("brightness1.50", "brightness1.5"),
        ("contrast0.0", "contrast0"),
        ("saturate10.0", "saturate10"),
        ("hue007", "hue7"),
        ("gamma0.10", "gamma0.1"),
        ("tint_F0c", "tint_ff00cc"),
        ("duotone_000_ABCDEF", "duotone_000000_abcdef"),
        ("opacity0", "opacity0"),
        ("opacity0.5,posterize2,tint_fff,invert,gray", "gray,invert,tint_ffffff,posterize2,opacity0.5"),
    ],
)
def test_text_has_one_canonical_form(text: str, canonical: str) -> None:
    assert str(parse(text, "webp")) == canonical
    assert parse(canonical, "webp") == parse(text, "webp")
    assert str(parse(text, "webp").resolve(FACTS).plan) == canonical


@pytest.mark.parametrize("text", ["brightness1", "contrast1.0", "saturate1.00", "hue0", "gamma1", "opacity1", "hue000,opacity1.0"])
def test_what_changes_nothing_vanishes(text: str) -> None:
    assert str(parse(text, "webp")) == str(parse(text, "webp").resolve(FACTS).plan) == "_"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *((f"{name}{wrong}", "nothing after the name") for name in ("gray", "sepia", "invert", "normalize") for wrong in ("1", "_on")),
        *(
            (f"{name}{wrong}", "a number from 0 to 10 with at most 2 decimal places")
            for name in ("brightness", "contrast", "saturate")
            for wrong in ("", "10.01", "11", "_2", "-1")
        ),
        *((f"hue{wrong}", "a whole number from 0 to 359") for wrong in ("", "360", "1.5", "_90")),
        *((f"gamma{wrong}", "a number from 0.1 to 10 with at most 2 decimal places") for wrong in ("", "0", "0.09", "10.1", "_2")),
        *((f"tint{wrong}", "a colour of 3 or 6 hex") for wrong in ("", "5", "_ff", "_ff00ff80", "_transparent", "_gggggg", "_fff_000")),
        *((f"duotone{wrong}", "two colours of 3 or 6 hex") for wrong in ("", "_fff", "5_fff_000", "_fff_00000g", "_000_fff_000")),
        *((f"threshold{wrong}", "a whole number from 1 to 255") for wrong in ("", "0", "256", "1.5")),
        *((f"posterize{wrong}", "a whole number from 2 to 64") for wrong in ("", "1", "65", "_4")),
        *((f"opacity{wrong}", "a number from 0 to 1 with at most 2 decimal places") for wrong in ("", "1.01", "2", "_50p")),
    ],
)
def test_refusals_name_what_was_expected(text: str, expected: str) -> None:
    with pytest.raises(PlanError, match=f"^{re.escape(repr(text))}: '[a-z]+' takes {expected}"):
        parse(text, "webp")


@pytest.mark.parametrize("plan", PLANS)
def test_examples_in_the_registry_are_canonical(plan: str) -> None:
    name = plan.split("_", maxsplit=1)[0].rstrip("0123456789.")
    example = registry()[name].parameters()[name].example
    assert str(parse(example, "webp")) == example


# Known pixels: what the formulas of the standards say; Chromium, given the same CSS filters, differs by one level at most.

STANDARD: list[tuple[str, list[tuple[int, ...]]]] = [
    ("gray", [(65, 65, 65), (149, 149, 149), (35, 35, 35), (215, 215, 215)]),
    ("sepia", [(110, 98, 76), (165, 147, 115), (67, 60, 46), (255, 240, 187)]),
    ("invert", [(25, 235, 235), (235, 55, 235), (235, 235, 25), (25, 25, 235)]),
    ("brightness0.5", [(115, 10, 10), (10, 100, 10), (10, 10, 115), (115, 115, 10)]),
    ("brightness2", [(255, 40, 40), (40, 255, 40), (40, 40, 255), (255, 255, 40)]),
    ("brightness0", [BLACK] * 4),
    ("contrast0.5", [(179, 74, 74), (74, 164, 74), (74, 74, 179), (179, 179, 74)]),
    ("contrast2", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)]),
    ("contrast0", [(128, 128, 128)] * 4),
    ("saturate0", [(65, 65, 65), (149, 149, 149), (35, 35, 35), (215, 215, 215)]),
    ("saturate0.5", [(147, 42, 42), (84, 174, 84), (28, 28, 133), (222, 222, 117)]),
    ("hue180", [(0, 109, 109), (255, 97, 255), (50, 50, 0), (200, 200, 255)]),
    ("gamma2", [(242, 71, 71), (71, 226, 71), (71, 71, 242), (242, 242, 71)]),
    ("gamma0.5", [(207, 2, 2), (2, 157, 2), (2, 2, 207), (207, 207, 2)]),
    ("duotone_000000_ffffff", [(65, 65, 65), (149, 149, 149), (35, 35, 35), (215, 215, 215)]),
    ("duotone_ff0000_0000ff", [(190, 0, 65), (106, 0, 149), (220, 0, 35), (40, 0, 215)]),
    ("threshold149", [BLACK, WHITE, BLACK, WHITE]),
    ("threshold150", [BLACK, BLACK, BLACK, WHITE]),
    ("threshold1", [WHITE] * 4),
    ("posterize2", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)]),
    ("posterize4", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)]),
    ("posterize64", [(231, 20, 20), (20, 202, 20), (20, 20, 231), (231, 231, 20)]),
]


@pytest.mark.parametrize(("plan", "expected"), STANDARD)
def test_known_colours_become_what_the_formula_says(studio: Studio, plan: str, expected: list[tuple[int, ...]]) -> None:
    seen = colours(studio.render(encoded(image()), plan).data)
    assert all(near(one, wanted, 1) for one, wanted in zip(seen, expected, strict=True)), seen


@pytest.mark.parametrize(("hue", "expected"), [(120, GREEN), (240, BLUE)])
def test_a_third_of_the_wheel_takes_red_to_the_next_primary(studio: Studio, hue: int, expected: tuple[int, ...]) -> None:
    red = colours(studio.render(quarters(RED, RED, RED, RED), f"hue{hue}").data)[0]
    assert red.index(max(red)) == expected.index(max(expected))


@pytest.mark.parametrize("plan", ["hue90", "saturate10", "saturate0.3", "tint_777777", "gray", "duotone_000_fff"])
def test_greys_stay_as_they_are(studio: Studio, plan: str) -> None:
    greys = [(0, 0, 0), (90, 90, 90), (170, 170, 170), (255, 255, 255)]
    seen = colours(studio.render(quarters(*greys), plan).data)
    assert all(near(one, wanted, 1) for one, wanted in zip(seen, greys, strict=True)), seen


@pytest.mark.parametrize("ink", ["ff0000", "2864c8", "010203", "ffffff", "000000"])
def test_a_tint_keeps_black_white_and_the_weight_of_what_lies_between(studio: Studio, ink: str) -> None:
    seen = colours(studio.render(quarters(BLACK, (90, 90, 90), (170, 170, 170), WHITE), f"tint_{ink}").data)
    weights = [0.3 * red + 0.59 * green + 0.11 * blue for red, green, blue in seen]
    assert (seen[0], seen[3]) == (BLACK, WHITE)
    assert weights == pytest.approx([0, 90, 170, 255], abs=1)


def test_a_tint_has_the_hue_of_its_colour(studio: Studio) -> None:
    blueish = colours(studio.render(encoded(image()), "tint_2864c8").data)
    assert all(red < green < blue for red, green, blue in blueish)


def test_normalize_stretches_to_black_and_white(studio: Studio) -> None:
    seen = colours(studio.render(quarters((100, 100, 100), (120, 120, 120), (130, 130, 130), (150, 150, 150)), "normalize").data)
    assert seen == [BLACK, (102, 102, 102), (153, 153, 153), WHITE]


def test_normalize_leaves_the_differences_of_colours(studio: Studio) -> None:
    soft = ((110, 100, 105), (120, 120, 120), (118, 121, 125), (140, 140, 140))
    seen = colours(studio.render(quarters(*soft), "normalize").data)[2]
    assert (seen[1] - seen[0], seen[2] - seen[1]) == (3, 4)


def test_normalize_leaves_out_a_percent_at_each_end(studio: Studio) -> None:
    picture = image(100, 100, quarters=((100,) * 3, (120,) * 3, (130,) * 3, (150,) * 3))
    specks = pyvips.Image.black(7, 7, bands=3).cast("uchar").copy(interpretation="srgb")
    spotted = encoded(picture.insert(specks, 0, 0).insert(specks.invert(), 93, 93))
    assert colours(studio.render(spotted, "normalize").data) == [BLACK, (102, 102, 102), (153, 153, 153), WHITE]


def test_normalize_does_not_look_under_transparency(studio: Studio) -> None:
    picture = image(quarters=((100,) * 3, (0,) * 3, (150,) * 3, (255,) * 3))
    seen = colours(studio.render(encoded(picture.bandjoin(transparent()[3])), "normalize").data)
    assert (seen[0][:3], seen[2][:3]) == (BLACK, WHITE)


@pytest.mark.parametrize("shade", [0, 77, 255])
def test_normalize_leaves_one_shade_alone(studio: Studio, shade: int) -> None:
    assert colours(studio.render(quarters(*[(shade,) * 3] * 4), "normalize").data) == [(shade,) * 3] * 4


def test_normalize_leaves_what_cannot_be_seen(studio: Studio) -> None:
    hidden = encoded(image().bandjoin(0).cast("uchar"))
    assert [colour[3] for colour in colours(studio.render(hidden, "normalize").data)] == [0] * 4


def test_normalize_does_the_same_to_all_frames(studio: Studio) -> None:
    # Each frame alone would be stretched from its own darkest to its own lightest.
    dark, light = (image(quarters=((base,) * 3, (base + 30,) * 3) * 2) for base in (60, 150))
    strip = pyvips.Image.arrayjoin([dark, light], across=1).copy()
    strip.set_type(pyvips.GValue.gint_type, "page-height", 40)
    seen = studio.render(encoded(strip, ".webp", lossless=True), "normalize", "gif").data
    shades = [colours(seen, page)[n][0] for page in (0, 1) for n in (0, 1)]
    assert shades == pytest.approx([0, 64, 191, 255], abs=3)


# Opacity


@pytest.mark.parametrize(("plan", "expected"), [("opacity0.5", (128, 0)), ("opacity0", (0, 0)), ("opacity0.25/opacity0.5", (32, 0))])
def test_opacity_multiplies_alpha_and_leaves_colours(studio: Studio, plan: str, expected: tuple[int, int]) -> None:
    seen = colours(studio.render(encoded(transparent()), plan).data)
    assert [colour[3] for colour in seen] == [*expected, *expected]
    assert [colour[:3] for colour in seen] == [RED, GREEN, BLUE, YELLOW]


def test_opacity_gives_an_opaque_picture_alpha(studio: Studio) -> None:
    assert colours(studio.render(encoded(image()), "opacity0.5").data)[0] == (*RED, 128)


def test_opacity_shows_white_where_the_format_has_no_alpha(studio: Studio) -> None:
    source = encoded(image(120, 80))
    assert near(colours(studio.render(source, "opacity0.5", "jpg").data)[0], (242, 137, 137), 8)
    assert all(near(seen, WHITE, 1) for seen in colours(studio.render(source, "opacity0", "jpg").data))


# What every operation leaves alone


def decoded(rendition: Rendition) -> Any:
    return pyvips.Image.new_from_buffer(rendition.data, "", **({"n": -1} if FORMATS[rendition.format].animation else {}))


@pytest.mark.parametrize("plan", COLOUR_PLANS)
def test_alpha_is_untouched(studio: Studio, plan: str) -> None:
    # A ramp, so that a mistake in any level shows.
    ramp = (pyvips.Image.xyz(60, 40)[0] * 4).cast("uchar")
    after = decoded(studio.render(encoded(image().bandjoin(ramp)), plan))
    assert after.bands == 4
    assert (after[3] - ramp).abs().max() == 0


@pytest.mark.parametrize(("name", "alpha", "plan"), covering(["jpg", "png", "webp"], [False, True], PLANS))
def test_grey_pictures_work(studio: Studio, plan: str, alpha: bool, name: str) -> None:
    grey = image().colourspace("b-w")
    source = encoded(grey.bandjoin(transparent()[3]) if alpha else grey)
    assert studio.render(source, plan, name).size == Size(60, 40)


@pytest.mark.parametrize("plan", COLOUR_PLANS)
@pytest.mark.parametrize("alpha", [False, True])
def test_one_band_of_grey_is_as_good_as_three(plan: str, alpha: bool) -> None:
    grey = image().colourspace("b-w")
    frame = grey.bandjoin(transparent()[3]) if alpha else grey
    (operation,) = parse(plan, "png").stages[0].operations
    one, three = (operation.apply([kind], Size(60, 40), parse(plan, "png").stages[0])[0] for kind in (frame, frame.colourspace("srgb")))
    assert (one.bands, one.format, one.interpretation) == (3 + alpha, "uchar", "srgb")
    assert (one - three).abs().max() == 0


def test_opacity_works_on_one_band_of_grey() -> None:
    stage = parse("opacity0.5", "png").stages[0]
    (faded,) = stage.operations[0].apply([image().colourspace("b-w")], Size(60, 40), stage)
    assert (faded.bands, faded.format, faded(0, 0)[1]) == (2, "uchar", 128)


@pytest.mark.parametrize("name", ["gif", "webp"])
@pytest.mark.parametrize("plan", PLANS)
def test_an_animation_keeps_its_frames_delays_and_loop(studio: Studio, plan: str, name: str) -> None:
    strip = decoded(studio.render(animation(loop=3), plan, name))
    assert (strip.get("n-pages"), strip.get("delay"), strip.get("loop")) == (3, [50, 100, 150], 3)
    assert (strip.width, strip.get("page-height")) == (60, 40)


@pytest.mark.parametrize(("suffix", "plan"), covering([".jpg", ".png", ".webp"], PLANS))
def test_the_size_is_exact(studio: Studio, plan: str, suffix: str) -> None:
    source = encoded(image(211, 307), suffix)
    for size, expected in (("", Size(211, 307)), ("w37,", Size(37, 54)), ("w40,h30,fit_contain,", Size(40, 30))):
        assert studio.render(source, size + plan).size == expected


@pytest.mark.parametrize("plan", PLANS)
def test_one_operation_after_another(studio: Studio, plan: str) -> None:
    later = plan + "/" + "/".join(PLANS)
    assert studio.render(encoded(transparent()), later).size == Size(60, 40)
