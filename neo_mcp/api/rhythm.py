"""When a quiet stream is a dead one: learned from the keep-alives that its server sends.

Owns the distance between keep-alives, and how long nothing at all may come. Pure: whoever reads a stream
measures the time and acts on it.
"""

from collections import deque

_INTERVALS = 2.5
"""Silence of so many intervals is death: the third keep-alive is never waited for, the second may be late."""

_ENOUGH = 3
"""Gaps that make a rhythm. The longest counts: a keep-alive that is held up makes the next gap short."""

_BURST = 0.01
"""Seconds; keep-alives closer together were held up on their way, and tell nothing."""

_MOST_PRESUMED = 120.0


class Rhythm:
    """How far apart a server's keep-alives are; shared by all streams from it."""

    def __init__(self, presumed: float) -> None:
        self._presumed = presumed
        self._gaps: deque[float] = deque(maxlen=_ENOUGH)
        self._mute = 0

    @property
    def longest_silence(self) -> float:
        """Seconds without a byte after which a stream counts as dead."""
        told = _INTERVALS * max(self._gaps, default=0.0)
        return told if len(self._gaps) == _ENOUGH else max(told, self._presumed)

    def note(self, gap: float) -> None:
        """Take in ``gap``, the seconds between two keep-alives with nothing between them."""
        if gap >= _BURST:
            # A clock that went on while the machine slept must not make it longer than could be waited for.
            self._gaps.append(min(gap, self.longest_silence))

    def lived(self) -> None:
        """Something came on a connection."""
        self._mute = 0

    def was_mute(self) -> None:
        """A connection died of silence before anything came: the second in a row was perhaps only quiet."""
        self._mute += 1
        if self._mute > 1:
            self._presumed = min(2 * self.longest_silence, max(_MOST_PRESUMED, self._presumed))
            self._gaps.clear()
