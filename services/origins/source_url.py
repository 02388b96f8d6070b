"""The text of a remote picture's address: a grammar of our own, stricter than any URL library's.

Libraries repair what they read, each in its own way, and the one that judges is then not the one that connects. Nothing is repaired here:
what passes means one thing only, and its parts go to the connection as they were judged.
"""

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from services.errors import BadSourceUrl

LONGEST = 2048
PORTS = {"http": 80, "https": 443}
EXPECTED = "http:// or https://, a host, and the path of a picture"

WHOLE = re.compile(r"(https?)://([^/?]*)([/?].*)?", re.ASCII | re.IGNORECASE)
AUTHORITY = re.compile(r"(\[[^\]]*\]|[^:]*)(?::(.*))?", re.ASCII)
LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
PORT = re.compile(r"[1-9][0-9]{0,4}", re.ASCII)
# As the WHATWG standard does it: what ends like a number is an address to some resolver.
NUMBER = re.compile(r"[0-9]+|0x.*", re.ASCII)
HALF_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})", re.ASCII)
LONGEST_NAME = 253


@dataclass(frozen=True, kw_only=True)
class SourceUrl:
    """The address of a remote picture in its normal spelling: lower-case host, no default port, a path, no fragment.

    A `host` that is an IPv6 address has its brackets.
    """

    scheme: str
    host: str
    port: int
    target: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"

    @property
    def authority(self) -> str:
        """The host, and the port if it is not the scheme's own: what the header `Host` says."""
        return self.host if self.port == PORTS[self.scheme] else f"{self.host}:{self.port}"

    @property
    def name(self) -> str:
        """The host as resolvers and certificates spell it: without brackets."""
        return self.host.strip("[]")

    @property
    def address(self) -> IPv4Address | IPv6Address | None:
        """The address that stands there instead of a name."""
        return literal(self.name)


def literal(name: str) -> IPv4Address | IPv6Address | None:
    """The address that the text is, if it is one."""
    for kind in (IPv4Address, IPv6Address):
        try:
            return kind(name)
        except AddressValueError:
            continue
    return None


def parse(text: str) -> SourceUrl:
    """The URL, so that `parse(str(url)) == url`; BadSourceUrl names what is wrong with any other text."""
    _check_characters(text)
    whole = WHOLE.fullmatch(text)
    if not whole:
        raise _bad("`url` is not the absolute URL of a picture.")
    scheme, authority, target = whole[1].lower(), whole[2].lower(), whole[3] or "/"
    host, port = _split(authority)
    if HALF_ESCAPE.search(target):
        raise _bad("`url` has a % that begins no escape.", "%25 for a percent sign")
    return SourceUrl(scheme=scheme, host=_host(host), port=_port(port, scheme), target=target if target[0] == "/" else f"/{target}")


def _bad(sentence: str, expected: str = EXPECTED) -> BadSourceUrl:
    return BadSourceUrl(sentence, expected=expected)


def _check_characters(text: str) -> None:
    if len(text) > LONGEST:
        raise _bad("`url` is too long.", f"at most {LONGEST} characters")
    if not text.isascii():
        raise _bad("`url` has characters beyond ASCII.", "the host in punycode (xn--…), the rest percent-encoded")
    if not all("!" <= character <= "~" for character in text):
        raise _bad("`url` has a space or a control character in it.", "a URL without them, or with %20")
    for character, name in (("\\", "a backslash"), ("#", "a fragment")):
        if character in text:
            raise _bad(f"`url` has {name}.", f"a URL without {character}")


def _split(authority: str) -> tuple[str, str | None]:
    if "@" in authority:
        raise _bad("`url` has a user or a password.", "a host without @ before it")
    if "%" in authority:
        raise _bad("`url` has a percent-encoded host.", "a host of letters, digits, dots and hyphens")
    parts = AUTHORITY.fullmatch(authority)
    if not parts:
        raise _bad("The host of `url` is malformed.", "host or host:port")
    return parts[1], parts[2]


def _port(text: str | None, scheme: str) -> int:
    if text is None:
        return PORTS[scheme]
    if not PORT.fullmatch(text) or int(text) > 65535:
        raise _bad("The port of `url` is none.", "a number from 1 to 65535, or no colon")
    return int(text)


def _host(text: str) -> str:
    if text.startswith("["):
        return f"[{_address(IPv6Address, text[1:-1])}]"
    name = text.removesuffix(".")
    labels = name.split(".")
    if NUMBER.fullmatch(labels[-1]):
        return _address(IPv4Address, text)
    if len(name) > LONGEST_NAME or not all(map(LABEL.fullmatch, labels)):
        raise _bad("The host of `url` is none.", "labels of letters, digits and hyphens with dots between, or an IP address")
    return name


def _address(kind: type[IPv4Address | IPv6Address], text: str) -> str:
    try:
        return kind(text).compressed
    except AddressValueError:
        raise _bad("The host of `url` is no proper IP address.", "four decimal numbers with dots between, or [an IPv6 address]") from None
