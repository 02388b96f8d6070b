"""The grammar of plans, their canonical form, and what they come down to on a picture."""

import random
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.errors import ImpossibleOutput, PlanError
from transforms.geometry import Size
from transforms.grammar import parse
from transforms.operation import PIPELINE, OutputOption, registry
from transforms.values import Facts

PHOTO = Facts(format="jpg", width=800, height=600)

LARGEST_SIDE = 16383

CANONICAL = [
    # text, extension, canonical text
    ("w256", "webp", "w256"),
    ("w007", "webp", "w7"),
    ("h300,w400", "jpg", "w400,h300"),
    ("w128,dpr2.0", "webp", "w128,dpr2"),
    ("w128,dpr1.50", "webp", "w128,dpr1.5"),
    ("w128,dpr1", "webp", "w128"),
    ("dpr2", "webp", "_"),
    ("rotate0", "webp", "_"),
    ("_", "png", "_"),
    ("g_north", "webp", "_"),
    ("w100,g_north", "webp", "w100"),
    ("w100,fit_cover,g_north", "webp", "w100"),
    ("w100,h100,fit_cover,g_center", "webp", "w100,h100,fit_cover"),
    ("w100,h100,fit_cover,g_0.5_0", "webp", "w100,h100,fit_cover,g_north"),
    ("w100,h100,fit_cover,g_0.30_0.7", "webp", "w100,h100,fit_cover,g_0.3_0.7"),
    ("w100,h100,fit_inside", "webp", "w100,h100"),
    ("enlarge", "webp", "_"),
    ("enlarge,w9", "webp", "w9,enlarge"),
    ("w9,bg_fff", "webp", "w9,bg_ffffff"),
    ("w9,bg_fff", "jpg", "w9"),
    ("w9,bg_abcdef80", "png", "w9,bg_abcdef80"),
    ("w9,bg_ABCDEF", "png", "w9,bg_abcdef"),
    ("w9,bg_transparent", "png", "w9"),
    ("q80", "webp", "_"),
    ("q79", "webp", "q79"),
    ("q79", "auto", "q79"),
    ("q70,w10/rotate90", "webp", "w10/rotate90,q70"),
    ("w100//rotate90", "webp", "w100/rotate90"),
    ("crop_010_0_50p_50.50p", "webp", "crop_10_0_50p_50.5p"),
    ("flip_hv,rotate90", "gif", "rotate90,flip_hv"),
    ("w10/w20", "tif", "w10/w20"),
]

REFUSED = [
    # text, extension, what the sentence must name
    ("w0", "webp", "'w0': 'w' takes a whole number from 1 to 16383."),
    ("w16384", "webp", "from 1 to 16383"),
    ("w", "webp", "whole number"),
    ("w1.5", "webp", "whole number"),
    ("w-5", "webp", "whole number"),
    ("w+5", "webp", "whole number"),
    ("w1e3", "webp", "whole number"),
    ("w0x10", "webp", "whole number"),
    ("w1_000", "webp", "whole number"),
    ("w١٢٣", "webp", "whole number"),
    ("w１００", "webp", "whole number"),
    ("w" + "9" * 5000, "webp", "whole number"),
    ("w10,w10", "webp", "twice"),
    ("w10,w20", "webp", "twice"),
    ("w10,,h5", "webp", "comma too many"),
    ("W10", "webp", "Did you mean 'w10'"),
    ("FIT_Cover", "webp", "Did you mean 'fit_cover'"),
    ("TEXT_SGVsbG8", "webp", "Did you mean 'text_SGVsbG8'"),
    ("WIDTH10", "webp", "Did you mean 'w'"),
    ("widht10", "webp", "Did you mean 'w'"),
    ("height10", "webp", "Did you mean 'h'"),
    ("quality10", "webp", "Did you mean 'q'"),
    ("fit_covr", "webp", "Did you mean 'fit_cover'"),
    ("g_nort", "webp", "Did you mean 'g_north'"),
    ("blurr5", "webp", "no operation"),
    ("rotat90", "webp", "'rotate'"),
    ("rotate360", "webp", "from 0 to 359"),
    ("rotate-90", "webp", "from 0 to 359"),
    ("dpr0", "webp", "from 1 to 4"),
    ("dpr5", "webp", "from 1 to 4"),
    ("dpr1.55", "webp", "1 decimal place"),
    ("fit_covers", "webp", "_cover"),
    ("g_1.5_0", "webp", "point"),
    ("g_middle", "webp", "Did you mean 'g_center'"),
    ("g_top", "webp", "Did you mean 'g_north'"),
    ("g_bottom_right", "webp", "Did you mean 'g_southeast'"),
    ("card", "webp", "'card' is no operation. A preset of this name is written 'p_card'."),
    ("bg_zzz", "webp", "hexadecimal"),
    ("bg_ffff", "webp", "hexadecimal"),
    ("crop_1_2_3", "webp", "_x_y_width_height"),
    ("crop_0_0_0_5", "webp", "above 0"),
    ("crop_0_0_101p_5", "webp", "percent"),
    ("crop_-1_0_5_5", "webp", "percent"),
    ("q0", "jpg", "from 1 to 100"),
    ("q101", "jpg", "from 1 to 100"),
    ("q50", "png", "png has no q"),
    ("q50/q60", "jpg", "twice"),
    ("flip_x", "webp", "_h"),
    ("enlarge1", "webp", "nothing after"),
    ("w9", "exe", "no output format"),
    ("w9", "svg", "no output format"),
    ("w9", "wepb", "'webp'"),
    ("w9", "JPG", "Did you mean 'jpg'"),
    ("/".join(["w9"] * 17), "webp", "at most 16"),
]

