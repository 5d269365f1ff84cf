"""The local tool calls that this process announced in order to send their results.

The API does not report who announced a call: an announcement that is not stored here counts as another
client's. Calls that a host has claimed are not stored, since the claim identifies the host, in every process.
"""

from collections.abc import Iterable

MAX_BATCHES = 256
MAX_CALLS = 20_000
"""Maximum batches, and calls of all of them, that are remembered; the last batch is always stored whole."""

Batch = tuple[str, str, str]
"""Organization and id of a task, and id of the event that asked for the calls."""


class AnnouncedHere:
    """Call ids by batch; beyond the bound, the oldest batch is forgotten."""

    def __init__(self) -> None:
        self._batches: dict[Batch, frozenset[str]] = {}

    def of(self, batch: Batch) -> frozenset[str]:
        """The calls of ``batch`` that were announced here."""
        return self._batches.get(batch, frozenset())

    def add(self, batch: Batch, call_ids: Iterable[str]) -> None:
        """Remember calls that are about to be announced."""
        known = self._batches.pop(batch, frozenset())
        self._batches[batch] = known.union(call_ids)
        while len(self._batches) > 1 and self._is_over:
            del self._batches[next(iter(self._batches))]

    @property
    def _is_over(self) -> bool:
        return len(self._batches) > MAX_BATCHES or sum(map(len, self._batches.values())) > MAX_CALLS
