"""The query of a picture's URL: `url`, `s`, `exp` and `k` mean something, whatever else stands there means nothing (urls.md)."""

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, unquote_to_bytes

from services.errors import BadRequest, BadSourceUrl

NAMES = ("url", "exp", "k", "s")
ENCODED = re.compile(rb"(?:[^%]|%[0-9A-Fa-f]{2})*")
SECONDS = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class PictureQuery:
    """`url` is decoded, `raw_url` as it came; the others are as they came, and empty when they did not."""

    url: str = ""
    raw_url: str = ""
    exp: str = ""
    k: str = ""
    s: str = ""

    @property
    def expires(self) -> int | None:
        """The last second, in Unix time, in which a signed URL is good."""
        return int(self.exp) if self.s and self.exp else None


@lru_cache(maxsize=1024)
def parse_query(query: bytes) -> PictureQuery:
    """BadRequest for a parameter that stands there twice, or is none; BadSourceUrl for a `url` that is not percent-encoded UTF-8."""
    given: dict[str, bytes] = {}
    for pair in query.split(b"&") if query else ():
        name, _, value = pair.partition(b"=")
        if (text := name.decode("latin-1")) not in NAMES:
            continue
        if text in given:
            raise BadRequest(f"{text} stands twice in the query.", expected=f"{text} once")
        given[text] = value
    raw_url = given.pop("url", None)
    own = {name: value.decode("latin-1") for name, value in given.items()}
    if own.get("s") and own.get("exp") and not SECONDS.fullmatch(own["exp"]):
        raise BadRequest("exp is not a time.", expected="seconds since 1970, such as 1800000000")
    return PictureQuery(url=_decoded(raw_url), raw_url=(raw_url or b"").decode("latin-1"), **own)


def _decoded(raw: bytes | None) -> str:
    """Once, and strictly: what is encoded twice names something else."""
    if raw is None:
        return ""
    try:
        text = unquote_to_bytes(raw).decode() if ENCODED.fullmatch(raw) else ""
    except UnicodeDecodeError:
        text = ""
    if not text:
        raise BadSourceUrl("url is empty, or not percent-encoded UTF-8.", expected="url=https%3A%2F%2Fexample.com%2Fpicture.jpg")
    return text


def encoded_url(url: str) -> str:
    """The one spelling of a URL inside a query: everything but unreserved characters is encoded."""
    return quote(url, safe="")


def query_text(*, url: str = "", exp: str = "", k: str = "", s: str = "") -> str:
    """The query with its question mark; empty when there is nothing in it."""
    values = (encoded_url(url), exp, k, s)
    pairs = (f"{name}={value}" for name, value in zip(NAMES, values, strict=True) if value)
    joined = "&".join(pairs)
    return f"?{joined}" if joined else ""
