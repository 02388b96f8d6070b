"""The judge of addresses, with every address of the threat table on both sides of each border."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.origins.addresses import V4_DENIED, allowed

DENIED = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.0", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255",
    "192.168.0.1", "192.168.255.255", "169.254.169.254", "169.254.170.2", "100.100.100.200", "100.64.0.1", "100.127.255.255",
    "168.63.129.16", "192.0.0.192", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.9", "224.0.0.1",
    "239.255.255.250", "255.255.255.255", "240.0.0.1", "::1", "::", "::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:a9fe:a9fe", "::127.0.0.1",
    "::10.0.0.1", "::ffff:0:127.0.0.1", "::ffff:0:8.8.8.8", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b::808:808",
    "64:ff9b:1:a00:0:100::", "2002:7f00:1::", "2002:a9fe:a9fe::", "2002:808:808::", "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "2606:4700::200:5efe:a00:1", "2606:4700::5efe:a00:1", "2606:4700::300:5efe:808:808", "fe80::1", "fec0::1", "fd00:ec2::254", "fc00::1",
    "ff02::1", "3fff::1", "5f00::1", "100::1", "2001:db8::1", "2001:1ff:ffff::1", "1fff::1", "4000::1",
]  # fmt: skip

PUBLIC = [
    "1.1.1.1", "9.255.255.255", "11.0.0.0", "172.15.255.255", "172.32.0.1", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.1",
    "169.253.255.255", "169.255.0.1", "192.0.1.1", "192.167.255.255", "192.169.0.1", "168.63.129.15", "168.63.129.17", "198.17.255.255",
    "198.20.0.1", "223.255.255.255", "93.184.216.34", "::ffff:93.184.216.34", "2001:200::1", "2001:4860:4860::8888", "2606:4700::1111",
    "2a00:1450:4001:81b::200e", "2003::1", "3ffe::1", "2000::1", "2606:4700::200:5eff:a00:1",
]  # fmt: skip


@pytest.mark.parametrize("text", DENIED)
def test_an_address_of_somebodys_inside_is_refused(text: str) -> None:
    assert not allowed(ip_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_an_address_of_the_internet_passes(text: str) -> None:
    assert allowed(ip_address(text))


@pytest.mark.parametrize(
    ("address", "network", "passes"),
    [
        ("10.1.2.3", "10.1.0.0/16", True),
        ("10.2.0.1", "10.1.0.0/16", False),
        ("::ffff:10.1.2.3", "10.1.0.0/16", True),
        ("2002:a01:203::", "10.1.0.0/16", False),
        ("fd00::1", "fd00::/8", True),
        ("127.0.0.1", "::/0", False),
        ("8.8.8.8", "10.0.0.0/8", True),
    ],
)
def test_a_network_that_is_allowed_on_purpose_passes_beside_the_public_ones(address: str, network: str, passes: bool) -> None:
    assert allowed(ip_address(address), [ip_network(network)]) is passes


@given(st.ip_addresses(v=4))
def test_an_address_mapped_into_ipv6_is_judged_as_what_it_is(address: object) -> None:
    assert allowed(ip_address(f"::ffff:{address}")) is allowed(ip_address(str(address)))


@given(
    st.ip_addresses(v=6, network="64:ff9b::/96")
    | st.ip_addresses(v=6, network="2002::/16")
    | st.ip_addresses(v=6, network="::ffff:0:0:0/96")
)
def test_no_tunnel_passes_wherever_it_leads(address: object) -> None:
    assert not allowed(ip_address(str(address)))


@pytest.mark.parametrize("network", V4_DENIED, ids=str)
def test_a_network_is_refused_from_its_first_address_to_its_last(network: object) -> None:
    both = ip_network(str(network))
    assert not allowed(both[0])
    assert not allowed(both[-1])
