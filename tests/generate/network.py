"""The tables of what is read as what in the network's variables, made by reading them."""

from collections.abc import Iterator

from neo_mcp.api.http_clients import read_proxy
from neo_mcp.errors import ConfigurationError
from neo_mcp.network_settings import Variable, is_bypassed
from tests.generate.readme import table

_PROXIES = (
    "http://proxy.example.com:8080",
    "proxy.example.com:8080",
    "http://user:p%40ss@proxy.example.com:8080",
    "https://proxy.example.com",
    "socks5://127.0.0.1:1080",
    "socks://127.0.0.1:1080",
    "socks4://127.0.0.1:1080",
    "proxy.example.com:port",
)
_NO_PROXY = (
    ("api.example.com", "api.example.com", "example.com"),
    ("example.com", "api.example.com", "badexample.com"),
    (".example.com", "api.example.com", "badexample.com"),
    ("*.example.com", "api.example.com", "badexample.com"),
    ("api.*.example.com", "api.eu.example.com", "example.com"),
    ("example.com:443", "example.com", "example.com:8443"),
    ("https://example.com", "example.com", "other.example"),
    ("10.0.0.0/8", "10.1.2.3", "11.1.2.3"),
    ("10.1.2.3", "10.1.2.3", "10.1.2.4"),
    ("::1/128", "[::1]", "[::2]"),
    ("fd07::/64", "[fd07::5]", "[fd08::5]"),
    ("[fd07::5]", "[fd07::5]", "[fd07::6]"),
    ("*", "any.example", None),
)


def network_section() -> Iterator[str]:
    """Lines on proxies and certificates, with the tables."""
    yield from (
        "### Proxies and certificates",
        "",
        "Requests to this machine take no proxy. For others, `HTTPS_PROXY` counts, then `ALL_PROXY`, in",
        "either case; without such a variable, the proxy of the system on Windows and macOS. What cannot be",
        "used is an error that names the variable.",
        "",
        *table(("`HTTPS_PROXY`", "read as"), [(f"`{value}`", _read(value)) for value in _PROXIES]),
        "",
        "`NO_PROXY` names hosts to reach without a proxy, separated by commas or blanks. Names are not",
        "looked up: a network is for an address in the API's URL. An entry without sense changes nothing.",
        "",
        *table(("`NO_PROXY`", "without a proxy", "with one"), map(_row, _NO_PROXY)),
        "",
        "`SSL_CERT_FILE` names a file of the authorities to trust, in PEM format, `SSL_CERT_DIR` a folder of",
        "them as `openssl rehash` makes it; the file comes first. A server whose proxy or certificates",
        "cannot be used starts all the same: each call says why, and so does the log.",
    )


def _read(value: str) -> str:
    try:
        proxy = read_proxy(Variable("HTTPS_PROXY", value))
    except ConfigurationError:
        return "refused"
    return f"`{proxy.url}`" + (", with a user and a password" if proxy.credentials else "")


def _row(row: tuple[str, str, str | None]) -> tuple[str, str, str]:
    entry, inside, outside = row
    assert _is_bypassed(entry, inside)
    if outside is None:
        return f"`{entry}`", "every host", ""
    assert not _is_bypassed(entry, outside)
    return f"`{entry}`", f"`{inside}`", f"`{outside}`"


def _is_bypassed(entry: str, host: str) -> bool:
    name, mark, port = ("", "", "") if host.startswith("[") else host.partition(":")
    return is_bypassed(entry, "https", name or host.strip("[]"), int(port) if mark else None)
