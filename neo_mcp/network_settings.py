"""The environment's and the system's settings of the network: proxies, and certificates to trust.

They are what every HTTP library reads, and are read when a connection is set up. Owns their names, the choice
among them, and the forms of ``NO_PROXY``. Whether a proxy can be used is :mod:`neo_mcp.api.http_clients`.
"""

import ipaddress
import os
import re
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple
from urllib.request import getproxies, getproxies_environment, proxy_bypass

SYSTEM = "the system's proxy settings"
"""Stands for a variable's name where the operating system names the proxy."""

CERTIFICATE_FOLDER = "SSL_CERT_DIR"

_PORTS = {"https": 443, "http": 80}
_ENTRIES = re.compile(r"[\s,;]+")
_PORT = re.compile(r"(.*):(\d{1,5})")
_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")
"""The names under which OpenSSL looks for certificates in a folder."""

KEY_LOG = "SSLKEYLOGFILE"

_QUOTES = "\"'"
_IP = ipaddress.IPv4Address | ipaddress.IPv6Address


class Variable(NamedTuple):
    """A setting: its name as it is spelled, and its value without blanks and quotes around it."""

    name: str
    value: str


def certificates() -> Variable | None:
    """The setting that names the certificates to trust; ``None`` for those that come with this program."""
    return _path("SSL_CERT_FILE") or _path(CERTIFICATE_FOLDER)


def key_log() -> str | None:
    """The file to which Python's TLS contexts write the keys of sessions, as they read it."""
    return os.environ.get(KEY_LOG)


def is_special_file(value: str) -> bool:
    """True for a folder, and for a pipe or a device: reading one may wait without end."""
    return os.path.exists(value) and not os.path.isfile(value)  # noqa: PTH110, PTH113 - raise nothing


def folder_trouble(value: str) -> str | None:
    """The reason why no certificate can be found in a folder, or in any of several; ``None`` if one can."""
    trouble = "does not exist"
    for folder in value.split(os.pathsep):
        try:
            if any(_HASHED.fullmatch(path.name) for path in Path(folder).iterdir()):
                return None
            trouble = "holds no certificate under a name by which it can be found"
        except FileNotFoundError:
            continue
        except OSError as error:
            trouble = f"cannot be read: {error.strerror}"
    return trouble


def proxy_for(scheme: str, host: str, port: int | None) -> Variable | None:
    """The setting that names the proxy of requests to a host; ``None`` if there is no proxy in between."""
    proxies = getproxies_environment()
    if proxies:
        if is_bypassed(proxies.get("no", ""), scheme, host, port):
            return None
    else:
        # The registry on Windows, the system configuration on macOS; elsewhere there is none.
        proxies = getproxies()
        if proxies and proxy_bypass(host):
            return None
    for key in (scheme, "all"):
        value = _bare(proxies.get(key, ""))
        if value:
            return Variable(_spelled(f"{key}_proxy"), value)
    return None


def is_bypassed(no_proxy: str, scheme: str, host: str, port: int | None) -> bool:
    """True if ``NO_PROXY`` has a host: by name, domain, pattern, address or network, maybe with a port."""
    where = _Where(scheme, host.lower().rstrip("."), port or _PORTS.get(scheme, 0), _ip(host))
    return any(where.is_in(_bare(entry)) for entry in _ENTRIES.split(no_proxy) if entry)


class _Where(NamedTuple):
    """A host to connect to."""

    scheme: str
    host: str
    port: int
    ip: _IP | None

    def is_in(self, entry: str) -> bool:
        """True if an entry of ``NO_PROXY`` has it; one that makes no sense has nothing."""
        scheme, mark, rest = entry.lower().partition("://")
        if mark:
            if scheme not in {self.scheme, "all", "*"}:
                return False
            entry = rest.rstrip("/")
        network = _network(entry)
        if network is not None:
            return self.ip is not None and self.ip in network
        # The last part of an address without brackets is no port.
        ip = _ip(entry)
        match = None if ip is not None else _PORT.fullmatch(entry)
        if match is not None:
            if int(match[2]) != self.port:
                return False
            entry = match[1]
            ip = _ip(entry)
        return ip == self.ip if ip is not None else self._has_name(entry)

    def _has_name(self, entry: str) -> bool:
        if entry == "*":
            return True
        name = _ascii(entry).rstrip(".").removeprefix("*").lstrip(".")
        if "*" in name:
            return fnmatchcase(self.host, name)
        # The end of an address is no domain.
        return bool(name) and (self.host == name or (self.ip is None and self.host.endswith(f".{name}")))


def _network(entry: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    address, slash, bits = entry.partition("/")
    if not slash:
        return None
    try:
        return ipaddress.ip_network(f"{address.strip('[]')}/{bits}", strict=False)
    except ValueError:
        return None


def _ip(text: str) -> _IP | None:
    try:
        address = ipaddress.ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _ascii(name: str) -> str:
    """``name`` as it is in addresses, where other letters are encoded."""
    try:
        return name.lower() if name.isascii() else name.encode("idna").decode("ascii")
    except UnicodeError:
        return name.lower()


def _bare(value: str) -> str:
    return value.strip().strip(_QUOTES).strip()


def _path(name: str) -> Variable | None:
    value = _bare(os.environ.get(name, ""))
    if value.startswith("~"):
        # Without a home folder, it stays as it is.
        with suppress(RuntimeError):
            value = str(Path(value).expanduser())
    return Variable(name, value) if value else None


def _spelled(name: str) -> str:
    """The name of a variable in the environment, whose case does not matter; the lower one comes first."""
    spellings = [known for known in os.environ if known.lower() == name and os.environ[known]]
    return name if name in spellings else next(iter(spellings), SYSTEM)