RESOLVED = [
    # text, extension, the text that it comes down to on 800 x 600, size
    ("w256", "webp", "w256", (256, 192)),
    ("w128,dpr2", "webp", "w256", (256, 192)),
    ("w2000", "webp", "_", (800, 600)),
    ("w3000", "webp", "_", (800, 600)),
    ("w2000,enlarge", "webp", "w2000,enlarge", (2000, 1500)),
    ("w100,enlarge", "webp", "w100", (100, 75)),
    ("w400,h400", "webp", "w400", (400, 300)),
    ("w400,h100", "webp", "w133", (133, 100)),
    ("w400,h400,fit_outside", "webp", "w533", (533, 400)),
    ("w400,h400,fit_fill", "webp", "w400,h400,fit_fill", (400, 400)),
    ("w400,h300,fit_fill", "webp", "w400", (400, 300)),
    ("w400,h300,fit_cover", "webp", "w400", (400, 300)),
    ("w200,h200,fit_cover", "webp", "w200,h200,fit_cover", (200, 200)),
    ("w4000,h1000,fit_cover,g_north", "webp", "w800,h200,fit_cover,g_north", (800, 200)),
    ("w900,h900,fit_contain", "webp", "w900,h900,fit_contain", (900, 900)),
    ("rotate90", "webp", "rotate90", (600, 800)),
    ("rotate45", "webp", "rotate45", (990, 990)),
    ("crop_0_0_100p_100p", "webp", "_", (800, 600)),
    ("crop_700_500_500_500", "webp", "crop_700_500_100_100", (100, 100)),
    ("crop_50p_50p_50p_50p,w100", "webp", "crop_400_300_400_300,w100", (100, 75)),
    ("w400/rotate90/w100", "webp", "w400/rotate90/w100", (100, 133)),
    ("w1", "webp", "w1", (1, 1)),
]


@pytest.mark.parametrize(("text", "extension", "canonical"), CANONICAL)
def test_a_plan_has_one_canonical_text(text: str, extension: str, canonical: str) -> None:
    plan = parse(text, extension)
    assert str(plan) == canonical
    assert parse(canonical, extension) == plan


@pytest.mark.parametrize(("text", "extension", "named"), REFUSED)
def test_what_is_no_plan_is_refused_by_naming_what_was_expected(text: str, extension: str, named: str) -> None:
    with pytest.raises(PlanError) as refused:
        parse(text, extension)
    assert named in str(refused.value)
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize("text", ["g_tpo", "card", "Card!", "zz9"])
def test_what_is_like_nothing_gets_no_hint(text: str) -> None:
    with pytest.raises(PlanError) as refused:
        parse(text, "webp")
    assert refused.value.facts["nearest"] is None
    assert "Did you mean" not in str(refused.value)


@pytest.mark.parametrize(("text", "extension", "canonical", "size"), RESOLVED)
def test_a_plan_resolves_to_an_exact_size_and_to_one_text(text: str, extension: str, canonical: str, size: tuple[int, int]) -> None:
    resolved = parse(text, extension).resolve(PHOTO)
    assert (str(resolved.plan), resolved.size) == (canonical, Size(*size))
    assert parse(canonical, extension).resolve(PHOTO) == resolved


def test_widths_beyond_the_original_share_one_stored_object() -> None:
    keys = {parse(text, "webp").resolve(PHOTO).digest for text in ("w2000", "w3000", "_", "h4000", "w900,h900")}
    assert len(keys) == 1


def test_format_and_quality_are_part_of_the_key() -> None:
    keys = [parse(*spelling).resolve(PHOTO).digest for spelling in (("w9", "webp"), ("w9", "jpg"), ("w9,q30", "webp"))]
    assert len(set(keys)) == 3


def test_a_crop_beside_the_picture_is_impossible() -> None:
    with pytest.raises(ImpossibleOutput, match="Nothing is left"):
        parse("crop_800_0_10_10", "webp").resolve(PHOTO)


