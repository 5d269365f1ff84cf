"""The Host and Origin headers that are accepted: those of this server and of pages that may use it.

They keep out pages elsewhere that a browser on this machine, or in this network, would lead here. Both are
read whole and compared exactly, but for upper and lower case and a final dot: one that only begins or ends
like one of ours is refused.
"""

import ipaddress
import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from neo_mcp.config import Settings

logger = logging.getLogger(__name__)

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - what is bound, not where
_ANY_PORT = ":*"
_SHOWN = 100
_LAST_PORT = 65_535
_AUTHORITY = re.compile(r"([a-z0-9._-]{1,255}|\[[0-9a-f:.]{2,45}\])(?::([0-9]{1,5}))?")
_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://(.+)")
_USUAL_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Authority:
    """A host and a port, as a header names them.

    Attributes:
        host: In lower case, without a final dot; an IPv6 address in brackets, in its shortest form.
        port: ``None`` where none is named.
    """

    host: str
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> "Authority | None":
        """Parse ``text`` if it is nothing but a host and perhaps a port."""
        match = _AUTHORITY.fullmatch(text.lower())
        if match is None or (match[2] and not 0 < int(match[2]) <= _LAST_PORT):
            return None
        host = match[1]
        if host.startswith("["):
            try:
                host = f"[{ipaddress.IPv6Address(host[1:-1])}]"
            except ValueError:
                return None
        else:
            host = host.removesuffix(".")
        return cls(host, int(match[2]) if match[2] else None) if host else None


class AcceptedAuthorities:
    """A set of hosts, each with one port, without a port, or with any."""

    def __init__(self, names: Iterable[str]) -> None:
        """Read them.

        Args:
            names: Hosts with a port, or with ``:*`` for any.
        """
        self._exact: set[Authority] = set()
        self._hosts: set[str] = set()
        for name in names:
            authority = Authority.parse(name.removesuffix(_ANY_PORT))
            if authority is not None and name.endswith(_ANY_PORT):
                self._hosts.add(authority.host)
            elif authority is not None:
                self._exact.add(authority)

    def __contains__(self, text: str) -> bool:
        authority = Authority.parse(text)
        return authority is not None and (authority in self._exact or authority.host in self._hosts)


class AcceptedOrigins:
    """A set of origins, each with one port or with any."""

    def __init__(self, origins: Iterable[str]) -> None:
        """Read them.

        Args:
            origins: As browsers write them, or with ``:*`` for any port.
        """
        # What is written in a way of its own, as that of a browser's extension, is compared as it is.
        self._as_written = set(origins)
        by_scheme: dict[str, list[str]] = {}
        for origin in self._as_written:
            if match := _ORIGIN.fullmatch(origin.lower()):
                by_scheme.setdefault(match[1], []).append(_with_port(match[1], match[2]))
        self._by_scheme = {scheme: AcceptedAuthorities(names) for scheme, names in by_scheme.items()}

    def __contains__(self, text: str) -> bool:
        if text in self._as_written:
            return not text.endswith(_ANY_PORT)
        match = _ORIGIN.fullmatch(text.lower())
        return match is not None and _with_port(match[1], match[2]) in self._by_scheme.get(match[1], ())


def _with_port(scheme: str, authority: str) -> str:
    has_port = ":" in authority.rpartition("]")[2]
    return authority if has_port or scheme not in _USUAL_PORTS else f"{authority}:{_USUAL_PORTS[scheme]}"


def accepted_headers(settings: Settings, host: str) -> tuple[AcceptedAuthorities, AcceptedOrigins]:
    """The Host and Origin headers that are accepted, on whichever address is bound."""
    hosts = [*_LOOPBACK]
    if host not in _EVERY_ADDRESS:
        hosts.append(f"[{host}]" if ":" in host else host)
    origins = [f"http://{name}" for name in hosts]
    if settings.public_url is not None:
        parts = urlsplit(settings.public_url)
        hosts += [parts.netloc, parts.hostname or ""]
        origins.append(f"{parts.scheme}://{parts.netloc}")
    hosts += settings.allowed_hosts
    origins += [origin.rstrip("/") for origin in settings.allowed_origins]
    return (
        AcceptedAuthorities(_any_port_of(name) for name in hosts),
        AcceptedOrigins([*origins, *(f"http://{name}{_ANY_PORT}" for name in _LOOPBACK)]),
    )


def _any_port_of(host: str) -> str:
    """A host that is named without a port is meant with any, as proxies choose one."""
    return host if ":" in host.rpartition("]")[2] else f"{host}{_ANY_PORT}"


class HeaderChecks:
    """The ASGI application ``app``, for requests whose Host and Origin are accepted.

    It comes before everything else: a client that sends a foreign Host or Origin learns nothing else.
    """

    def __init__(self, app: ASGIApp, hosts: AcceptedAuthorities, origins: AcceptedOrigins) -> None:
        self._app = app
        self._hosts = hosts
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it."""
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        hosts, origins = _values(scope, b"host"), _values(scope, b"origin")
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            logger.warning("refused a request for another host: %s", _shown(hosts))
            return PlainTextResponse("Invalid Host header", 421)
        if len(origins) > 1 or any(origin not in self._origins for origin in origins):
            logger.warning("refused a request from another origin: %s", _shown(origins))
            return PlainTextResponse("Invalid Origin header", 403)
        return None


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def _shown(values: list[str]) -> str:
    return ascii(", ".join(values)[:_SHOWN])
