"""What every operation promises by its text alone. Whoever adds an operation finds it here under test, without a line of test."""

import random
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import assume, given, reject
from hypothesis import strategies as st

from bench.drawing import PRESETS
from services.ids import variant_key
from tests.transforms.spellings import (
    NAMES,
    RANGE,
    WRITABLE,
    example,
    extension_of,
    own_token,
    parameter,
    plans,
    text_of,
    tokens_of,
    value_of,
)
from transforms.errors import ImpossibleOutput, PlanError
from transforms.grammar import parse
from transforms.operation import OutputOption, SourceOption, registry
from transforms.operations.gravity import CENTER
from transforms.plan import NOTHING, Plan
from transforms.rewrites import expanded, unmeasured, with_focal
from transforms.values import Facts

every_name = pytest.mark.parametrize("name", NAMES)
extensions = st.sampled_from([*WRITABLE, "auto"])
facts = st.builds(
    Facts,
    format=st.sampled_from(["jpg", "png", "gif", "webp"]),
    width=st.integers(1, 16383),
    height=st.integers(1, 16383),
    frames=st.sampled_from([1, 1, 1, 3]),
    orientation=st.sampled_from([1, 1, 6]),
    alpha=st.booleans(),
)
# What any store takes as a name, and any URL as it is.
KEY = re.compile(r"[a-z0-9/_.-]+", re.ASCII)
# What a fuzzer puts among good tokens: separators, odd digits and cases, and names that are nearly right.
SCRAPS = st.sampled_from(
    ["", ",", "/", "_", "__", ".", "-", "~", "0", "00", "9" * 6, "1e3", "+1", "٣", "１", "A", "é", "\x00", "\n", "%2f", "w"]
)


@st.composite
def written(draw: st.DrawFn) -> tuple[list[list[str]], str]:
    """Stages of tokens, and an extension."""
    extension = draw(extensions)
    return draw(plans(extension)), extension


def read(stages: Sequence[Sequence[str]], extension: str) -> Plan:
    """The plan. Options that contradict each other, which some do, prove nothing here."""
    try:
        return parse(text_of(stages), extension)
    except PlanError:
        reject()


# One operation at a time


@every_name
def test_an_operation_says_what_it_does_and_what_may_follow_its_name(name: str) -> None:
    known = parameter(name)
    for sentence in (known.summary, known.convertor.expected):
        assert sentence.strip() == sentence
        assert sentence.isprintable()
        assert not sentence.endswith(".")
        assert "|" not in sentence, "it would break the table in docs/transforms.md"
    assert known.summary


@every_name
def test_its_example_uses_it_and_is_canonical(name: str) -> None:
    plan = parse(example(name), extension_of(name))
    assert str(plan) == example(name)
    assert own_token(name) in re.split("[,/]", str(plan))
    assert parse(str(plan), plan.format) == plan


@every_name
def test_each_value_has_one_text(name: str) -> None:
    convertor = parameter(name).convertor
    for token in tokens_of(name):
        value = value_of(name, token)
        text = name + convertor.format(value)
        assert value_of(name, text) == value, token
        assert name + convertor.format(value_of(name, text)) == text


@every_name
def test_zeros_that_say_nothing_are_dropped(name: str) -> None:
    for token in tokens_of(name):
        if number := re.fullmatch(rf"{name}(\d+)(\.\d+)?", token):
            whole, places = number[1].zfill(5), number[2] or "."
            spelled = [name + whole + (number[2] or ""), name + whole + places.ljust(3, "0")]
            values = [(value, name + parameter(name).convertor.format(value)) for value in _values(name, [token, *spelled])]
            assert len(values) >= 2, token
            assert set(values) == {values[0]}, token
            assert values[0] == (value_of(name, values[0][1]), values[0][1])


def _values(name: str, tokens: Sequence[str]) -> list[object]:
    found = []
    for token in tokens:
        # A whole number has no places, not even empty ones.
        with suppress(ValueError):
            found.append(value_of(name, token))
    return found


@every_name
def test_defaults_are_not_spelled_out_and_together_do_nothing(name: str) -> None:
    kind = registry()[name]
    assert kind().tokens() == {}
    default = kind.__dataclass_fields__[name].default
    if default is None or default is False:
        return  # not to name it is the only way to have it
    text = name + parameter(name).convertor.format(default)
    assert str(parse(text, extension_of(name))) == NOTHING
    with_others = example(name).replace(own_token(name), text)
    assert text not in re.split("[,/]", str(parse(with_others, extension_of(name))))


@every_name
def test_a_number_just_outside_a_range_is_refused_by_naming_the_range(name: str) -> None:
    expected = parameter(name).convertor.expected
    for lowest, highest in RANGE.findall(expected):
        step = Decimal("0.01") if "decimal place" in expected else Decimal(1)
        for outside in (Decimal(lowest) - step, Decimal(highest) + step):
            refused = [error for token in _with_number(name, outside) if (error := _refusal(token, extension_of(name)))]
            assert any(f"{lowest} to {highest}" in str(error) and error.facts["expected"] == expected for error in refused), outside


def _with_number(name: str, number: Decimal) -> list[str]:
    """Accepted tokens with this number in the place of each of theirs, and the number right after the name."""
    places = [(token, match) for token in tokens_of(name) for match in re.finditer(r"\d+(?:\.\d+)?", token)]
    return [f"{name}{number}", *(token[: match.start()] + str(number) + token[match.end() :] for token, match in places)]


