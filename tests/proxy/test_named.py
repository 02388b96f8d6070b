"""The named transforms: names and arguments become plans, and what will not do is refused by its name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from proxy.errors import NoSuchAddress
from proxy.named import NAMED, arguments, plan_of
from services.errors import BadRequest
from transforms.errors import PlanError, ProgImageError
from transforms.grammar import parse

NUMBERS = {"x": "0", "y": "0", "w": "9", "h": "9", "angle": "45", "colour": "f5c542", "fit": "cover", "g": "north"}
WORDS = {"direction": "v", "shape": "heart", "bg": "102030", "factor": "1.5", "gamma": "2", "opacity": "0.5", "radius": "3"}
PLAIN = {"quality": "50", "level": "9", "levels": "9", "sigma": "2", "size": "5"}
VALUES = {**NUMBERS, **WORDS, **PLAIN}


@pytest.mark.parametrize(
    ("name", "query", "source", "plan"),
    [
        ("thumbnail", {}, "jpg", "w128.jpg"),
        ("thumbnail", {"w": "64"}, "jpg", "w64.jpg"),
        ("thumbnail", {"width": "64", "height": "64", "fit": "cover"}, "gif", "w64,h64,fit_cover.gif"),
        ("resize", {"h": "90"}, "webp", "h90.webp"),
        ("crop", {"w": "90", "h": "80"}, "png", "crop_0_0_90_80.png"),
        ("crop", {"x": "10p", "y": "5", "w": "50p", "h": "50p"}, "png", "crop_10p_5_50p_50p.png"),
        ("rotate", {}, "jpg", "rotate90.jpg"),
        ("rotate", {"angle": "45"}, "jpg", "rotate45.jpg"),
        ("flip", {"direction": "v"}, "jpg", "flip_v.jpg"),
        ("compress", {}, "jpg", "q60.jpg"),
        ("compress", {"quality": "30"}, "webp", "q30.webp"),
        ("compress", {}, "png", "palette.png"),
        ("compress", {}, "gif", "_.gif"),
        ("convert", {"format": "webp"}, "png", "_.webp"),
        ("convert", {"ext": "JPEG"}, "png", "_.jpg"),
        ("grayscale", {}, "jpg", "gray.jpg"),
        ("blur", {"radius": "2.5"}, "jpg", "blur2.5.jpg"),
        ("mask", {"shape": "heart", "format": "auto"}, "jpg", "mask_heart.auto"),
        ("tint", {"color": "123"}, "jpg", "tint_112233.jpg"),
        ("round", {}, "png", "radius_max.png"),
        ("pad", {"size": "4", "bg": "fff"}, "png", "pad4,bg_ffffff.png"),
        ("sepia", {"v": "3", "utm_source": "mail"}, "svg", "sepia.png"),
    ],
)
def test_a_name_and_its_arguments_are_a_plan(name: str, query: dict[str, str], source: str, plan: str) -> None:
    made = plan_of(name, query, source)
    assert f"{made}.{made.format}" == plan
    assert parse(str(made), made.format) == made


@pytest.mark.parametrize(
    ("name", "query", "argument"),
    [
        ("rotate", {"angle": "x"}, "angle"),
        ("rotate", {"angle": "360"}, "angle"),
        ("rotate", {"angle": "90,blur3"}, "angle"),
        ("rotate", {"angle": "９"}, "angle"),
        ("mask", {"shape": "hart"}, "shape"),
        ("blur", {"sigma": "0.01"}, "sigma"),
        ("crop", {"w": "9"}, "h"),
        ("crop", {}, "w"),
        ("crop", {"w": "9/blur3", "h": "9"}, "x"),
        ("tint", {}, "colour"),
        ("brightness", {"factor": ""}, "factor"),
        ("rotate", {"angel": "90"}, "angel"),
        ("sepia", {"w": "9"}, "w"),
    ],
)
def test_what_will_not_do_is_refused_by_the_name_of_its_argument(name: str, query: dict[str, str], argument: str) -> None:
    with pytest.raises(BadRequest) as caught:
        plan_of(name, query, "jpg")
    assert caught.value.facts["argument"] == argument
    assert argument in str(caught.value)


@pytest.mark.parametrize("query", ["w=10&w=20", "w=10&w=", "w=10&width=20", "format=png&w=9&format=jpg", "format=png&ext=jpg"])
def test_an_argument_that_is_given_twice_is_refused(query: str) -> None:
    with pytest.raises(BadRequest, match=f"give '{query.partition('=')[0]}' once"):
        plan_of("thumbnail", QueryParams(query), "jpg")


def test_what_would_do_is_said_without_what_joins_it_in_a_plan() -> None:
    with pytest.raises(BadRequest, match=r"one of circle, .*, hexagon, or the id of an image\.$"):
        plan_of("mask", {"shape": "hart"}, "png")


def test_nothing_to_do_is_refused() -> None:
    with pytest.raises(BadRequest, match="w, h"):
        plan_of("resize", {}, "jpg")


def test_an_unknown_name_is_not_found_and_told_the_known_ones() -> None:
    with pytest.raises(NoSuchAddress, match="'thumbnail'") as caught:
        plan_of("thumbnial", {}, "jpg")
    assert caught.value.facts == {"expected": list(NAMED), "nearest": "thumbnail"}


def test_an_option_that_was_asked_for_is_never_left_out() -> None:
    with pytest.raises(PlanError, match="png has no q"):
        plan_of("compress", {"quality": "50"}, "png")
    with pytest.raises(PlanError, match="'exe' is no output format"):
        plan_of("convert", {"format": "exe"}, "png")


@pytest.mark.parametrize("name", NAMED)
def test_every_name_makes_a_plan_when_all_of_its_arguments_are_given(name: str) -> None:
    query = {argument: VALUES[argument] for argument, names in arguments().items() if name in names}
    made = plan_of(name, query, "webp")
    assert name == "convert" or made.text != "_"


@given(name=st.sampled_from(list(NAMED)), query=st.dictionaries(st.sampled_from([*arguments(), "format", "zz"]), st.text(max_size=12)))
def test_whatever_the_query_says_it_is_a_plan_or_an_error_of_ours(name: str, query: dict[str, str]) -> None:
    try:
        made = plan_of(name, query, "jpg")
    except ProgImageError as error:
        assert str(error)
    else:
        assert parse(str(made), made.format) == made
