"""Which Host and Origin headers are accepted, compared whole."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo_mcp.config import Auth, Settings
from neo_mcp.server.http.header_checks import (
    AcceptedAuthorities,
    AcceptedOrigins,
    Authority,
    accepted_headers,
)

pytestmark = pytest.mark.scorecard("HTTP serves those only who may use it")

SETTINGS = Settings(
    auth=Auth.BEARER,
    public_url="https://neo.example.com/mcp",
    allowed_hosts=("neo.internal", "10.0.0.7:8365", "any.internal:*", "[2001:db8::1]", "Upper.Internal"),
    allowed_origins=("https://chat.example.com/", "vscode-webview://abc", "http://any.example:*"),
)


@pytest.fixture(scope="module")
def hosts() -> AcceptedAuthorities:
    return accepted_headers(SETTINGS, "0.0.0.0")[0]  # noqa: S104 - what is bound says nothing here


@pytest.fixture(scope="module")
def origins() -> AcceptedOrigins:
    return accepted_headers(SETTINGS, "0.0.0.0")[1]  # noqa: S104 - as above


GOOD_HOSTS = (
    *("localhost", "LOCALHOST", "localhost:80", "127.0.0.1:65535", "[::1]:1", "[0:0:0:0:0:0:0:1]:80"),
    *("neo.example.com", "neo.example.com:443", "neo.internal:8080", "10.0.0.7:8365", "any.internal:9"),
    *("[2001:db8::1]:80", "[2001:DB8:0::1]", "upper.internal"),
    *("localhost.", "neo.example.com.", "Neo.Example.Com.:443", "neo.internal.:8080"),
)
BAD_HOSTS = (
    *("", " ", "evil.example", "localhost.evil.example", "localhost:80.evil.example", "127.0.0.1:80@evil"),
    *(
        "evil@localhost",
        "evil:x@localhost:80",
        "localhost:",
        "localhost:0",
        "localhost:65536",
        "localhost:080000",
    ),
    *("localhost:+80", "localhost:-1", "localhost:8 0", "localhost: 80", "localhost :80", "localhost:80:80"),
    *("localhost/", "localhost/x", "localhost?x", "localhost#x", "localhost\\x", "localhost,evil.example"),
    *(
        "localhost evil.example",
        "localhost\tx",
        "localhost..",
        ".",
        ".localhost",
        "localhost%00",
        "localhost:\uff18\uff10",
    ),
    *("http://localhost", "//localhost", "::1", "[::1", "::1]", "[::1]80", "[::1]:", "[::1%25eth0]", "[::g]"),
    *("[127.0.0.1]", "[localhost]", "127.1", "0x7f.0.0.1", "2130706433", "10.0.0.7", "10.0.0.7:80"),
    *(
        "localhost:*",
        "neo.example.com.evil.example",
        "xneo.example.com",
        "0.0.0.0",  # noqa: S104 - refused is the point
        "ⓛocalhost",
        "localhost\x00",
    ),
)
GOOD_ORIGINS = (
    *(
        "http://localhost",
        "http://localhost:6274",
        "http://127.0.0.1:1",
        "http://[::1]:80",
        "HTTP://LOCALHOST:80",
    ),
    *(
        "https://neo.example.com",
        "https://neo.example.com:443",
        "https://chat.example.com",
        "vscode-webview://abc",
    ),
    *("http://any.example", "http://any.example:99"),
)
BAD_ORIGINS = (
    *(
        "",
        "null",
        "NULL",
        "http://evil.example",
        "https://localhost",
        "http://localhost.evil.example",
        "localhost",
    ),
    *("http://localhost:80.evil.example", "http://localhost:80@evil.example", "http://evil@localhost"),
    *(
        "http://localhost/",
        "http://localhost?x",
        "http://localhost:",
        "http://localhost:0",
        "http://localhost:99999",
    ),
    *("http:/localhost", "http:localhost", "//localhost", " http://localhost", "http://localhost "),
    *("http://localhost, http://localhost", "http://localhost http://evil.example", "http://neo.example.com"),
    *("https://neo.example.com:444", "https://chat.example.com.evil.example", "vscode-webview://abcd"),
    *("vscode-webview://abc:1", "https://any.example", "http://any.example:*", "file://", "http://"),
)


@pytest.mark.parametrize("host", GOOD_HOSTS)
def test_a_host_of_this_server_is_accepted(hosts: AcceptedAuthorities, host: str) -> None:
    assert host in hosts


@pytest.mark.parametrize("host", BAD_HOSTS)
def test_no_other_host_is(hosts: AcceptedAuthorities, host: str) -> None:
    assert host not in hosts


@pytest.mark.parametrize("origin", GOOD_ORIGINS)
def test_an_origin_that_may_use_it_is_accepted(origins: AcceptedOrigins, origin: str) -> None:
    assert origin in origins


@pytest.mark.parametrize("origin", BAD_ORIGINS)
def test_no_other_origin_is(origins: AcceptedOrigins, origin: str) -> None:
    assert origin not in origins


def test_only_the_operator_can_accept_pages_without_an_origin() -> None:
    settings = Settings(auth=Auth.BEARER, allowed_origins=("null",))
    assert "null" in accepted_headers(settings, "127.0.0.1")[1]


_PIECES = st.lists(
    st.sampled_from(
        ["localhost", "127.0.0.1", "[::1]", "neo.internal", ":", "80", "@", ".", "/", "evil", "*", "%"]
    ),
    max_size=5,
).map("".join)


@given(st.one_of(_PIECES, st.text(string.printable, max_size=20)))
def test_what_is_accepted_is_a_host_of_ours_and_perhaps_a_port(text: str) -> None:
    hosts, _ = accepted_headers(SETTINGS, "127.0.0.1")
    if text in hosts:
        found = Authority.parse(text)
        assert found is not None
        ours = {"localhost", "127.0.0.1", "[::1]", "neo.internal", "neo.example.com", "any.internal"}
        assert found.host in ours | {"10.0.0.7", "[2001:db8::1]", "upper.internal"}
        without_dot = text.lower().replace(".:", ":").removesuffix(".")
        assert without_dot in {found.host, f"{found.host}:{without_dot.rpartition(':')[2]}"}
        assert found.port is None or 0 < found.port < 65_536
