"""What is believed of a host's headers."""

import pytest

from services.origins.headers import Head, Validators

DAY = 24 * 3600


def head(*fields: str) -> Head:
    pairs = (field.partition(": ")[::2] for field in fields)
    return Head(200, [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs])


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("", 3600),
        ("public", 3600),
        ("max-age=600", 600),
        ("Max-Age=600, s-maxage=700", 700),
        ('max-age="600"', 600),
        ("max-age=1", 60),
        ("max-age=0", 60),
        ("max-age=31536000, immutable", DAY),
        ("max-age=" + "9" * 5000, DAY),
        ("max-age=-1", 3600),
        ("max-age=1e9", 3600),
        ("max-age=٣٦٠", 3600),
        ("s-maxage=x, max-age=120", 120),
        ("no-store, max-age=600", 60),
        ("private", 60),
        ('no-cache="x", max-age=600', 60),
    ],
)
def test_a_lifetime_is_what_the_host_says_within_bounds(said: str, seconds: int) -> None:
    assert Head(200, [(b"Cache-Control", said.encode())]).max_age == seconds


def test_headers_that_stand_twice_are_one_list() -> None:
    assert head("Cache-Control: public", "cache-control: max-age=90").max_age == 90
    assert head("Content-Length: 5", "Content-Length: 5").length == 5
    assert head("Content-Encoding: gzip", "Content-Encoding: br").encoding == "gzip, br"


@pytest.mark.parametrize(
    ("etag", "kept"),
    [('"a"', True), ('W/"a b"', True), ('"' + "a" * 198 + '"', True), ('"' + "a" * 199 + '"', False), ('"ü"', False), ("a\x7f", False)],
)
def test_validators_are_kept_when_they_are_sane(etag: str, kept: bool) -> None:
    assert head(f"ETag: {etag}", f"Last-Modified: {etag}").validators == (
        Validators(etag=etag, last_modified=etag) if kept else Validators()
    )
