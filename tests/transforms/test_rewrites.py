"""What is filled in before a plan is resolved: presets, the focal point, measured parts; and how an original is seen."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import pytest

from transforms.errors import PlanError
from transforms.geometry import Box, Size
from transforms.grammar import parse
from transforms.operations.gravity import Point
from transforms.plan import Plan
from transforms.rewrites import expanded, has_focal, has_preset, unmeasured, with_box, with_focal
from transforms.values import Facts

PRESETS: Mapping[str, Plan] = {
    "card": parse("w400,h300,fit_cover,q70", "auto"),
    "cover": parse("page2,w100", "auto"),
    "soft": parse("w50/blur2,lossless", "auto"),
}
MOVING = Facts(format="gif", width=80, height=60, frames=12)
LYING = Facts(format="jpg", width=600, height=800, orientation=6)


@pytest.mark.parametrize(
    ("text", "extension", "expected"),
    [
        ("p_card", "webp", "w400,h300,fit_cover,q70"),
        ("p_card", "png", "w400,h300,fit_cover"),
        ("p_card/rotate90", "webp", "w400,h300,fit_cover/rotate90,q70"),
        ("p_card/q30", "webp", "w400,h300,fit_cover,q30"),
        ("p_soft/p_card", "webp", "w50/blur2/w400,h300,fit_cover,lossless"),
        ("p_soft", "jpg", "w50/blur2"),
        ("p_cover", "webp", "page2,w100"),
        ("page3/p_card", "webp", "page3,w400,h300,fit_cover,q70"),
        ("w9", "webp", "w9"),
    ],
)
def test_a_preset_stands_for_its_plan(text: str, extension: str, expected: str) -> None:
    plan = parse(text, extension)
    assert str(expanded(plan, PRESETS)) == expected
    assert parse(str(plan), extension) == plan
    assert not has_preset(expanded(plan, PRESETS))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("p_cart", "Did you mean 'card'"),
        ("p_zzzzzz", "no preset 'zzzzzz'"),
        ("w5/p_cover", "nothing may stand before it"),
        ("page1/p_cover", "nothing may stand before it"),
        ("/".join(["p_soft"] * 9), "18 stages; at most 16"),
    ],
)
def test_a_preset_that_cannot_be_meant_is_named(text: str, sentence: str) -> None:
    with pytest.raises(PlanError, match=sentence):
        expanded(parse(text, "webp"), PRESETS)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("p_card,w9", "alone in its stage"),
        ("p_card,q9", "alone in its stage"),
        ("p_Card", "lower case"),
        ("p", "name of a preset"),
        ("p9", "name of a preset"),
        ("w9/page2", "first stage"),
        ("w9/orient_none", "first stage"),
        ("page0", "from 1"),
        ("frames0", "from 1"),
        ("orient_up", "_none"),
    ],
)
def test_what_stands_in_the_wrong_place_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(PlanError, match=sentence):
        parse(text, "webp")


@pytest.mark.parametrize(
    ("text", "extension", "canonical"),
    [
        ("w9,page2", "webp", "page2,w9"),
        ("page2/w9", "webp", "page2,w9"),
        ("page2/p_card", "webp", "page2/p_card"),
        ("frames3,w9", "webp", "frames3,w9"),
        ("frames3,w9", "jpg", "w9"),
        ("page1,w9", "jpg", "w9"),
        ("page1,w9", "webp", "page1,w9"),
        ("page4,frames3,w9", "jpg", "page4,w9"),
        ("orient_none", "jpg", "orient_none"),
    ],
)
def test_how_an_original_is_seen_is_written_first(text: str, extension: str, canonical: str) -> None:
    plan = parse(text, extension)
    assert str(plan) == canonical
    assert parse(canonical, extension) == plan


@pytest.mark.parametrize(
    ("text", "extension", "resolved", "frames"),
    [
        ("_", "webp", "_", 12),
        ("_", "jpg", "_", 1),
        ("frames12", "webp", "_", 12),
        ("frames99", "webp", "_", 12),
        ("frames4", "webp", "frames4", 4),
        ("frames1", "webp", "page1", 1),
        ("page1", "webp", "page1", 1),
        ("page3", "webp", "page3", 1),
        ("page3,frames1", "webp", "page3", 1),
        ("page3,frames4", "gif", "page3,frames4", 4),
        ("page3,frames99", "gif", "page3,frames10", 10),
        ("page1,frames12", "gif", "_", 12),
        ("page3,frames4", "jpg", "page3", 1),
        ("page1", "jpg", "_", 1),
    ],
)
def test_frames_come_down_to_one_text(text: str, extension: str, resolved: str, frames: int) -> None:
    found = parse(text, extension).resolve(MOVING)
    assert (str(found.plan), found.frames) == (resolved, frames)
    assert parse(resolved, extension).resolve(MOVING).digest == found.digest


@pytest.mark.parametrize("text", ["page13", "page99999", "page13,frames2"])
def test_a_frame_that_is_not_there_is_named(text: str) -> None:
    with pytest.raises(PlanError, match="from 1 to 12"):
        parse(text, "webp").resolve(MOVING)


def test_only_a_still_of_an_animation_is_warned_of() -> None:
    assert parse("w9", "jpg").resolve(MOVING).warnings == ("Only the first of 12 frames is shown: jpg does not move.",)
    for text, extension, facts in (("w9", "webp", MOVING), ("page2", "jpg", MOVING), ("w9", "jpg", LYING)):
        assert parse(text, extension).resolve(facts).warnings == ()


def test_an_unapplied_orientation_turns_the_size() -> None:
    assert parse("orient_none", "jpg").resolve(LYING).size == Size(800, 600)
    assert parse("orient_none,w400", "jpg").resolve(LYING).size == Size(400, 300)
    assert str(parse("orient_none", "jpg").resolve(replace(LYING, orientation=1)).plan) == "_"
    assert parse("orient_none", "jpg").resolve(replace(LYING, orientation=3)).size == Size(600, 800)


def test_the_focal_point_takes_the_place_of_the_word() -> None:
    plan = parse("w10,h10,fit_cover,g_focal/ar_1_1,g_focal", "webp")
    assert has_focal(plan)
    point = Point(Decimal("0.25"), Decimal("0.7"))
    assert str(with_focal(plan, point)) == "w10,h10,fit_cover,g_0.25_0.7/ar_1_1,g_0.25_0.7"
    center = with_focal(plan, Point(Decimal("0.5"), Decimal("0.5")))
    assert str(center) == "w10,h10,fit_cover/ar_1_1"
    assert not has_focal(center)


def test_what_is_measured_becomes_a_crop_before_the_rest_of_its_stage() -> None:
    plan = parse("w400/trim20,crop_0_0_5_5,rotate90/trim", "webp")
    first = unmeasured(plan)
    assert first is not None
    assert str(first) == "w400/trim20"
    found = with_box(plan, Box(3, 4, 50, 60))
    assert str(found) == "w400/crop_3_4_50_60/crop_0_0_5_5,rotate90/trim"
    second = unmeasured(found)
    assert second is not None
    assert str(second) == "w400/crop_3_4_50_60/crop_0_0_5_5,rotate90/trim"
    last = with_box(found, Box(0, 0, 5, 5))
    assert str(last) == "w400/crop_3_4_50_60/crop_0_0_5_5,rotate90/crop_0_0_5_5"
    assert unmeasured(last) is None
