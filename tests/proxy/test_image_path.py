"""The paths of pictures: read and written back, and nothing is a bug of ours."""

from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.image_path import PREFIX, ImagePath, parse_path, parse_posted, posted_path_of
from services.errors import UnknownImage
from transforms.errors import PlanError
from transforms.operations.gravity import Point

ID = "a" * 26


@pytest.mark.parametrize("described", ["", ".json"])
@pytest.mark.parametrize(
    ("asked", "accepted"),
    [
        ("", ""),
        (".webp", ".webp"),
        ("/_.webp", ".webp"),
        ("/h9,w8.jpeg", "/w8,h9.jpeg"),
        ("/w8/rotate90.auto", "/w8/rotate90.auto"),
        ("/p_card/w8.webp", "/p_card/w8.webp"),
    ],
)
def test_a_path_is_accepted_in_one_spelling_with_and_without_json(asked: str, accepted: str, described: str) -> None:
    path = parse_path(f"{ID}{asked}{described}")
    assert (path.accepted, path.described) == (f"{PREFIX}{ID}{accepted}{described}", bool(described))
    assert parse_path(path.accepted.removeprefix(PREFIX)) == path


@pytest.mark.parametrize("described", ["", ".json"])
@pytest.mark.parametrize(
    ("point", "token"), [(None, ""), (Point(Decimal("0.3"), Decimal(1)), ",g_0.3_1"), (Point(Decimal("0.5"), Decimal(0)), ",g_north")]
)
def test_the_stored_point_takes_the_place_of_the_word(point: Point | None, token: str, described: str) -> None:
    path = parse_path(f"{ID}/w9,h8,fit_cover,g_focal/rotate90.jpeg{described}")
    assert path.steered
    found = path.with_point(point)
    assert found.accepted == f"{PREFIX}{ID}/w9,h8,fit_cover{token}/rotate90.jpeg{described}"
    assert parse_path(found.accepted.removeprefix(PREFIX)) == found
    assert not found.steered


def test_a_preset_is_known_by_its_path() -> None:
    assert parse_path(f"{ID}/w8/p_card.webp").named
    assert not parse_path(f"{ID}/w8.webp").named
    assert not ImagePath(image_id=ID).named


PIECES = [*"w9h,/._%p", "w9", "h8", "fit_cover", "g_focal", "p_card", "rotate90", ".json", ".webp", ".jpeg", ".auto"]
TEXT = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)


@given(rest=TEXT)
@example(rest=".json.json")
@example(rest="/.json")
def test_whatever_stands_there_is_a_path_or_an_error_of_ours(rest: str) -> None:
    try:
        path = parse_path(ID + rest)
    except (PlanError, UnknownImage) as error:
        assert str(error)
    else:
        for found in (path, path.with_point(None), path.with_point(Point(Decimal("0.3"), Decimal("0.7")))):
            assert parse_path(found.accepted.removeprefix(PREFIX)) == found


@given(text=TEXT)
def test_whatever_is_posted_to_is_a_plan_or_an_error_of_ours(text: str) -> None:
    try:
        plan = parse_posted(text)
    except PlanError as error:
        assert str(error)
    else:
        assert parse_posted(posted_path_of(plan).removeprefix("/transform/")) == plan
