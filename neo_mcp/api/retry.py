"""Decide whether to repeat a request, and how long to wait before it: pure functions.

Owns the classification of failures and the arithmetic of delays. Does no I/O and reads no clock: the loop
that acts on it is :mod:`neo_mcp.api.transport`, and :mod:`neo_mcp.api.stream` for streams.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

import httpx

from neo_mcp.api.dates import parse_http_date

MAX_RETRY_AFTER = 60.0
"""Maximum seconds to wait, even if a server asks for more."""

_MAX_DIGITS = 9
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
_PROXY_REFUSALS = ("407", "Requested ", "Invalid username/password")
"""Begin what the HTTP library says of a proxy that asks for other credentials, over HTTP and over SOCKS."""

_NOT_A_PASSING_FAULT = {501, 505}
_REFUSED_FOR_NOW = {425, 429}


class FailureKind(Enum):
    """The way in which an attempt failed."""

    UNSENT = auto()
    """No connection was made: the server cannot have acted."""

    REFUSED = auto()
    """The server declined for now, before acting."""

    UNCERTAIN = auto()
    """The request was sent, and the server may have acted on it or not."""

    FINAL = auto()
    """The server answered; asking again changes nothing."""


def kind_of_status(status: int) -> FailureKind:
    """Classify an error status (RFC 9110 section 15, RFC 6585 section 4, RFC 8470 section 5.2)."""
    if status in _REFUSED_FOR_NOW:
        return FailureKind.REFUSED
    if status == httpx.codes.REQUEST_TIMEOUT:
        return FailureKind.UNCERTAIN
    if status >= httpx.codes.INTERNAL_SERVER_ERROR and status not in _NOT_A_PASSING_FAULT:
        return FailureKind.UNCERTAIN
    return FailureKind.FINAL


def kind_of_exception(error: Exception) -> FailureKind:
    """Classify what the HTTP library raised; what is not provably unsent may have arrived."""
    if isinstance(error, httpx.ProxyError) and str(error).startswith(_PROXY_REFUSALS):
        return FailureKind.FINAL
    return FailureKind.UNSENT if isinstance(error, _UNSENT) else FailureKind.UNCERTAIN


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The number of attempts and the delays between them.

    Attributes:
        attempts: Attempts in all, the first one included.
        first_delay: Upper bound of the first wait, in seconds; it doubles from there.
        longest_delay: Where the doubling stops, in seconds.
    """

    attempts: int = 4
    first_delay: float = 0.5
    longest_delay: float = 8.0

    def delay(
        self,
        kind: FailureKind,
        *,
        repeatable: bool,
        attempt: int,
        left: float,
        jitter: float,
        retry_after: float | None = None,
    ) -> float | None:
        """Decide what follows a failed attempt.

        Args:
            kind: How it failed.
            repeatable: Whether doing it twice is the same as doing it once. What is not repeatable and was
                sent is for :mod:`neo_mcp.api.retry_write`.
            attempt: Its number, from 1.
            left: Seconds left of the call's budget.
            jitter: A random number in [0, 1); the delay is spread over its whole range by it.
            retry_after: Seconds the server asked to wait, if it did.

        Returns:
            Seconds to wait before the next attempt, or ``None`` to give up.
        """
        if kind is FailureKind.FINAL or attempt >= self.attempts:
            return None
        if kind is not FailureKind.UNSENT and not repeatable:
            return None
        delay = jitter * doubled(attempt, first=self.first_delay, limit=self.longest_delay)
        if retry_after is not None:
            delay = max(delay, min(retry_after, MAX_RETRY_AFTER))
        return delay if delay < left else None


def doubled(attempt: int, *, first: float, limit: float) -> float:
    """``first`` doubled with each attempt after the first, up to ``limit``; in seconds."""
    # The exponent is capped too: a stream may try for so long that the power alone would overflow.
    return min(limit, first * 2.0 ** min(attempt - 1, 32))


def patient_delay(attempt: int, jitter: float) -> float:
    """Seconds to wait after failure number ``attempt`` where time is no object.

    They double from 1 to 30; ``jitter`` in [0, 1) adds up to a quarter.
    """
    return doubled(attempt, first=1.0, limit=30.0) * (1 + jitter / 4)


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds to wait by a ``Retry-After`` header: a number or an HTTP date (RFC 9110 section 10.2.3).

    Returns:
        Never less than 0; :data:`MAX_RETRY_AFTER` for one beyond all numbers and dates; ``None`` if the
        header is absent or unreadable.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text) if len(text) <= _MAX_DIGITS else MAX_RETRY_AFTER
    try:
        moment = parse_http_date(text)
        return None if moment is None else max(0.0, (moment - now).total_seconds())
    except OverflowError:
        return MAX_RETRY_AFTER
