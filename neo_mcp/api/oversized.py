"""Markers for events above the size limit, at their position in the order of events."""

import hashlib

from neo_mcp.wire import Event, unreadable_event

_MAX_BEFORE = 64


def oversized_event(event_id: str, size: int, limit: int) -> Event:
    """A marker for an event of ``size`` bytes."""
    return unreadable_event(
        event_id, f"an event of {size:,} bytes, over the limit of {limit:,}; its content was not read"
    )


def synthetic_id(size: int, before: str) -> str:
    """Return a stable id for an event without a readable one.

    Args:
        size: Its size in bytes.
        before: Id of the event before it.
    """
    if len(before) > _MAX_BEFORE:
        before = hashlib.blake2s(before.encode("utf-8", "replace"), digest_size=8).hexdigest()
    return f"oversized-{size}-after-{before}"
