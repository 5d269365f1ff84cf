"""Make the HTTP library's clients, with the proxy and the certificates that the settings name.

Owns what is wrong with such a setting, and which failures of a request are a proxy's: the variable, its value
without credentials, and what to do. Which setting applies to a host is :mod:`neo_mcp.network_settings`.
"""

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

import anyio
import httpx

from neo_mcp.api.certificates import Certificates
from neo_mcp.api.retry import FailureKind, kind_of_exception
from neo_mcp.api.settings import Address
from neo_mcp.errors import ConfigurationError
from neo_mcp.hidden_text import echoed
from neo_mcp.network_settings import Variable, proxy_for

_SCHEMES = {"http", "https", "socks5", "socks5h"}
# Desktops write it for any SOCKS proxy, and all of these speak version 5.
_ALIASES = {"socks": "socks5"}
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]*\w\.?)(?::(\d{0,5}))?", re.ASCII)
_MAX_PORT = 65_535
_MAX_SOCKS = 255
"""Bytes of a name or a password (RFC 1929)."""

_CLOSE_SECONDS = 1
# What OpenSSL says of an answer that is no TLS.
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG")
_NO_LOGIN = "got NO AUTHENTICATION"
_FORMS = (
    "It takes a host and a port, such as http://proxy.example.com:8080 or socks5://proxy.example.com:1080. "
    "Correct it or unset it, or name the host in NO_PROXY to reach it without a proxy."
)


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy.

    Attributes:
        variable: The name of the setting that it comes from.
        url: Its address, without credentials.
        credentials: User and password.
    """

    variable: str
    url: str
    credentials: tuple[str, str] | None = field(repr=False)

    def __str__(self) -> str:
        return f"the proxy {self.shown} ({self.variable})"

    @property
    def shown(self) -> str:
        """Its address, with a mark in place of credentials."""
        return self.url.replace("://", "://***@") if self.credentials else self.url

    @property
    def is_socks(self) -> bool:
        """True for SOCKS, false for HTTP."""
        return self.url.startswith("socks")


def proxy_of(address: Address) -> Proxy | None:
    """The proxy of requests to an address; none to this machine.

    Raises:
        ConfigurationError: If the setting names none that can be used.
    """
    if address.is_loopback:
        return None
    parts = urlsplit(address.url)
    variable = proxy_for(parts.scheme, parts.hostname or "", parts.port)
    return None if variable is None else read_proxy(variable)


def new_client(
    address: Address,
    certificates: Certificates,
    **options: Any,  # noqa: ANN401 - the library's
) -> httpx.AsyncClient:
    """A client for requests to ``address``, which follows no redirects.

    Raises:
        ConfigurationError: If the proxy or the certificates that the settings name cannot be used.
    """
    transport = new_transport(address, certificates)
    return httpx.AsyncClient(transport=transport, trust_env=False, follow_redirects=False, **options)


def new_transport(
    address: Address,
    certificates: Certificates,
    limits: httpx.Limits = httpx.Limits(max_connections=100, max_keepalive_connections=20),  # noqa: B008 - not changed
) -> httpx.AsyncHTTPTransport:
    """Connections to ``address`` alone, for requests that need nothing of a client.

    Raises:
        ConfigurationError: If the proxy or the certificates that the settings name cannot be used.
    """
    # What the environment says is in both: the library reads no variables by itself.
    proxy, context = proxy_of(address), certificates.context_for(address)
    if proxy is None:
        return httpx.AsyncHTTPTransport(verify=context, trust_env=False, limits=limits)
    try:
        way = httpx.Proxy(
            proxy.url, auth=proxy.credentials, ssl_context=context if proxy.url.startswith("https:") else None
        )
        kind = _SocksTransport if proxy.is_socks else httpx.AsyncHTTPTransport
        return kind(verify=context, trust_env=False, limits=limits, proxy=way)
    except ImportError:
        raise ConfigurationError(
            f"{proxy.variable} names a SOCKS proxy, for which the package socksio is missing.",
            next_step="Install it beside this program, or name an HTTP proxy.",
        ) from None
    except (ValueError, httpx.InvalidURL):
        raise _unusable(proxy.variable, proxy.url) from None


def proxy_advice(error: Exception, proxy: Proxy) -> str | None:
    """The next step after a failed request through ``proxy``, where the error shows one."""
    if kind_of_exception(error) is FailureKind.FINAL:
        if _NO_LOGIN in str(error):
            return f"Take the user and the password out of {proxy.variable}."
        return (
            f"{proxy.variable} needs {'another' if proxy.credentials else 'a'} user and password: "
            f"{proxy.url.replace('://', '://USER:PASSWORD@')}, with signs such as @ and / percent-encoded."
        )
    if proxy.url.startswith("https:") and any(mark in str(error) for mark in _NO_TLS):
        return f"If the proxy itself is reached without TLS, write http:// in {proxy.variable}."
    if isinstance(error, httpx.ProxyError | httpx.ConnectError):
        return f"Check {proxy.variable}; NO_PROXY names hosts to reach without a proxy."
    return None


class _SocksTransport(httpx.AsyncHTTPTransport):
    """Requests through a SOCKS proxy, whose handshake the library expects to be right."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        opened: list[Any] = []

        async def note(event: str, info: dict[str, Any]) -> None:
            if event.endswith("connect_tcp.complete"):
                opened.append(info["return_value"])
            elif event.endswith("send_request_headers.started"):
                # From here on it is the API that fails, and the library that closes.
                opened.clear()

        request.extensions = {**request.extensions, "trace": note}
        try:
            return await super().handle_async_request(request)
        except BaseException as error:
            # The library leaves a connection open whose handshake fails.
            is_handshake = bool(opened)
            with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
                for stream in opened:
                    await stream.aclose()
            if is_handshake and isinstance(error, Exception) and not isinstance(error, httpx.HTTPError):
                raise httpx.ProxyError(
                    "It does not answer as a SOCKS 5 proxy does", request=request
                ) from error
            raise


