"""Times of events: one that the API left out is estimated from the event before it.

Owns when a time counts as left out. The same events give the same times on every replica and in every export,
as long as each is dated after the one before it.
"""

from collections.abc import Iterable, Iterator

from neo_mcp.wire import Event, ProvidePulumiAccessToken

_NO_TIME = ("", "0001-01-01T00:00:00", "1970-01-01T00:00:00")
"""Beginnings of what a service writes that has no time: nothing, or its language's zero."""


def has_time(timestamp: str) -> bool:
    """Whether a timestamp says when something happened."""
    text = timestamp.strip().upper().replace(" ", "T")
    return not (text == _NO_TIME[0] or text.startswith(_NO_TIME[1:]))


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
