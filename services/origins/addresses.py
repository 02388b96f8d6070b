"""Which addresses are anybody's: the explicit list, for `ipaddress.is_global` says True of tunnels that end inside.

It is made from the registries of special-purpose addresses (RFC 6890) and from what clouds use beside them.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

V4_DENIED = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this host
            "10.0.0.0/8",
            "100.64.0.0/10",  # carriers' own, and a cloud's metadata
            "127.0.0.0/8",
            "168.63.129.16/32",  # a cloud's wire server
            "169.254.0.0/16",  # links, and clouds' metadata
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)
Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Whatever lies outside is no unicast address of the internet: loopback, mapped and translated IPv4, links, sites, multicast.
V6_PUBLIC = IPv6Network("2000::/3")
V6_DENIED = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments, Teredo among them
            "2001:db8::/32",
            "2002::/16",  # 6to4
            "3fff::/20",
        ),
    )
)
# Bytes 8 to 11 of an ISATAP address, which ends with the IPv4 address that it leads to; the two bits left out vary.
ISATAP, ISATAP_BITS = 0x00005EFE, 0xFCFFFFFF


def allowed(address: Address, networks: Iterable[Network] = ()) -> bool:
    """Whether the address is public, or in one of the networks that are allowed although they are not."""
    # The kernel takes ::ffff:a.b.c.d for a.b.c.d itself; every other way to write one into the other is refused.
    judged = (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
    return any(judged in network for network in networks) or _public(judged)


def _public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in V4_DENIED)
    tunnel = int(address) >> 32 & ISATAP_BITS == ISATAP
    return address in V6_PUBLIC and not tunnel and not any(address in network for network in V6_DENIED)
