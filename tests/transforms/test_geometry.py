"""Fitting pictures into boxes."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.geometry import Box, Size, crop_around, fit_contain, fit_cover, fit_fill, fit_inside, fit_outside, round_side

sides = st.integers(1, 20_000)
sizes = st.builds(Size, sides, sides)


@pytest.mark.parametrize(
    ("length", "pixels"), [(Decimal("0.1"), 1), (Decimal("1.49"), 1), (Decimal("1.5"), 2), (Decimal("2.5"), 3), (0, 1)]
)
def test_halves_round_up_and_nothing_is_thinner_than_a_pixel(length: Decimal, pixels: int) -> None:
    assert round_side(length) == pixels


@given(size=sizes, box=sizes, enlarge=st.booleans())
def test_inside_stays_inside_and_touches_the_box_or_the_picture(size: Size, box: Size, enlarge: bool) -> None:
    scale, canvas = fit_inside(size, box.width, box.height, enlarge=enlarge)
    assert scale == canvas
    assert scale.within(box) or max(scale.width - box.width, scale.height - box.height) <= 0
    assert enlarge or scale.within(size)
    assert scale.width == box.width or scale.height == box.height or scale == size


@given(size=sizes, box=sizes)
def test_cover_has_the_ratio_of_the_box_and_no_pixel_that_the_picture_lacks(size: Size, box: Size) -> None:
    scale, canvas = fit_cover(size, box, enlarge=False)
    assert canvas.within(scale)
    assert scale.within(size)
    assert canvas == box or canvas.width == size.width or canvas.height == size.height


@given(size=sizes, box=sizes, enlarge=st.booleans())
def test_contain_always_gives_the_box(size: Size, box: Size, enlarge: bool) -> None:
    scale, canvas = fit_contain(size, box, enlarge=enlarge)
    assert canvas == box
    assert scale.within(box)


@given(size=sizes, box=sizes)
def test_outside_covers_the_box_unless_the_picture_is_too_small(size: Size, box: Size) -> None:
    scale, _ = fit_outside(size, box, enlarge=False)
    assert scale == size or (scale.width + 1 >= box.width and scale.height + 1 >= box.height)


@given(size=sizes, box=sizes)
def test_fill_takes_each_side_for_itself(size: Size, box: Size) -> None:
    assert fit_fill(size, box, enlarge=True).canvas == box
    assert fit_fill(size, box, enlarge=False).canvas == (min(size.width, box.width), min(size.height, box.height))


@given(size=sizes, crop=sizes, x=st.decimals(0, 1, places=2), y=st.decimals(0, 1, places=2))
def test_a_crop_around_a_point_lies_in_the_picture(size: Size, crop: Size, x: Decimal, y: Decimal) -> None:
    crop = Size(min(crop.width, size.width), min(crop.height, size.height))
    box = crop_around(size, crop, x, y)
    assert box.size == crop
    assert min(box.left, box.top) >= 0
    assert box == box.clipped(size)


@pytest.mark.parametrize(
    ("point", "box"),
    [
        (("0.5", "0.5"), Box(30, 0, 40, 100)),
        (("0", "0"), Box(0, 0, 40, 100)),
        (("1", "0.5"), Box(60, 0, 40, 100)),
        (("0.3", "0"), Box(10, 0, 40, 100)),
    ],
)
def test_a_point_is_in_the_middle_of_its_crop_where_there_is_room(point: tuple[str, str], box: Box) -> None:
    assert crop_around(Size(100, 100), Size(40, 100), Decimal(point[0]), Decimal(point[1])) == box
