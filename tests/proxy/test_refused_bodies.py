"""What is wrong with a body: all of it, in words that say what would be right."""

import pytest

from proxy.bodies import checked
from proxy.schemas import ProductIn
from services.errors import BadRequest

PRODUCT = {"name": "Chair", "price": "12.50"}


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("images.0", {"images": ["ID-OF-FRONT"]}, "an id is 26 characters of a to z and 2 to 7"),
        ("images.1", {"images": ["a" * 26, "a" * 26 + "\n"]}, "an id is 26 characters"),
        ("images.0", {"images": ["A" * 26]}, "an id is 26 characters"),
        ("currency", {"currency": "euro"}, "three capital letters (ISO 4217) like EUR"),
        ("currency", {"currency": "EUR\n"}, "three capital letters"),
        ("name", {"name": "a\tb"}, "no control characters"),
    ],
)
def test_a_field_that_will_not_do_is_told_what_it_is(field: str, value: dict[str, object], said: str) -> None:
    with pytest.raises(BadRequest) as refused:
        checked(ProductIn, PRODUCT | value)
    assert str(refused.value).startswith(f"{field}: ")
    assert said in str(refused.value)
    assert "pattern" not in str(refused.value)


def test_all_that_is_wrong_is_listed() -> None:
    with pytest.raises(BadRequest) as refused:
        checked(ProductIn, {"name": "", "price": "x", "currency": "euro", "images": ["a" * 26, "front"]})
    problems = refused.value.facts["errors"]
    assert isinstance(problems, list)
    assert [problem["field"] for problem in problems] == ["name", "price", "currency", "images.1"]


def test_the_schema_keeps_the_patterns() -> None:
    properties = ProductIn.model_json_schema()["properties"]
    assert properties["images"]["items"]["pattern"] == "^[a-z2-7]{26}$"
    assert "pattern" in properties["name"]
    assert properties["currency"]["anyOf"][0]["pattern"] == "^[A-Z]{3}$"
