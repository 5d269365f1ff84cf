"""Times in RFC 3339, as the API writes them.

Owns parsing and formatting them. A time without a zone is in UTC.
"""

from datetime import UTC, datetime
from typing import Literal


def parse_time(text: str | None) -> datetime | None:
    """Parse RFC 3339 text as a time in UTC; ``None`` if it is not a time."""
    try:
        moment = datetime.fromisoformat((text or "").strip().upper())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def format_time(moment: datetime, precision: Literal["milliseconds", "seconds"] = "milliseconds") -> str:
    """Format a time as the API does: RFC 3339 in UTC, with ``Z``.

    Args:
        moment: The time, with a zone.
        precision: ``milliseconds`` for the API, ``seconds`` for people.
    """
    return moment.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")
