"""Signatures: what they cover, until when, and what is not one."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.picture_query import PictureQuery, parse_query
from proxy.signing import Required, Signer
from services.errors import BadSignature, ExpiredSignature
from tests.servers import REPOSITORY

OLD, NEW = b"o" * 32, b"n" * 32
SIGNER = Signer(keys={"new": NEW, "old": OLD}, required="off")
PATH, SOURCE, NOW = "/img/aaaaaaaaaaaaaaaaaaaaaaaaaa/w256.webp", "https://example.com/a?b=c&d=é", 1_800_000_000
NAMES = st.text(st.characters(codec="latin-1"), max_size=12)


def query_of(url: str) -> PictureQuery:
    return parse_query(url.partition("?")[2].encode())


@pytest.mark.parametrize("source", ["", SOURCE.replace("é", "e")])
@pytest.mark.parametrize(("exp", "k"), [("", ""), (str(NOW), ""), ("", "new"), (str(NOW + 10**9), "old")])
def test_what_is_signed_is_good(source: str, exp: str, k: str) -> None:
    query = query_of(SIGNER.signed(PATH, source=source, exp=exp, k=k))
    assert SIGNER.verified(PATH, source, query, NOW)
    assert len(query.s) == 43


def test_a_signed_url_is_good_in_its_last_second_and_not_after_it() -> None:
    query = query_of(SIGNER.signed(PATH, exp=str(NOW)))
    assert SIGNER.verified(PATH, "", query, NOW)
    with pytest.raises(ExpiredSignature):
        SIGNER.verified(PATH, "", query, NOW + 1)


def test_nobody_learns_by_an_expired_time_that_a_signature_is_wrong() -> None:
    query = query_of(SIGNER.signed(PATH, exp=str(NOW - 9)))
    with pytest.raises(BadSignature):
        SIGNER.verified(PATH, "", replace(query, s="A" * 43), NOW)


@pytest.mark.parametrize("bit", range(256))
def test_every_bit_of_a_signature_counts(bit: int) -> None:
    query = query_of(SIGNER.signed(PATH))
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    at, place = divmod(bit, 6)
    flipped = alphabet[alphabet.index(query.s[at]) ^ (32 >> place)]
    with pytest.raises(BadSignature):
        SIGNER.verified(PATH, "", replace(query, s=query.s[:at] + flipped + query.s[at + 1 :]), NOW)


WRONG: dict[str, Callable[[str], str]] = {
    "padded": lambda s: s + "=",
    "cut": lambda s: s[:-1],
    "cut to 128 bits": lambda s: s[:22],
    "cut to nothing that counts": lambda s: s[:1],
    "in capitals": lambda s: s.upper(),
    "with something after it": lambda s: s + "A",
    "with a space": lambda s: " " + s,
    "not ASCII": lambda s: s.replace(s[0], "é"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_only_looks_like_the_signature_is_none(name: str) -> None:
    query = query_of(SIGNER.signed(PATH))
    with pytest.raises(BadSignature):
        SIGNER.verified(PATH, "", replace(query, s=WRONG[name](query.s)), NOW)


def test_the_signature_is_of_this_path_source_time_and_key() -> None:
    good = query_of(SIGNER.signed(PATH, source="https://a.b/c", exp=str(NOW), k="old"))
    others = [
        (PATH.replace("256", "257"), "https://a.b/c", good),
        (PATH.replace(".webp", ".jpg"), "https://a.b/c", good),
        (PATH + ".json", "https://a.b/c", good),
        (PATH, "https://a.b/d", good),
        (PATH, "", good),
        (PATH, "https://a.b/c", replace(good, exp=str(NOW + 1))),
        (PATH, "https://a.b/c", replace(good, exp="")),
        (PATH, "https://a.b/c", replace(good, k="new")),
        (PATH, "https://a.b/c", replace(good, k="")),
        (PATH, "https://a.b/c", replace(good, k="unknown")),
    ]
    for path, source, query in others:
        with pytest.raises(BadSignature):
            SIGNER.verified(path, source, query, NOW)


@given(one=st.tuples(NAMES, NAMES, NAMES), other=st.tuples(NAMES, NAMES, NAMES))
def test_the_borders_of_fields_cannot_be_moved(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    signer = Signer(keys={"": NEW}, required="off")

    def signature(fields: tuple[str, str, str]) -> str:
        return signer.signed(fields[0], source=fields[1], exp=fields[2]).rpartition("s=")[2]

    assert (signature(one) == signature(other)) == (one == other)


def test_an_old_key_is_good_until_it_is_taken_away() -> None:
    before = Signer(keys={"old": OLD}, required="all")
    query = query_of(before.signed(PATH))
    assert SIGNER.verified(PATH, "", query, NOW)
    with pytest.raises(BadSignature):
        Signer(keys={"new": NEW}, required="all").verified(PATH, "", query, NOW)


@pytest.mark.parametrize(
    ("required", "source", "needed"),
    [("off", "", False), ("off", "https://a.b/c", False), ("remote", "", False), ("remote", "https://a.b/c", True), ("all", "", True)],
)
def test_a_missing_signature_matters_where_one_is_required(required: Required, source: str, needed: bool) -> None:
    signer = Signer(keys=SIGNER.keys, required=required)
    if needed:
        with pytest.raises(BadSignature):
            signer.verified(PATH, source, PictureQuery(url=source), NOW)
    else:
        assert not signer.verified(PATH, source, PictureQuery(url=source), NOW)


def test_a_wrong_signature_is_refused_where_none_is_required() -> None:
    with pytest.raises(BadSignature):
        Signer(keys={}, required="off").verified(PATH, "", PictureQuery(s="A" * 43), NOW)


def test_keys_are_never_printed() -> None:
    assert "nnnn" not in repr(SIGNER)


def test_the_documentation_signs_as_we_do() -> None:
    code = re.search(r"```python\n(import base64.*?)```", (REPOSITORY / "docs/urls.md").read_text(), re.DOTALL)
    assert code
    names: dict[str, Callable[..., str]] = {}
    exec(code[1], names)
    own = Signer(keys={"k1": NEW}, required="off").signed(PATH, source=SOURCE.replace("é", "e"), exp=str(NOW), k="k1")
    assert query_of(own).s == names["sign"](NEW.decode(), PATH, SOURCE.replace("é", "e"), str(NOW), "k1")
