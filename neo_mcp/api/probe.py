"""Probe an API's address without a token: whether it answers, over which connection, and at what time.

Owns the facts about a connection; the caller interprets them.
"""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import httpx

from neo_mcp.api.certificates import Certificates
from neo_mcp.api.dates import parse_http_date
from neo_mcp.api.http_clients import new_client, proxy_of
from neo_mcp.api.responses import tidy
from neo_mcp.api.settings import check_api_url
from neo_mcp.clock import SYSTEM_CLOCK, Clock
from neo_mcp.constants import PROGRAM

_PATH = "/api/user"


class TroubleKind(StrEnum):
    """The kind of failure."""

    TLS = "tls"
    PROXY = "proxy"
    TIMEOUT = "timeout"
    CONNECTION = "connection"


@dataclass(frozen=True, slots=True)
class Trouble:
    """The reason why there was no answer."""

    kind: TroubleKind
    why: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """The server's certificate: when it expires, and who issued it."""

    expires: datetime
    issuer: str


@dataclass(frozen=True, slots=True)
class Reply:
    """A response.

    Attributes:
        is_json: Whether the body is JSON, as all of the API's responses are.
        seconds: Until it arrived.
        ahead: Seconds by which the server's clock is ahead of ours, to a second; ``None`` if it sent no time.
        tls: Version of TLS; ``None`` without.
    """

    status: int
    is_json: bool
    seconds: float
    ahead: float | None = None
    tls: str | None = None
    certificate: Certificate | None = None


async def probe(
    api_url: str,
    *,
    seconds: float = 10.0,
    certificates: Certificates | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> Reply | Trouble:
    """Ask ``api_url`` for the user, which it must refuse without a token; takes about ``seconds`` at most.

    Args:
        api_url: The API's address.
        seconds: The longest wait.
        certificates: TLS contexts to verify with; loaded anew if not given.
        clock: Time.

    Raises:
        ConfigurationError: If the address, a proxy or certificates that are set cannot be used.
    """
    address = check_api_url(api_url)
    try:
        with clock.fail_after(seconds):
            # Like the calls themselves: see the transport.
            async with new_client(address, certificates or Certificates(), timeout=seconds) as client:
                return await _ask(client, address.url + _PATH, clock)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        proxy = proxy_of(address)
        why = tidy(str(error)) or type(error).__name__
        return Trouble(_kind(error), f"{why}, through {proxy}" if proxy else why)


async def _ask(client: httpx.AsyncClient, url: str, clock: Clock) -> Reply:
    started, sent = clock.monotonic(), clock.now()
    async with client.stream("GET", url, headers={"User-Agent": PROGRAM}) as response:
        passed = clock.monotonic() - started
        connection = response.extensions.get("network_stream")
        tls = connection.get_extra_info("ssl_object") if connection is not None else None
        return Reply(
            status=response.status_code,
            is_json="json" in response.headers.get("Content-Type", ""),
            seconds=passed,
            ahead=_ahead(response.headers.get("Date", ""), sent, passed),
            tls=tls.version() if tls is not None else None,
            certificate=_certificate(tls.getpeercert()) if tls is not None else None,
        )


def _kind(error: Exception) -> TroubleKind:
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return TroubleKind.TIMEOUT
    if isinstance(error, httpx.ProxyError):
        return TroubleKind.PROXY
    if isinstance(error, ssl.SSLError) or "SSL" in str(error) or "CERTIFICATE" in str(error):
        return TroubleKind.TLS
    return TroubleKind.CONNECTION


def _ahead(date: str, sent: datetime, passed: float) -> float | None:
    try:
        there = parse_http_date(date)
        # The server read its clock somewhere in between.
        return (there - sent).total_seconds() - passed / 2 if there else None
    except OverflowError:
        return None


def _certificate(fields: dict[str, object] | None) -> Certificate | None:
    if not fields:
        return None
    try:
        expires = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(fields.get("notAfter"))), UTC)
    except (ValueError, OverflowError, OSError):
        return None
    parts = fields.get("issuer")
    names = {pair[0]: pair[1] for part in (parts if isinstance(parts, tuple) else ()) for pair in part}
    return Certificate(expires, tidy(str(names.get("organizationName") or names.get("commonName") or "?")))