def test_auto_resolves_to_what_was_negotiated_and_drops_options_it_lacks() -> None:
    plan = parse("w256,q70", "auto")
    assert str(plan.resolve(PHOTO, "webp").plan) == "w256,q70"
    assert str(plan.resolve(PHOTO, "png").plan) == "w256"


def test_names_hold_no_digit_and_no_underscore_and_stand_in_the_pipeline() -> None:
    assert all(name.isalpha() and name.islower() and name in PIPELINE for name in registry())


def test_every_parameter_is_documented_by_an_example_that_uses_it() -> None:
    for name, kind in registry().items():
        parameter = kind.parameters()[name]
        assert parameter.summary
        extension = max(kind.formats) if issubclass(kind, OutputOption) else "webp"
        assert name in str(parse(parameter.example, extension)), parameter.example


integers = st.integers(1, 16383)
tokens = {
    "w": integers.map("w{}".format),
    "h": integers.map("h{}".format),
    "dpr": st.sampled_from(["dpr1", "dpr1.5", "dpr2.0", "dpr4"]),
    "fit": st.sampled_from(["fit_inside", "fit_cover", "fit_contain", "fit_fill", "fit_outside"]),
    "g": st.sampled_from(["g_center", "g_north", "g_attention", "g_0.25_0.75", "g_1_0"]),
    "enlarge": st.just("enlarge"),
    "crop": st.sampled_from(["crop_0_0_50p_50p", "crop_1_2_300_400", "crop_0_0_100p_100p"]),
    "rotate": st.integers(0, 359).map("rotate{}".format),
    "flip": st.sampled_from(["flip_h", "flip_v", "flip_hv"]),
    "bg": st.sampled_from(["bg_fff", "bg_000000", "bg_12345678", "bg_transparent"]),
}
stages = st.lists(st.sampled_from(sorted(tokens)), unique=True, max_size=6).flatmap(
    lambda names: st.tuples(*(tokens[name] for name in names))
)
extensions = st.sampled_from(["webp", "jpg", "png", "auto"])
facts = st.builds(Facts, format=st.just("jpg"), width=st.integers(1, 16383), height=st.integers(1, 16383), alpha=st.booleans())


@given(texts=st.lists(stages, min_size=1, max_size=3), extension=extensions, seed=st.randoms(use_true_random=False))
def test_shuffling_inside_a_stage_changes_nothing_and_text_has_an_inverse(
    texts: list[tuple[str, ...]], extension: str, seed: random.Random
) -> None:
    plan = parse("/".join(",".join(stage) for stage in texts) or "_", extension)
    shuffled = [seed.sample(stage, len(stage)) for stage in texts]
    assert parse("/".join(",".join(stage) for stage in shuffled) or "_", extension) == plan
    assert parse(str(plan), extension) == plan


@given(stage=stages, extension=st.sampled_from(["webp", "jpg"]), facts=facts)
def test_what_a_plan_comes_down_to_comes_down_to_itself(stage: tuple[str, ...], extension: str, facts: Facts) -> None:
    try:
        resolved = parse(",".join(stage) or "_", extension).resolve(facts)
    except ImpossibleOutput:
        return
    if max(resolved.size) > LARGEST_SIDE:
        return  # refused by the limits on results before it is asked for again
    again = parse(str(resolved.plan), extension).resolve(facts)
    assert (again.plan, again.size, again.digest) == (resolved.plan, resolved.size, resolved.digest)
    assert min(resolved.size) >= 1


@given(stage=stages, facts=facts)
def test_nothing_but_enlarge_makes_a_picture_larger_than_it_is(stage: tuple[str, ...], facts: Facts) -> None:
    plain = [token for token in stage if not token.startswith(("enlarge", "rotate")) and token != "fit_contain"]
    try:
        resolved = parse(",".join(plain) or "_", "webp").resolve(facts)
    except ImpossibleOutput:
        return
    assert resolved.size.within(facts.size)
    assert not resolved.enlarged


@given(text=st.text(max_size=80), extension=st.text(max_size=8))
def test_any_text_is_a_plan_or_refused(text: str, extension: str) -> None:
    try:
        parse(text, extension)
    except PlanError as refused:
        assert refused.facts["token"] is not None or refused.facts


@pytest.mark.parametrize("pattern", ["w1,", "w1/", "_", "a", "1", "w1_", "crop_1", "bg_f", "é", "."])
def test_reading_takes_time_in_proportion_to_the_length(pattern: str) -> None:
    def cost(length: int) -> float:
        """Seconds of this thread, the least of five tries: other work on the machine must not count."""
        text, spent = (pattern * length)[:length], []
        for _ in range(5):
            began = time.thread_time()
            with suppress(PlanError):
                parse.__wrapped__(text, "webp")
            spent.append(time.thread_time() - began)
        return min(spent)

    assert cost(65536) <= 80 * max(cost(1024), 1e-3)
