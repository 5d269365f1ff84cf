"""Times as the API writes them: RFC 3339.

Owns how they are read and written. A time without a zone is in UTC.
"""

from datetime import UTC, datetime
from typing import Literal


def parse_time(text: str | None) -> datetime | None:
    """``text`` as a time in UTC; ``None`` if it is none."""
    try:
        moment = datetime.fromisoformat((text or "").strip().upper())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def format_time(moment: datetime, precision: Literal["milliseconds", "seconds"] = "milliseconds") -> str:
    """A time as the API wants it: RFC 3339, UTC, milliseconds, ``Z``.

    Args:
        moment: The time, with a zone.
        precision: ``seconds`` for people.
    """
    return moment.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")
