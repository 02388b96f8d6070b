"""`progimage sign`: a picture's URL, canonical and signed."""

import time

from proxy.image_path import parse_path, parse_remote, split_url
from proxy.picture_query import parse_query
from proxy.settings import PREFIX as VARIABLE_PREFIX
from proxy.settings import Settings
from proxy.signing import Signer
from services.errors import BadRequest
from services.origins.source_url import parse as parse_source


def signed_url(settings: Settings, url: str, *, seconds: int | None = None, key: str | None = None) -> str:
    """The URL with its signature, which is good for so many seconds; BadRequest, PlanError, UnknownImage or BadSourceUrl."""
    keys = settings.signing_keys
    if not keys or (key and key not in keys):
        known = ", ".join(keys) or "none"
        raise BadRequest(f"There is no such key: {VARIABLE_PREFIX}SIGNING_KEYS has {known}.", expected="a key in SIGNING_KEYS")
    parts, path = split_url(url)
    query = parse_query(parts.query.encode())
    source = str(parse_source(query.url)) if query.url else ""
    asked = parse_remote(path) if source else parse_path(path)
    base = f"{parts.scheme}://{parts.netloc}" if parts.netloc else settings.public_url
    exp = str(int(time.time()) + seconds) if seconds else ""
    return base + Signer(keys=keys, required="off").signed(asked.accepted, source=source, exp=exp, k=key or "")
