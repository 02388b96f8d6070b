"""Settings: checked once, and wrong ones named in one line."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.reference import settings_page
from proxy.settings import Settings, WrongSetting, load, variable
from tests.servers import REPOSITORY

VARIABLES = [variable(name) for name in Settings.model_fields]


@contextmanager
def variables(**values: str) -> Iterator[None]:
    """These variables in the environment, and gone afterwards: for Hypothesis, which runs a test many times."""
    os.environ.update(values)
    try:
        yield
    finally:
        for name in values:
            del os.environ[name]


def complaint(**values: str) -> str:
    with variables(**values), pytest.raises(WrongSetting) as caught:
        load()
    return str(caught.value)


def complaint_or_nothing() -> str | None:
    try:
        load()
    except WrongSetting as wrong:
        return str(wrong)
    return None


def test_nothing_has_to_be_set() -> None:
    loaded = load()
    assert loaded.database_url == "sqlite:///data/catalog.sqlite3"
    assert loaded.storage_url == "data/store"
    assert [f"{plan}.{plan.format}" for plan in loaded.warm] == ["w256.webp", "w512.webp"]
    assert loaded.max_bytes == 25 * 1024**2
    assert loaded.inline_tasks


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("DATABASE_URL", "mysql://host/x", "postgresql://"),
        ("DATA", "/srv/a:b", "a folder without"),
        ("STORAGE_URL", "gs://bucket", "s3://bucket/prefix"),
        ("REDIS_URL", "localhost:6379", "redis://"),
        ("S3_ENDPOINT_URL", "localhost:9000", "http(s)://"),
        ("PUBLIC_URL", "https://a.example/?x", "http(s)://host"),
        ("CURRENCY", "euro", "EUR"),
        ("WARM", "w256.webp,w25x.webp", "w25x"),
        ("WARM", "w256", "'w256' has no extension like .webp"),
        ("WARM", "w64.webp,w256", "'w256' has no extension like .webp"),
        ("WARM", "w256.exe", "no output format"),
        ("WARM", "p_thumbnial.webp", "Did you mean 'thumbnail'?"),
        ("PRESETS", "card=w25x", "w25x"),
        ("PRESETS", "card=", "name=plan"),
        ("PRESETS", "Card=w9", "name=plan"),
        ("PRESETS", "w9", "name=plan"),
        ("PRESETS", "card=w9;card=w8", "name=plan"),
        ("PRESETS", "card=p_thumbnail", "not of other presets"),
        ("ACCEPT", "jpg,heic", "jpg, png"),
        ("ACCEPT", ",", "jpg, png"),
        ("ACCEPT", "txt", "jpg, png"),
        ("AUTO_ORDER", "svg", "avif"),
        ("AUTO_ORDER", "html", "avif"),
        ("WIDTHS", "256,0", "from 1 to 16383"),
        ("WIDTHS", "256,16384", "a comma list of widths"),
        ("WIDTHS", "256,,512", "a comma list of widths"),
        ("WIDTHS", "²56", "a comma list of widths"),
        ("STAGING_TTL", "0", "a whole number from 1"),
        ("STAGING_BUDGET", "lots", "512MiB"),
        ("STAGING_BUDGET", "900MiB", "75% of PROGIMAGE_REDIS_MEMORY"),
        ("MAX_SIDE", "70000", "up to 65,535"),
        ("RENDERERS", "two", "a whole number from 1 up to 256"),
        ("RENDER_DEADLINE", "0", "above 0"),
        ("RENDER_DEADLINE", "3", "less than the 5 seconds of PROGIMAGE_RENDER_SOFT_DEADLINE"),
        ("RENDER_DEADLINE", "nan", "above 0"),
        ("RENDER_MEMORY", "1MiB", "at least 700MiB"),
        ("INLINE_TASKS", "maybe", "true or false"),
        ("LOG_LEVEL", "loud", "debug or info or warning or error"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_accepted(name: str, value: str, accepted: str) -> None:
    line = complaint(**{f"PROGIMAGE_{name}": value})
    assert line.startswith(f"PROGIMAGE_{name}=")
    assert accepted in line
    assert value in line or name.endswith(("DATABASE_URL", "REDIS_URL"))


@pytest.mark.parametrize(
    ("name", "hint"),
    [("DATEBASE_URL", "DATABASE_URL"), ("MAXBYTES", "MAX_BYTES"), ("CURENCY", "CURRENCY"), ("ZZZZ", "docs/settings.md")],
)
def test_an_unknown_name_is_refused_with_the_nearest_one(name: str, hint: str) -> None:
    line = complaint(**{f"PROGIMAGE_{name}": "1"})
    assert f"PROGIMAGE_{name}" in line
    assert hint in line


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL"])
def test_a_value_that_may_hold_a_password_is_never_shown(name: str) -> None:
    assert "hunter2" not in complaint(**{f"PROGIMAGE_{name}": "postgres:hunter2@host"})
    with variables(PROGIMAGE_DATABASE_URL="postgresql://u:hunter2@h/d", PROGIMAGE_REDIS_URL="redis://:hunter2@h"):
        assert "hunter2" not in repr(load())


def test_an_empty_variable_is_one_that_is_not_set_but_a_list_can_be_empty() -> None:
    with variables(PROGIMAGE_REDIS_URL="", PROGIMAGE_DATABASE_URL="", PROGIMAGE_MAX_BYTES="", PROGIMAGE_WARM="", PROGIMAGE_AUTO_ORDER=""):
        loaded = load()
    assert loaded.database_url == "sqlite:///data/catalog.sqlite3"
    assert loaded.max_bytes == 25 * 1024**2
    assert loaded.warm == ()
    assert loaded.auto_order == ()


@pytest.mark.parametrize(("given", "widths"), [("800, 320,800", (320, 800)), ("16383,00001", (1, 16383)), ("", (256, 512, 1024, 2048))])
def test_widths_are_sorted_and_each_stands_once(given: str, widths: tuple[int, ...]) -> None:
    with variables(PROGIMAGE_WIDTHS=given):
        assert load().widths == widths


def test_plans_with_commas_in_them_can_be_warmed() -> None:
    with variables(PROGIMAGE_WARM="w200,h100,fit_cover.webp, w64,dpr1.5.jpg,_.avif"):
        assert [f"{plan}.{plan.format}" for plan in load().warm] == ["w200,h100,fit_cover.webp", "w64,dpr1.5.jpg", "_.avif"]


@pytest.mark.parametrize(
    ("value", "presets"),
    [
        ("", {"thumbnail": "w128,h128,fit_cover"}),
        ("card=h300,w400 ; hero=w1600,q70;", {"thumbnail": "w128,h128,fit_cover", "card": "w400,h300", "hero": "w1600,q70"}),
        ("thumbnail=w64", {"thumbnail": "w64"}),
    ],
)
def test_presets_are_plans_with_a_name_and_a_thumbnail_is_one(value: str, presets: dict[str, str]) -> None:
    with variables(PROGIMAGE_PRESETS=value):
        assert {name: str(plan) for name, plan in load().presets.items()} == presets


def test_the_default_places_are_in_the_data_folder() -> None:
    with variables(PROGIMAGE_DATA="/srv/pictures"):
        loaded = load()
    assert (loaded.database_url, loaded.storage_url) == ("sqlite:////srv/pictures/catalog.sqlite3", "/srv/pictures/store")


def test_with_a_redis_of_its_own_serve_leaves_tasks_to_the_workers() -> None:
    with variables(PROGIMAGE_REDIS_URL="redis://localhost"):
        assert not load().inline_tasks
    with variables(PROGIMAGE_REDIS_URL="redis://localhost", PROGIMAGE_INLINE_TASKS="true"):
        assert load().inline_tasks


def test_a_file_in_the_folder_is_read_and_variables_win_over_it() -> None:
    Path(".env").write_text("PROGIMAGE_CURRENCY=CHF\nPROGIMAGE_DRAIN=3\nOTHER=1\n")
    with variables(PROGIMAGE_CURRENCY="SEK"):
        loaded = load()
    assert (loaded.currency, loaded.drain) == ("SEK", 3)


@pytest.mark.parametrize("content", [b"PROGIMAGE_CURENCY=CHF\n", b"PROGIMAGE_CURRENCY=\xff\xfe\n", b"PROGIMAGE_CURRENCY=1\n"])
def test_a_file_with_mistakes_is_refused(content: bytes) -> None:
    Path(".env").write_bytes(content)
    with pytest.raises(WrongSetting):
        load()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(VARIABLES), value=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30))
def test_whatever_stands_in_a_variable_is_a_setting_or_one_line(name: str, value: str) -> None:
    with variables(**{name: value}):
        line = complaint_or_nothing()
    assert line is None or (name in line and len(line.splitlines()) == 1)


def test_a_setting_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load().currency = "CHF"  # type: ignore[misc]  # that is the point


def test_every_setting_is_described_and_the_page_is_true() -> None:
    assert all(field.description for field in Settings.model_fields.values())
    assert (REPOSITORY / "docs/settings.md").read_text() == settings_page(), "run `make docs`"
