"""Estimate the times that the API left out of events from the events before them.

Owns when a time counts as left out. The same events give the same times on every replica and in every export,
as long as each is dated after the one before it.
"""

import re
from collections.abc import Iterable, Iterator

from neo_mcp.wire import Event, ProvidePulumiAccessToken
from neo_mcp.wire.time import format_time, parse_time

_ZEROS = re.compile(r"[0\s:.,TZ+-]*", re.IGNORECASE)
_ZERO_YEARS = frozenset({"0001", "1969", "1970"})
"""The years that a language's zero time can fall in, in any zone; there were no tasks then."""

_FIRST_YEAR = str(int(max(_ZERO_YEARS)) + 1)
_AFTER_DIGITS = chr(ord("9") + 1)


def has_time(timestamp: str) -> bool:
    """True if a timestamp gives a time: a program that has none may write its language's zero."""
    if _FIRST_YEAR <= timestamp < _AFTER_DIGITS:
        return True  # Nearly all: they begin with a later year.
    text = timestamp.strip()
    return not _ZEROS.fullmatch(text) and text[:4] not in _ZERO_YEARS


def since_words(timestamp: str) -> str:
    """The word "since" and the time; empty for a text that is not a time, as other clients choose it."""
    moment = parse_time(timestamp)
    return f" since {format_time(moment, 'seconds')}" if moment is not None else ""


def dated(event: Event, before: str) -> Event:
    """Return ``event``; if it has no time, with that of the event before it, marked as estimated.

    Args:
        event: The event.
        before: Time of the latest event before it that has one; empty for none.
    """
    body = event.body
    if has_time(body.timestamp) or isinstance(body, ProvidePulumiAccessToken):
        return event
    body = body.model_copy(update={"timestamp": before})
    return event.model_copy(update={"body": body, "timestamp_estimated": bool(before)})


def all_dated(events: Iterable[Event], before: str = "") -> Iterator[Event]:
    """Yield ``events`` in order, each as returned by :func:`dated`."""
    for event in events:
        with_time = dated(event, before)
        before = with_time.body.timestamp or before
        yield with_time