def _refusal(token: str, extension: str) -> PlanError | None:
    try:
        parse(token, extension)
    except PlanError as error:
        return error
    return None


@every_name
def test_what_cannot_follow_its_name_is_refused_by_saying_what_can(name: str) -> None:
    for suffix in ("_", "__", "99999999", "-1", "1e1", "+5", "_É", "٣", "１"):
        error = _refusal(name + suffix, extension_of(name))
        assert error is not None, suffix
        assert error.facts["token"] == name + suffix
        # Of what has many parts, the one that is wrong is named.
        assert error.facts["expected"] == parameter(name).convertor.expected or name == "text"
        assert len(str(error)) < 700


@pytest.mark.parametrize("name", [name for name, kind in registry().items() if issubclass(kind, OutputOption)])
def test_an_option_is_refused_by_formats_that_lack_it(name: str) -> None:
    kind = registry()[name]
    assert issubclass(kind, OutputOption)
    assert kind.formats <= set(WRITABLE)
    for extension in WRITABLE:
        error = _refusal(own_token(name), extension)
        assert (error is None) == (extension in kind.formats), extension
        if error:
            assert f"{extension} has no {name}" in str(error)
    assert _refusal(own_token(name), "auto") is None


@every_name
def test_reading_takes_time_in_proportion_to_the_length(name: str) -> None:
    def cost(tail: str, length: int) -> float:
        """Seconds of this thread, the least of three tries: other work on the machine must not count."""
        text, spent = (name + tail * length)[:length], []
        for _ in range(3):
            began = time.thread_time()
            with suppress(PlanError):
                parse.__wrapped__(text, "auto")
            spent.append(time.thread_time() - began)
        return min(spent)

    for tail in ("_", "_1", "1", "a", "_a", ".5", "~", "_" + "a" * 26, ",", "/", f",{name}1"):
        assert cost(tail, 65536) <= 80 * max(cost(tail, 1024), 1e-3), tail


# Whole plans


@given(asked=written(), chance=st.randoms(use_true_random=False))
def test_canonical_text_is_one_text_whatever_the_order_it_was_written_in(asked: tuple[list[list[str]], str], chance: random.Random) -> None:
    stages, extension = asked
    plan = read(stages, extension)
    assert parse(str(plan), extension) == plan
    assert str(parse(str(plan), extension)) == str(plan)
    for stage in str(plan).split("/"):
        names = [re.match("[a-z]*", token)[0] for token in stage.split(",")]  # type: ignore[index]  # it matches nothing, too
        assert names == sorted(names, key=[*NAMES, ""].index)
    shuffled = [chance.sample(stage, len(stage)) for stage in stages]
    assert parse(text_of(shuffled), extension) == plan


@given(asked=written(), facts=facts)
def test_what_a_plan_comes_down_to_comes_down_to_itself(asked: tuple[list[list[str]], str], facts: Facts) -> None:
    stages, extension = asked
    plan = with_focal(expanded(read(stages, extension), PRESETS), CENTER)
    assume(unmeasured(plan) is None)
    try:
        found = plan.resolve(facts, "webp" if plan.auto else None)
        assume(max(found.peak) <= 16383)  # refused by the limits on results before it is asked for again
    except (ImpossibleOutput, PlanError) as error:
        assert str(error)
        return
    again = parse(str(found.plan), found.plan.format).resolve(facts)
    assert (again.plan, again.size, again.frames, again.digest) == (found.plan, found.size, found.frames, found.digest)
    assert again.enlarged == found.enlarged
    assert KEY.fullmatch(variant_key("a" * 26, found.digest, found.plan.format))
    assert min(found.size) >= 1


@given(asked=st.lists(written(), min_size=2, max_size=6), facts=facts)
def test_plans_that_come_down_to_the_same_have_one_key_and_others_have_another(
    asked: list[tuple[list[list[str]], str]], facts: Facts
) -> None:
    resolved = []
    for stages, extension in asked:
        with suppress(ImpossibleOutput, PlanError):
            plan = with_focal(expanded(parse(text_of(stages), extension), PRESETS), CENTER)
            if unmeasured(plan) is None:
                resolved += [plan.resolve(facts, format) for format in (["webp", "jpg"] if plan.auto else [None])]
    for one in resolved:
        for other in resolved:
            assert (one.plan == other.plan) == (one.digest == other.digest), (one.plan, other.plan)


@given(asked=written(), scraps=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 3), SCRAPS), min_size=1, max_size=4), facts=facts)
def test_a_plan_with_slips_of_the_pen_is_a_plan_or_refused(
    asked: tuple[list[list[str]], str], scraps: list[tuple[int, int, str]], facts: Facts
) -> None:
    stages, extension = asked
    text = text_of(stages)
    for at, cut, scrap in scraps:
        text = text[:at] + scrap + text[at + cut :]
    try:
        plan = parse(text, extension)
        assert parse(str(plan), extension) == plan
        plan = with_focal(expanded(plan, PRESETS), CENTER)
        (unmeasured(plan) or plan).resolve(facts, "webp" if plan.auto else None)
    except (PlanError, ImpossibleOutput) as refused:
        assert str(refused).isprintable()
        assert len(str(refused)) < 1000


def test_source_options_stand_in_the_first_stage_only() -> None:
    for name, kind in registry().items():
        if issubclass(kind, SourceOption):
            with pytest.raises(PlanError, match="first stage"):
                parse(f"w9/{own_token(name)}", "webp")
