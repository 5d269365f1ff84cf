"""Dates in HTTP headers."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_MAX_LENGTH = 100


def parse_http_date(text: str) -> datetime | None:
    """Parse an HTTP date (RFC 9110 section 5.6.7); aware, or ``None`` if ``text`` is not one.

    Raises:
        OverflowError: If it is a date, beyond what can be represented.
    """
    if len(text) > _MAX_LENGTH:
        return None
    try:
        moment = parsedate_to_datetime(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, TypeError, IndexError):
        return None
