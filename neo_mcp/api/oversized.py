"""Markers in place of events that are too large to be read: they keep their place in the order of events.

Owns how many values an event may have; how many bytes, whoever reads them knows.
"""

import hashlib
import re

from neo_mcp.wire import Event, parse_event, unreadable_event

MAX_VALUES = 500_000
"""Values in one event: decoded, each takes some hundred bytes, however short it is."""

_MAX_BEFORE = 64
_VALUE = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[{,]', re.DOTALL)


def oversized_event(event_id: str, size: int, limit: int) -> Event:
    """The marker of an event of ``size`` bytes."""
    return unreadable_event(
        event_id, f"an event of {size:,} bytes, over the limit of {limit:,}; its content was not read"
    )


def made_up_id(size: int, before: str) -> str:
    """An id for an event without one that could be read: the same each time that the events come.

    Args:
        size: Its size in bytes.
        before: Id of the event before it.
    """
    if len(before) > _MAX_BEFORE:
        before = hashlib.blake2s(before.encode("utf-8", "replace"), digest_size=8).hexdigest()
    return f"oversized-{size}-after-{before}"


def read_event_text(data: str | bytes, own_id: str = "") -> Event:
    """The event that is written in ``data``; a marker where it has too many values.

    Args:
        data: JSON.
        own_id: The id that came with it, if any.
    """
    # As many values as characters there may be, with few characters.
    if len(data) > MAX_VALUES:
        raw = data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass")
        if _has_too_many_values(raw):
            digest = hashlib.blake2s(raw, digest_size=8).hexdigest()
            reason = f"an event of more than {MAX_VALUES:,} values; its content was not read"
            return unreadable_event(own_id or f"unreadable-{digest}", reason)
    return parse_event(data, fallback_id=own_id)


def _has_too_many_values(raw: bytes) -> bool:
    if raw.count(b",") + raw.count(b"[") + raw.count(b"{") <= MAX_VALUES:
        return False
    count = 0
    for match in _VALUE.finditer(raw):
        count += match.end() - match.start() == 1
        if count > MAX_VALUES:
            return True
    return False
