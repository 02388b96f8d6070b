"""What is said to other hosts, and what is believed of what they say."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from services.origins.source_url import SourceUrl

# Our name in `CDN-Loop` (RFC 8586): who reads it in a request would be fetching from itself.
LOOP = "progimage"

SHORTEST, USUAL, LONGEST = 60, 3600, 24 * 3600
UNKEPT = ("no-store", "no-cache", "private")
SECONDS = re.compile(r'"?([0-9]+)"?', re.ASCII)
VALIDATOR = re.compile(r"[\x20-\x7e]{1,200}")


@dataclass(frozen=True, kw_only=True)
class Validators:
    """What a host said of the bytes it sent, as it said it; empty when it said nothing."""

    etag: str = ""
    last_modified: str = ""


@dataclass(frozen=True)
class Head:
    """The status and the headers of an answer."""

    status: int
    fields: Iterable[tuple[bytes, bytes]]

    @cached_property
    def _values(self) -> dict[str, str]:
        joined: dict[str, str] = {}
        for name, value in self.fields:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            joined[key] = f"{joined[key]}, {text}" if key in joined else text
        return joined

    def value(self, name: str) -> str:
        """Those of all headers of this name, with commas between."""
        return self._values.get(name, "")

    @property
    def length(self) -> int:
        """The bytes that are announced; the parser has seen to it that it is a number. 0 when nothing is."""
        return int(self.value("content-length").split(",")[0] or 0)

    @property
    def encoding(self) -> str:
        named = self.value("content-encoding").strip().lower()
        return "" if named == "identity" else named

    @property
    def max_age(self) -> int:
        """Seconds, for shared caches; within bounds, whatever is said."""
        directives = [part.strip().lower() for part in self.value("cache-control").split(",")]
        if any(part.partition("=")[0] in UNKEPT for part in directives):
            return SHORTEST
        said = dict(part.partition("=")[::2] for part in directives)
        for name in ("s-maxage", "max-age"):
            if found := SECONDS.fullmatch(said.get(name, "")):
                # Cut, for a number of thousands of digits is none to Python.
                return min(max(int(found[1][:20]), SHORTEST), LONGEST)
        return USUAL

    @property
    def validators(self) -> Validators:
        """The host's, where they can be sent back and kept without harm."""
        return Validators(etag=_sane(self.value("etag")), last_modified=_sane(self.value("last-modified")))


def _sane(text: str) -> str:
    return text if VALIDATOR.fullmatch(text) else ""


def request_headers(source: SourceUrl, known: Validators | None) -> list[tuple[bytes, bytes]]:
    """All that another host learns of us; nothing of what our client sent."""
    known = known or Validators()
    fields = {
        "Host": source.authority,
        "Accept": "image/*",
        "Accept-Encoding": "identity",
        "User-Agent": "ProgImage",
        "CDN-Loop": LOOP,
        "Connection": "close",
        "If-None-Match": known.etag,
        "If-Modified-Since": known.last_modified,
    }
    return [(name.encode(), value.encode("ascii")) for name, value in fields.items() if value]
