"""The grammar of remote URLs: what passes means one thing, what does not says what would."""

import string
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import BadSourceUrl
from services.origins.source_url import LONGEST, parse

NORMAL = {
    "http://a.example": "http://a.example/",
    "HTTP://A.Example:80/Path?Query": "http://a.example/Path?Query",
    "https://a.example:443/x": "https://a.example/x",
    "https://a.example:80/x": "https://a.example:80/x",
    "http://a.example.:8080?x=http://b/": "http://a.example:8080/?x=http://b/",
    "http://allowed.example?@127.0.0.1/": "http://allowed.example/?@127.0.0.1/",
    "http://93.184.216.34/": "http://93.184.216.34/",
    "http://[2606:4700:0:0::0001]/": "http://[2606:4700::1]/",
    "http://[2606:4700::1]:81/": "http://[2606:4700::1]:81/",
    "http://xn--bcher-kva.example/b%C3%BC": "http://xn--bcher-kva.example/b%C3%BC",
    "http://under_score.example/a/../b//c;d,e!f$g&h'(i)*+=:@[j]{k}|": "http://under_score.example/a/../b//c;d,e!f$g&h'(i)*+=:@[j]{k}|",
    "http://LOCALHOST/": "http://localhost/",
}

BAD = {
    "numbers that are addresses to some": [
        "http://0/",
        "http://2130706433/",
        "http://2852039166/",
        "http://4294967297/",
        "http://256.256.256.256/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://0x7f.0.0.0x1/",
        "http://0177.0.0.1/",
        "http://017700000001/",
        "http://00000177.0.0.01/",
        "http://127.1/",
        "http://127.0.1/",
        "http://127.0.0.01/",
        "http://127.0.0.1./",
        "http://example.0X7F/",
        "http://1.2.3.4.5/",
        "http://a.0xyz/",
    ],
    "beyond ASCII": [
        "http://①②⑦.0.0.1/",
        "http://１２７.0.0.1/",
        "http://127。0。0。1/",
        "http://127．0．0．1/",
        "http://127｡0｡0｡1/",
        "http://ⓛocalhost/",
        "http://a.example:８０/",
        "http://bücher.example/",
        "http://a.example/ü",
    ],
    "broken literals": [
        "http://[127.0.0.1]/",
        "http://[v1.x]/",
        "http://[::1/",
        "http://[]/",
        "http://[::1]x/",
        "http://x[::1]/",
        "http://[fe80::1%25eth0]/",
        "http://::1/",
    ],
    "users": [
        "http://allowed.example@127.0.0.1/",
        "http://127.0.0.1@allowed.example/",
        "http://a:b@c:d@127.0.0.1/",
        "http://@a.example/",
    ],
    "backslashes": [
        "http://allowed.example\\@127.0.0.1/",
        "http://127.0.0.1:80\\@allowed.example/",
        "http://a.example/\\",
        "http:\\\\a.example\\",
    ],
    "fragments": ["http://allowed.example#@127.0.0.1/", "http://a.example/#", "http://1.1.1.1 &@2.2.2.2# @3.3.3.3/"],
    "encoded hosts": ["http://127.0.0.1%2f@allowed.example/", "http://%31%32%37.0.0.1/", "http://localhost%00.allowed.example/"],
    "control characters": [
        "ht\ttp://a.example/",
        "http://exa\tmple.com/",
        " http://a.example/",
        "\0http://a.example/",
        "http://a.example/\r\nHost: x",
        "http://a.example/\n",
        "http://a.example/a b",
        "http://a.example/\x7f",
    ],
    "no authority": [
        "http:127.0.0.1/",
        "http:/127.0.0.1/",
        "http:///127.0.0.1/",
        "//127.0.0.1/x",
        "http://",
        "http:///",
        "a.example/x",
        "",
        "/x",
    ],
    "ports": [
        "http://h.x:0/",
        "http://h.x:65536/",
        "http://h.x:+80/",
        "http://h.x:080/",
        "http://h.x:80:80/",
        "http://h.x:/",
        "http://h.x:a/",
        "http://:80/",
    ],
    "schemes": [
        "file:///etc/passwd",
        "FILE:/etc/passwd",
        "ftp://h/x",
        "gopher://127.0.0.1:6379/_SET",
        "dict://127.0.0.1/",
        "ldap://127.0.0.1/",
        "jar:http://a.example!/",
        "s3://b/k",
        "data:image/png;base64,AAAA",
        "javascript:1",
        "unix:/run/x.sock",
        "httpss://a.example/",
        "http+unix://x/",
    ],
    "names": [
        "http://a..example/",
        "http://.example/",
        "http://./",
        "http://../",
        "http://-a.example/",
        "http://a-.example/",
        "http://a,b.example/",
        f"http://{'a' * 64}.example/",
        "http://" + "a." * 126 + "example/",
    ],
    "escapes": ["http://a.example/100%", "http://a.example/%2", "http://a.example/?%zz"],
    "length": ["http://a.example/" + "a" * LONGEST],
}


@pytest.mark.parametrize(("text", "normal"), NORMAL.items())
def test_a_source_has_one_normal_spelling(text: str, normal: str) -> None:
    assert str(parse(text)) == normal


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in BAD.items() for text in texts])
def test_what_could_be_read_in_two_ways_is_no_source(kind: str, text: str) -> None:
    with pytest.raises(BadSourceUrl) as refused:
        parse(text)
    assert refused.value.facts["expected"]


@pytest.mark.parametrize(
    ("text", "hint"),
    [("http://bücher.example/", "punycode"), ("http://a.example/100%", "%25"), ("http://h.x:0/", "1 to 65535"), ("x", "https://")],
)
def test_a_refusal_says_what_would_be_right(text: str, hint: str) -> None:
    with pytest.raises(BadSourceUrl) as refused:
        parse(text)
    assert hint in str(refused.value.facts["expected"])


def test_the_parts_are_those_that_a_connection_needs() -> None:
    source = parse("https://[2606:4700::1]:8443/a?b")
    assert (source.scheme, source.host, source.port, source.target) == ("https", "[2606:4700::1]", 8443, "/a?b")
    assert (source.name, source.address, source.authority) == ("2606:4700::1", IPv6Address("2606:4700::1"), "[2606:4700::1]:8443")
    assert parse("http://1.2.3.4/").address == IPv4Address("1.2.3.4")
    assert parse("http://a.example/").address is None


LABELS = st.text(string.ascii_letters + string.digits + "_", min_size=1, max_size=12)
HOSTS = st.one_of(
    st.lists(LABELS, min_size=1, max_size=4).map(".".join),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
    st.ip_addresses(v=6).map(lambda address: f"[{address.exploded}]"),
)
URLS = st.builds(
    "{}://{}{}{}".format,
    st.sampled_from(["http", "https", "HTTP"]),
    HOSTS,
    st.one_of(st.just(""), st.integers(0, 70_000).map(":{}".format)),
    st.one_of(
        st.just(""), st.text(string.printable, max_size=20).map("/{}".format), st.text(string.ascii_letters, max_size=9).map("?{}".format)
    ),
)


@given(st.one_of(URLS, st.text(max_size=60), st.text(string.printable, max_size=60).map("http://{}".format)))
def test_what_passes_is_normal_after_one_time(text: str) -> None:
    try:
        source = parse(text)
    except BadSourceUrl:
        return
    assert parse(str(source)) == source
    assert str(parse(str(source))) == str(source)
    assert str(source).isascii()
    assert source.target.startswith("/")
    assert not set("@\\# \t\r\n%") & set(source.authority)
