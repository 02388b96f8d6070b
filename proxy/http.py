"""HTTP rules as pure functions: validators, ranges, and the headers of pictures (http.md)."""

import re
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache

from transforms.errors import ProgImageError
from transforms.formats import FORMATS, weights

IMMUTABLE = "public, max-age=31536000, immutable"
STAGED = "private, max-age=60"
# What a preset stands for is the operator's to change, and a focal point the owner's.
PRESET = "public, max-age=3600, must-revalidate"
FOCAL = "public, max-age=60"
REDIRECT = "public, max-age=86400"
NO_STORE = "no-store"
YEAR = 31_536_000
# A remote picture is shown a little longer while its source is asked again, and for a day while that is away.
STALE = "stale-while-revalidate=60, stale-if-error=86400"
MAX_TAGS_LENGTH = 8192

Headers = tuple[tuple[bytes, bytes], ...]

# What a browser may do with a picture that a stranger uploaded: show it, anywhere, and nothing else.
PICTURE_HEADERS: Headers = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; sandbox"),
    (b"cross-origin-resource-policy", b"cross-origin"),
    (b"access-control-allow-origin", b"*"),
)
# A picture made of characters brings its style along.
PAGE_HEADERS: Headers = (
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; sandbox"),
    *(header for header in PICTURE_HEADERS if header[0] != b"content-security-policy"),
)
RANGES: Headers = ((b"accept-ranges", b"bytes"),)

RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.ASCII)
TAG = re.compile(r'(?:W/)?"([^"]*)"')


@dataclass(frozen=True, kw_only=True)
class Freshness:
    """For how long an answer may be kept: what Cache-Control says, and the second in Unix time until which, if that is fixed."""

    control: str
    until: int | None = None


def freshness(
    now: float = 0, *, staged: bool = False, steered: bool = False, named: bool = False, fresh: int | None = None, exp: int | None = None
) -> Freshness:
    """For how long a picture may be kept. `steered`: its plan names the stored point, `named`: a preset.

    `fresh` are the seconds for which a remote source is believed, `exp` the last second of its signed URL, after which nothing is shown,
    not even when we are away. These two end at a time, not after one: nginx tells nobody how old what it has kept is.
    """
    if fresh is None and exp is None:
        return Freshness(control=STAGED if staged else FOCAL if steered else PRESET if named else IMMUTABLE)
    longest = 60 if staged or steered else 3600 if named else YEAR
    until = min(int(now) + min(longest, fresh if fresh is not None else YEAR), exp if exp is not None else int(now) + YEAR)
    stale = STALE if exp is None and not named else "must-revalidate"
    return Freshness(control=f"{'private' if staged else 'public'}, {stale}", until=until)


def quoted(etag: str) -> str:
    return f'"{etag}"'


def matches(if_none_match: str | None, etag: str) -> bool:
    """Weak comparison, as RFC 9110 13.1.2 asks for GET; `*` matches whatever exists."""
    if not if_none_match:
        return False
    return if_none_match.strip() == "*" or etag in TAG.findall(if_none_match[:MAX_TAGS_LENGTH])


class Unsatisfiable(ProgImageError):
    """A range that begins behind the last byte: length."""

    slug = "unsatisfiable-range"


def byte_range(header: str | None, if_range: str | None, etag: str, length: int) -> tuple[int, int] | None:
    """First byte and the one after the last, or None for the whole: no range, several, not understood, or of other bytes (If-Range)."""
    match = RANGE.fullmatch(header or "")
    if not match or not (match[1] or match[2]) or (if_range is not None and if_range != quoted(etag)):
        return None
    if not match[1]:
        first, end = max(0, length - int(match[2])), length
    else:
        first, end = int(match[1]), min(length, int(match[2]) + 1) if match[2] else length
        if match[2] and int(match[2]) < first:
            return None
    if first >= length:
        raise Unsatisfiable(f"There are {length} bytes, and the range begins behind the last one.", length=length)
    return first, end


@dataclass(frozen=True, kw_only=True)
class Terms:
    """On what terms bytes are given: how long they may be kept, their canonical path when another was asked for, whether Accept chose
    them, and what people should know of them."""

    freshness: Freshness
    location: str | None = None
    negotiated: bool = False
    warning: str = ""


@lru_cache(maxsize=4096)
def picture_headers(name: str, format: str, etag: str | None, terms: Terms) -> Headers:
    """All headers of a picture but its length. `name` is a safe file name; without an etag it cannot be asked for again."""
    disposition = "inline" if FORMATS[format].inline_safe else "attachment"
    return _headers(FORMATS[format].media_type, f'{disposition}; filename="{name}"', etag, terms)


def json_headers(name: str, etag: str, terms: Terms) -> Headers:
    """All headers of what describes a picture."""
    return _headers("application/json", f'inline; filename="{name}"', etag, terms)


def _headers(media_type: str, disposition: str, etag: str | None, terms: Terms) -> Headers:
    own = {
        "content-type": media_type,
        "etag": quoted(etag) if etag else "",
        "cache-control": terms.freshness.control,
        "expires": "" if terms.freshness.until is None else formatdate(terms.freshness.until, usegmt=True),
        "content-disposition": disposition,
        "content-location": terms.location or "",
        "vary": "Accept" if terms.negotiated else "",
        "x-warning": terms.warning,
    }
    safety = PAGE_HEADERS if media_type.startswith("text/html") else PICTURE_HEADERS
    return (*encoded(**own), *safety, *(RANGES if etag else ()))


def encoded(**headers: str) -> Headers:
    """Headers as ASGI wants them, without those that have no value."""
    return tuple((name.replace("_", "-").encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers.items() if value)


def prefers(accept: str | None, *media_types: str) -> str:
    """The first of the media types that this Accept header likes best; the first of all when it says nothing about any."""
    said = weights(accept or "*/*")
    return max(media_types, key=lambda media_type: (_weight(said, media_type), -media_types.index(media_type)))


def _weight(said: dict[str, float], media_type: str) -> float:
    for name in (media_type, media_type.partition("/")[0] + "/*", "*/*"):
        if name in said:
            return said[name]
    return 0.0
