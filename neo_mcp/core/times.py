"""Times of events: one that the API left out is estimated from the event before it.

Owns when a time counts as left out. The same events give the same times on every replica and in every export,
as long as each is dated after the one before it.
"""

import re
from collections.abc import Iterable, Iterator

from neo_mcp.wire import Event, ProvidePulumiAccessToken
from neo_mcp.wire.time import format_time, parse_time

_ZEROS = re.compile(r"[0\s:.,TZ+-]*", re.IGNORECASE)
_ZERO_YEARS = frozenset({"0001", "1969", "1970"})
"""The years in which a language's zero can be, in any zone; there were no tasks then."""


def has_time(timestamp: str) -> bool:
    """Whether a timestamp says when something happened: a program that has no time may write its zero."""
    text = timestamp.strip()
    return not _ZEROS.fullmatch(text) and text[:4] not in _ZERO_YEARS


def since_words(timestamp: str) -> str:
    """The word since and the time; nothing for a text that is no time, as other clients choose it."""
    moment = parse_time(timestamp)
    return f" since {format_time(moment, 'seconds')}" if moment is not None else ""


def dated(event: Event, before: str) -> Event:
    """``event``, with the time of the event before it, marked as estimated, where it has none.

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
    """``events``, in their order, each as :func:`dated` has it."""
    for event in events:
        with_time = dated(event, before)
        before = with_time.body.timestamp or before
        yield with_time
