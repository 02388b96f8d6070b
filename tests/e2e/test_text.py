"""Pictures as text over HTTP: canonical URLs, headers, and what is refused."""

import httpx2
import pytest


@pytest.mark.parametrize(
    ("path", "media_type", "lines"),
    [
        (".txt", "text/plain; charset=utf-8", 30),
        ("/w40,charset_braille.txt", "text/plain; charset=utf-8", 15),
        ("/w40.ansi", "text/plain; charset=utf-8", 15),
        ("/h40,charset_blocks.txt", "text/plain; charset=utf-8", 20),
    ],
)
def test_a_url_is_the_text_that_it_says(api: httpx2.Client, stored: str, path: str, media_type: str, lines: int) -> None:
    answer = api.get(f"/img/{stored}{path}")
    assert answer.status_code == 200, answer.text
    assert (answer.headers["content-type"], answer.text.count("\n")) == (media_type, lines)
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"


def test_a_page_may_have_its_style_and_nothing_else(api: httpx2.Client, stored: str) -> None:
    headers = api.get(f"/img/{stored}/w20.html").headers
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers.get_list("content-security-policy") == ["default-src 'none'; style-src 'unsafe-inline'; sandbox"]
    assert headers["x-content-type-options"] == "nosniff"


def test_what_goes_without_saying_has_one_url(api: httpx2.Client, stored: str) -> None:
    answer = api.get(f"/img/{stored}/w80,enlarge.txt")
    assert (answer.status_code, answer.headers["location"]) == (308, f"/img/{stored}.txt")
    assert api.get(f"/img/{stored}/h60.txt").headers["content-location"] == f"/img/{stored}.txt"


def test_a_text_is_measured_in_columns_and_rows(api: httpx2.Client, stored: str) -> None:
    told = api.get(f"/img/{stored}/w40.ansi.json").json()
    assert (told["width"], told["height"], told["plan"], told["format"]) == (40, 15, "w40", "ansi")
    refused = api.get(f"/img/{stored}/w900.txt")
    assert (refused.status_code, refused.json()["largest_width"]) == (422, 816)
    assert api.get(f"/img/{stored}/q80.txt").status_code == 400
