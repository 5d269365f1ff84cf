"""The ids of a task's events, and their order.

Owns hashes in place of ids, at twelve bytes for each but the most recent: a task may have a million events.
They are Python's, of 64 bits with a secret of this process, so that no two ids collide, by chance or on
purpose.
"""

from array import array
from bisect import bisect_left

MAX_IDS = 1_000_000
"""Maximum number of events of one task that can be distinguished."""

MAX_RECENT = 32_768
"""Maximum number of ids in a faster structure, which takes ten times the memory."""

_PARTS = 256


class EventIds:
    """The ids of a task's events, each with its number from 0."""

    def __init__(self) -> None:
        self._recent: dict[int, int] = {}
        # All others, sorted, in parts that are short enough to insert into.
        self._hashes: list[array[int]] = []
        self._numbers: list[array[int]] = []
        self._older = 0

    def __len__(self) -> int:
        return self._older + len(self._recent)

    def __contains__(self, event_id: str) -> bool:
        key = hash(event_id)
        return key in self._recent or (self._older > 0 and self._find(key) is not None)

    @property
    def memory(self) -> int:
        """Approximate memory in bytes."""
        return 120 * len(self._recent) + 13 * self._older

    def add(self, event_id: str) -> bool:
        """Give ``event_id`` the next number; return whether it is new."""
        key = hash(event_id)
        if key in self._recent or (self._older and self._find(key) is not None):
            return False
        self._recent[key] = self._older + len(self._recent)
        if len(self._recent) >= MAX_RECENT:
            self._merge()
        return True

    def number(self, event_id: str) -> int | None:
        """The number of ``event_id``; ``None`` if it is unknown."""
        key = hash(event_id)
        number = self._recent.get(key)
        return self._find(key) if number is None and self._older else number

    def _find(self, key: int) -> int | None:
        hashes = self._hashes[key & (_PARTS - 1)]
        at = bisect_left(hashes, key)
        return self._numbers[key & (_PARTS - 1)][at] if at < len(hashes) and hashes[at] == key else None

    def _merge(self) -> None:
        """Move the most recent ids to the others."""
        if not self._hashes:
            self._hashes = [array("q") for _ in range(_PARTS)]
            self._numbers = [array("I") for _ in range(_PARTS)]
        for key, number in self._recent.items():
            part = key & (_PARTS - 1)
            at = bisect_left(self._hashes[part], key)
            self._hashes[part].insert(at, key)
            self._numbers[part].insert(at, number)
        self._older += len(self._recent)
        self._recent = {}
