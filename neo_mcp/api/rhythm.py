"""Decide when a silent stream is dead, from the intervals of its server's keep-alives.

Owns the interval between keep-alives, and the longest allowed silence. Pure: the reader of a stream measures
the time and acts on it.
"""

from collections import deque

_INTERVALS = 2.5
"""Intervals of silence after which a stream is dead: the second keep-alive may be late, the third may not."""

_ENOUGH = 3
"""Gaps that make a rhythm. The longest counts: a keep-alive that is delayed makes the next gap short."""

_BURST = 0.01
"""Seconds; keep-alives closer together were delayed on their way, and are not counted."""

_MAX_PRESUMED = 120.0


class Rhythm:
    """The interval of a server's keep-alives; shared by all streams from it."""

    def __init__(self, presumed: float) -> None:
        self._presumed = presumed
        self._gaps: deque[float] = deque(maxlen=_ENOUGH)
        self._mute = 0

    @property
    def max_silence(self) -> float:
        """Seconds without a byte after which a stream counts as dead."""
        measured = _INTERVALS * max(self._gaps, default=0.0)
        return measured if len(self._gaps) == _ENOUGH else max(measured, self._presumed)

    def note(self, gap: float) -> None:
        """Record ``gap``, the seconds between two keep-alives with nothing between them."""
        if gap >= _BURST:
            # A clock that ran on while the machine slept must not raise the limit beyond reason.
            self._gaps.append(min(gap, self.max_silence))

    def lived(self) -> None:
        """Record that bytes came on a connection."""
        self._mute = 0

    def was_mute(self) -> None:
        """Record that a connection was silent from its start: the second in a row was perhaps only quiet."""
        self._mute += 1
        if self._mute > 1:
            self._presumed = min(2 * self.max_silence, max(_MAX_PRESUMED, self._presumed))
            self._gaps.clear()
