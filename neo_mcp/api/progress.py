"""Decide when a stream that still sends bytes counts as lost because nothing is completed by them.

Owns the limits on an event that does not end and on comments without an event. Pure: the reader of the stream
counts and passes the time in.
"""

from neo_mcp.api.bodies import MAX_THROWN_AWAY


class Progress:
    """The progress of one connection."""

    def __init__(self, seconds: float, now: float) -> None:
        """Begin a connection.

        Args:
            seconds: Seconds for which no event and no keep-alive may be completed.
            now: The time, in seconds.
        """
        self._seconds = seconds
        self._complete_at = now
        self._bytes = 0

    def lack(self, size: int, now: float, has_event: bool, is_alive: bool) -> str:  # noqa: FBT001 - two facts
        """Record bytes; return why the connection is given up, or an empty string.

        Args:
            size: Number of bytes.
            now: The time.
            has_event: Whether they completed an event.
            is_alive: Whether they completed a keep-alive.
        """
        self._bytes = 0 if has_event else self._bytes + size
        if has_event or is_alive:
            self._complete_at = now
        if self._bytes > MAX_THROWN_AWAY:
            return f"There was no event in {self._bytes:,} bytes"
        if now - self._complete_at > self._seconds:
            return f"An event did not end within {self._seconds:.0f} s"
        return ""