def read_proxy(variable: Variable) -> Proxy:
    """The proxy that a setting names.

    Raises:
        ConfigurationError: If it names none that can be used.
    """
    scheme, mark, rest = variable.value.partition("://")
    scheme, rest = (scheme.lower(), rest) if mark else ("http", variable.value.removeprefix("//"))
    # A password may have any characters if it is not encoded: it ends at the last mark.
    user, _, host = rest.rpartition("@")
    host = host.rstrip("/")
    match = _HOST.fullmatch(host)
    is_scheme = not mark and host.removesuffix(":").lower() in _SCHEMES | _ALIASES.keys()
    if match is None or is_scheme or int(match[2] or 1) not in range(1, _MAX_PORT + 1):
        # Any part of what cannot be parsed may be the password.
        is_open = "@" not in rest and ":" not in rest
        raise _unusable(variable.name, echoed(variable.value) if is_open else None)
    scheme = _ALIASES.get(scheme, scheme)
    url = f"{scheme}://{host.removesuffix(':')}"
    if scheme not in _SCHEMES:
        raise _unusable(variable.name, echoed(url)[1:-1] if scheme.isascii() and scheme.isalnum() else None)
    name, _, password = user.partition(":")
    proxy = Proxy(variable.name, url, (unquote(name), unquote(password)) if user else None)
    if proxy.is_socks and any(
        len(part.encode("utf-8", "surrogateescape")) > _MAX_SOCKS for part in proxy.credentials or ()
    ):
        raise ConfigurationError(
            f"{variable.name} has a user or password of more than {_MAX_SOCKS} bytes, too many for SOCKS.",
            next_step="Correct it, or name an HTTP proxy.",
        )
    return proxy


def _unusable(variable: str, shown: str | None) -> ConfigurationError:
    value = f"is {shown}, which" if shown else "has a value, not shown as it may hold a password, that"
    return ConfigurationError(f"{variable} {value} names no proxy that can be used.", next_step=_FORMS)
