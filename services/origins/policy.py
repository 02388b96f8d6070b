"""Which sources a request may name: decided from the text of the URL alone, before anybody is asked for an address."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.errors import RemoteOff, SourceNotAllowed
from services.origins.addresses import Network, allowed
from services.origins.source_url import SourceUrl

EVERYBODY = "*"
# Names that mean another machine in each network; also all without a dot. Where one is meant, the list names it.
INSIDE = ("localhost", "localdomain", "local", "internal", "intranet", "private", "corp", "home", "lan", "home.arpa")


@dataclass(frozen=True, kw_only=True)
class Policy:
    """`sources` are patterns of hosts: a host, `*.host` for all that is below it, `*` for all; `networks` are not public, and allowed."""

    sources: Sequence[str]
    ports: Sequence[int]
    networks: Sequence[Network]
    own_host: str = ""

    def check(self, source: SourceUrl, *, signed: bool, host: str = "") -> None:
        """RemoteOff or SourceNotAllowed; `host` is another name of ours."""
        if not self.sources and not signed:
            raise RemoteOff("No pictures of other hosts are served here.")
        if source.port not in self.ports:
            raise _refusal("This port is not asked for pictures.", f"port {' or '.join(map(str, self.ports))}")
        if source.host in {_plain(self.own_host), _plain(host)}:
            raise _refusal("`url` names this server itself.", "another host, or the id of the picture")
        if not self._names(source):
            raise _refusal("This host is not asked for pictures.", "a host that the operator of this server allows")
        if source.address and not allowed(source.address, self.networks):
            raise _refusal("This address is not asked for pictures.", "a public address")

    def _names(self, source: SourceUrl) -> bool:
        """Whether the list has the host. Everybody's hosts are those of the internet."""
        if any(_matches(pattern, source.host) for pattern in self.sources):
            return True
        return (not self.sources or EVERYBODY in self.sources) and not _is_inside(source)


def _refusal(sentence: str, expected: str) -> SourceNotAllowed:
    return SourceNotAllowed(sentence, expected=expected)


def _plain(host: str) -> str:
    return host.lower().removesuffix(".")


def _matches(pattern: str, host: str) -> bool:
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern


def _is_inside(source: SourceUrl) -> bool:
    if source.address:
        return False
    return "." not in source.host or any(_matches(f"*.{name}", source.host) for name in INSIDE)
