"""`progimage sign`: a picture's URL, canonical and signed."""

import time
from urllib.parse import urlsplit

from services.origins.source_url import parse as parse_source

from proxy.image_path import PREFIX, parse_path, parse_remote
from proxy.picture_query import parse_query
from proxy.settings import PREFIX as VARIABLE_PREFIX
from proxy.settings import Settings
from proxy.signing import Signer
from services.errors import BadRequest


def signed_url(settings: Settings, url: str, *, seconds: int | None = None, key: str | None = None) -> str:
    """The URL with its signature, which is good for so many seconds; BadRequest, PlanError, UnknownImage or BadSourceUrl."""
    keys = settings.signing_keys
    if not keys or (key and key not in keys):
        known = ", ".join(keys) or "none"
        raise BadRequest(f"There is no such key: {VARIABLE_PREFIX}SIGNING_KEYS has {known}.", expected="a key in SIGNING_KEYS")
    parts = urlsplit(url)
    if not parts.path.startswith(PREFIX):
        raise BadRequest(f"{parts.path[:60]!r} is not the path of a picture.", expected=f"a path that begins with {PREFIX}")
    query, rest = parse_query(parts.query.encode()), parts.path.removeprefix(PREFIX)
    source = str(parse_source(query.url)) if query.url else ""
    asked = parse_remote(rest) if source else parse_path(rest)
    base = f"{parts.scheme}://{parts.netloc}" if parts.netloc else settings.public_url
    exp = str(int(time.time()) + seconds) if seconds else ""
    return base + Signer(keys=keys, required="off").signed(asked.accepted, source=source, exp=exp, k=key or "")
