"""Where the API is and how long to wait for it.

Owns the checks on the API's address, the address of the console that belongs to it, and the time limits.
Reads neither the environment nor files: the caller that makes a client passes their values.
"""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from neo_mcp.constants import DEFAULT_API_URL
from neo_mcp.errors import ConfigurationError
from neo_mcp.secret import SecretStr

_ODD_CHARACTER = re.compile(r"[^!-~]|\\")
_TOKEN = re.compile(r"[!-~]+")
_CONSOLE_HOST = DEFAULT_API_URL.replace("https://api.", "app.")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Time limits, in seconds.

    Attributes:
        connect: Until a connection is established.
        call: For a whole call, repeats and the waits between them included; only the last attempt of a write
            that was refused may exceed it.
        create: The same for creating a task, which can meet a cold start.
        stream_silence: Without a single byte, after which a stream counts as dead, until its keep-alives
            suggest another limit (:mod:`neo_mcp.api.rhythm`).
        stream_without_progress: Spent on attempts to reopen a stream, after which it is given up.
    """

    connect: float = 10.0
    call: float = 20.0
    create: float = 120.0
    stream_silence: float = 15.0
    stream_without_progress: float = 300.0


@dataclass(frozen=True, slots=True)
class Address:
    """A checked API address.

    Attributes:
        url: Scheme, host, port and path prefix, without a trailing slash.
        origin: Scheme, host and port.
        console: The origin of the console that belongs to it.
        is_loopback: Whether it is on this machine.
    """

    url: str
    origin: str
    console: str
    is_loopback: bool


def check_api_url(value: str) -> Address:
    """Check the address that the token would be sent to.

    Raises:
        ConfigurationError: If ``value`` is not an https URL (or http on this machine), or carries
            credentials, a query or a fragment. The message does not repeat it: it may hold a password.
    """
    parts, port = _split(value)
    host = parts.hostname or ""
    loopback = _is_loopback(host)
    if not host or parts.scheme not in {"https", "http"}:
        raise _refused("is not an https address")
    if parts.scheme == "http" and not loopback:
        raise _refused("uses http, which would send the access token in the clear")
    if host == _CONSOLE_HOST:
        raise _refused("is the console's address")
    if "@" in parts.netloc or "?" in value or "#" in value:
        raise _refused("carries credentials, a query or a fragment")
    where = (f"[{host}]" if ":" in host else host) + ("" if port is None else f":{port}")
    origin = f"{parts.scheme}://{where}"
    console = origin
    if host.startswith("api."):
        console = f"{parts.scheme}://app.{where.removeprefix('api.')}"
    return Address(origin + parts.path.rstrip("/"), origin, console, loopback)


def check_token(value: SecretStr | str | None) -> SecretStr | None:
    """The token without surrounding white space; ``None`` for an empty one.

    Raises:
        ConfigurationError: If it could not travel in a header. The message does not repeat it.
    """
    text = (value if isinstance(value, str) else value.get_secret_value() if value else "").strip()
    if text and not _TOKEN.fullmatch(text):
        raise ConfigurationError(
            "The access token contains characters that no access token has.",
            next_step="Copy it again: one line, no spaces or quotes.",
        )
    return SecretStr(text) if text else None


def _split(value: str) -> tuple[SplitResult, int | None]:
    if _ODD_CHARACTER.search(value):
        raise _refused("contains characters that an address cannot have")
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise _refused("is not a valid address") from None
    return parts, port


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _refused(why: str) -> ConfigurationError:
    return ConfigurationError(
        f"The API URL {why}.",
        next_step=f"Use an https address such as {DEFAULT_API_URL}; http only for 127.0.0.1 and localhost.",
    )
