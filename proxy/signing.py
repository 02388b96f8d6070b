"""Signed URLs (urls.md): what is signed, by which key, and for how long."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from proxy.picture_query import PictureQuery, query_text
from services.errors import BadSignature, ExpiredSignature

Required = Literal["off", "remote", "all"]
# So that no signature of ours is one of something else that has the same key.
PURPOSE = "progimage-url-1"


@dataclass(frozen=True, kw_only=True)
class Signer:
    """`keys` by id: the first one signs, all are accepted. `required` says which picture URLs are nothing without a signature."""

    keys: Mapping[str, bytes] = field(repr=False)
    required: Required

    def verified(self, path: str, source: str, query: PictureQuery, now: float) -> bool:
        """Whether the canonical path with its source (empty: none) is signed.

        BadSignature when what is there is wrong, or nothing is and must be; ExpiredSignature when it was right once.
        """
        if not query.s:
            if self.required == "all" or (self.required == "remote" and source):
                raise BadSignature("This URL must be signed: it has no s.", expected="s, the signature of this URL")
            return False
        # Every key is tried to the end: how long it takes says nothing.
        signatures = [_signature(key, path, source, query.exp, query.k) for name, key in self.keys.items() if query.k in ("", name)]
        good = [hmac.compare_digest(signature.encode(), query.s.encode("latin-1")) for signature in signatures]
        if not any(good):
            raise BadSignature(
                "The signature is not of this URL, or not by a key that is known here.", expected="s, the signature of this URL"
            )
        if query.expires is not None and query.expires < now:
            raise ExpiredSignature("This URL was good for a time that is over.", expired_at=query.expires)
        return True

    def signed(self, path: str, *, source: str = "", exp: str = "", k: str = "") -> str:
        """The path with its signed query; by the key `k`, which is named then, else by the first. KeyError when there is no such key."""
        key = self.keys[k] if k else next(iter(self.keys.values()))
        return path + query_text(url=source, exp=exp, k=k, s=_signature(key, path, source, exp, k))

    def address(self, path: str) -> str:
        """The path as it may be given to others: signed where it must be."""
        return self.signed(path) if self.required == "all" else path


def _signature(key: bytes, path: str, source: str, exp: str, k: str) -> str:
    """Each field with its length before it, so that no two of them can be taken for two others."""
    fields = (text.encode("latin-1") for text in (PURPOSE, path, source, exp, k))
    message = b"".join(b"%d:%b," % (len(text), text) for text in fields)
    return base64.urlsafe_b64encode(hmac.digest(key, message, hashlib.sha256)).rstrip(b"=").decode()
