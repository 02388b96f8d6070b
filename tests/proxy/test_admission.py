"""From the text of a URL to what is asked: one spelling, and whether it is signed."""

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.admission import Admission, Asked, Ladder
from proxy.picture_query import encoded_url, parse_query
from proxy.signing import Signer
from services.errors import BadRequest, BadSignature, BadSourceUrl, UnknownImage
from transforms.errors import PlanError, ProgImageError

ID = "a" * 26
SIGNER = Signer(keys={"k1": b"k" * 32}, required="off")
NOW = 1_800_000_000.0
SOURCE = "https://example.com/a.jpg"
URL = f"url={encoded_url(SOURCE)}"


def admitted(url: str, mode: Literal["off", "strict", "snap"] = "off") -> Asked:
    path, _, query = url.removeprefix("/img/").partition("?")
    admission = Admission(signer=SIGNER, ladder=Ladder(mode=mode, widths=(256, 512)))
    return admission.admitted(path, f"/img/{path}".encode(), query.encode(), NOW)


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        (f"{ID}/w256.webp", ""),
        (f"{ID}/w256.webp?v=3&utm_source=a", ""),
        (f"{ID}/w0256.webp?v=3", f"{ID}/w256.webp"),
        (f"w256.webp?{URL}", ""),
        (f"_.webp?{URL}", ""),
        (f"_.webp.json?{URL}&v=1", ""),
        (f"w256.webp?url={SOURCE}", f"w256.webp?{URL}"),
        (f"w256.webp?{URL.lower()}", f"w256.webp?{URL}"),
        (f"w256.webp?url={encoded_url('HTTPS://EXAMPLE.com:443/a.jpg')}&v=1", f"w256.webp?{URL}"),
        (f"w256,h256,fit_inside.webp?{URL}", f"w256,h256.webp?{URL}"),
    ],
)
def test_one_request_has_one_spelling(url: str, canonical: str) -> None:
    asked = admitted(url)
    assert asked.spelled_right == (not canonical)
    if canonical:
        assert asked.canonical == f"/img/{canonical}"
        assert admitted(asked.canonical).spelled_right


def test_a_signature_is_of_the_canonical_url_and_goes_along_to_it() -> None:
    signed = SIGNER.signed(f"/img/{ID}/w256.webp", exp="1800000009")
    asked = admitted(signed.replace("w256", "w0256"))
    assert asked.signed
    assert not asked.spelled_right
    assert asked.canonical == signed
    assert admitted(asked.canonical).spelled_right


def test_another_path_of_the_same_picture_is_signed_for_as_long() -> None:
    asked = admitted(SIGNER.signed("/img/w256.jpeg", source=SOURCE, exp="1800000009"))
    assert admitted(asked.address("/img/w256.jpg")).expires == 1_800_000_009
    assert admitted(f"{ID}/w256.jpeg").address("/img/x") == "/img/x"


REFUSED = [
    ("w256.webp", BadRequest),
    ("_.webp", BadRequest),
    ("cat.webp", UnknownImage),
    ("w256.webp?url=", BadSourceUrl),
    ("w256.webp?url", BadSourceUrl),
    ("w256.webp?url=%ff", BadSourceUrl),
    ("w256.webp?url=%zz", BadSourceUrl),
    ("w256.webp?url=https%253A%252F%252Fexample.com%252Fa.jpg", BadSourceUrl),
    (f"w256.webp?{URL}&{URL}", BadRequest),
    (f"{ID}/w256.webp?{URL}", BadRequest),
    (f"{ID}?{URL}", BadRequest),
    (f"nonsense256.webp?{URL}", PlanError),
    (f"?{URL}", PlanError),
    (f"{ID}/w256.webp?s=a&s=a", BadRequest),
    (f"{ID}/w256.webp?s=a", BadSignature),
    (f"{ID}/w256.webp?s=a&exp=1e20", BadRequest),
    (f"{ID}/w256.webp?s=a&exp=-5", BadRequest),
    (f"{ID}/w256.webp?s=a&exp=0", BadRequest),
    (f"{ID}/w256.webp?s=a&exp=1800000000000", BadRequest),
]


@pytest.mark.parametrize(("url", "error"), REFUSED)
def test_what_is_wrong_has_its_name(url: str, error: type[ProgImageError]) -> None:
    with pytest.raises(error):
        admitted(url)


PAIRS = st.sampled_from([URL, "url=", "url=%", "s=", "s=x", "exp=9", "exp=x", "k=k1", "k=", "&", "=", "v=1", "%75rl=a", "URL=a", "s%3d=1"])


@given(pairs=st.lists(PAIRS | st.text(max_size=6), max_size=5))
def test_no_query_is_a_bug_of_ours(pairs: list[str]) -> None:
    for path in ("w256.webp", f"{ID}/w256.webp"):
        try:
            asked = admitted(f"{path}?{'&'.join(pairs)}")
        except ProgImageError:
            continue
        assert parse_query(asked.query[1:].encode()).url == str(asked.source or "")


@pytest.mark.parametrize(
    ("plan", "snapped"),
    [
        ("w256", ""),
        ("h99", ""),
        ("w257", "w512"),
        ("w9", "w256"),
        ("w9999", "w512"),
        ("w128,h100", "w256,h200"),
        ("w300/w100", "w512/w256"),
    ],
)
def test_a_ladder_bounds_what_unsigned_urls_may_name(plan: str, snapped: str) -> None:
    asked = admitted(f"{ID}/{plan}.webp", "snap")
    assert asked.spelled_right == (not snapped)
    assert asked.canonical == f"/img/{ID}/{snapped or plan}.webp"
    if snapped:
        with pytest.raises(PlanError, match="256, 512"):
            admitted(f"{ID}/{plan}.webp", "strict")
    else:
        assert admitted(f"{ID}/{plan}.webp", "strict").spelled_right


@pytest.mark.parametrize("mode", ["strict", "snap"])
def test_signed_urls_and_presets_stand_above_the_ladder(mode: Literal["strict", "snap"]) -> None:
    assert admitted(SIGNER.signed(f"/img/{ID}/w300.webp"), mode).spelled_right
    assert admitted(f"{ID}/p_card.webp", mode).spelled_right
