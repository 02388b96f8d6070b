"""Which hosts may be named: by the list, by the port, by what they are called."""

from ipaddress import ip_network

import pytest

from services.errors import RemoteOff, SourceNotAllowed
from services.origins.policy import Policy
from services.origins.source_url import parse
from transforms.errors import ProgImageError


def policy(*sources: str, networks: tuple[str, ...] = ()) -> Policy:
    return Policy(sources=sources, ports=(80, 443), networks=[ip_network(network) for network in networks], own_host="img.example")


LISTED = ("allowed.example", "*.cdn.example", "10.1.2.3", "[fd00::1]", "93.184.216.34", "db", "*.internal")
PRIVATE = ("10.0.0.0/8", "fd00::/8")


@pytest.mark.parametrize(
    ("host", "passes"),
    [
        ("allowed.example", True),
        ("ALLOWED.EXAMPLE.", True),
        ("a.cdn.example", True),
        ("a.b.CDN.example", True),
        ("cdn.example", False),
        ("evilcdn.example", False),
        ("cdn.example.evil", False),
        ("other.dev/.cdn.example/", False),
        ("other.dev?.cdn.example", False),
        ("xn--cdn-example.example", False),
        ("sub.allowed.example", False),
        ("10.1.2.3", True),
        ("10.1.2.4", False),
        ("[fd00:0::1]", True),
        ("93.184.216.34", True),
        ("db", True),
        ("web", False),
        ("img.internal", True),
        ("localhost", False),
    ],
)
def test_the_list_names_hosts_and_what_is_below_them(host: str, passes: bool) -> None:
    hosts = policy(*LISTED, networks=PRIVATE)
    for signed in (False, True):
        try:
            hosts.check(parse(f"http://{host}/x"), signed=signed)
        except SourceNotAllowed as refused:
            assert not passes
            assert refused.facts["expected"]
        else:
            assert passes


INSIDE = [
    "localhost",
    "localhost.",
    "ip6-localhost",
    "a.localhost",
    "printer.local",
    "x.internal",
    "vault.corp",
    "nas.lan",
    "nas.home.arpa",
]
LITERALS = ["127.0.0.1", "10.0.0.1", "169.254.169.254", "[::1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[2606:4700::200:5efe:a00:1]"]


@pytest.mark.parametrize("host", [*INSIDE, *LITERALS])
@pytest.mark.parametrize(("sources", "signed"), [(("*",), False), (("*",), True), ((), True)])
def test_everybodys_hosts_are_those_of_the_internet(host: str, sources: tuple[str, ...], signed: bool) -> None:
    with pytest.raises(SourceNotAllowed):
        policy(*sources).check(parse(f"http://{host}/"), signed=signed)
    policy(*sources).check(parse("http://photos.example/"), signed=signed)
    policy(*sources).check(parse("http://93.184.216.34/"), signed=signed)


@pytest.mark.parametrize("sources", [("*",), ("10.0.0.1",)])
def test_a_listed_literal_must_be_a_public_address_all_the_same(sources: tuple[str, ...]) -> None:
    with pytest.raises(SourceNotAllowed):
        policy(*sources).check(parse("http://10.0.0.1/"), signed=True)
    policy(*sources, networks=("10.0.0.0/8",)).check(parse("http://10.0.0.1/"), signed=False)


@pytest.mark.parametrize("port", [22, 25, 6379, 8080, 9000, 11211])
def test_only_the_ports_of_the_web_are_asked(port: int) -> None:
    with pytest.raises(SourceNotAllowed) as refused:
        policy("*").check(parse(f"http://a.example:{port}/"), signed=True)
    assert refused.value.facts["expected"] == "port 80 or 443"
    policy("*").check(parse("http://a.example:443/"), signed=False)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://IMG.example/x", ""),
        ("https://img.example./x", ""),
        ("http://b.example/", "B.example"),
        ("http://[2606:4700::1]/", "[2606:4700::1]"),
    ],
)
def test_we_do_not_fetch_from_ourselves(url: str, host: str) -> None:
    for sources in (("*",), ("img.example", "b.example", "[2606:4700::1]")):
        with pytest.raises(SourceNotAllowed):
            policy(*sources).check(parse(url), signed=True, host=host)


@pytest.mark.parametrize(
    ("sources", "signed", "url", "error"),
    [
        ((), False, "http://a.example/", RemoteOff),
        (("a.example",), True, "http://b.example/", SourceNotAllowed),
    ],
)
def test_a_list_always_binds_and_without_one_only_signed_urls_count(
    sources: tuple[str, ...], signed: bool, url: str, error: type[ProgImageError]
) -> None:
    with pytest.raises(error):
        policy(*sources).check(parse(url), signed=signed)
