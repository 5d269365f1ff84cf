"""Results of local tool calls, stored until every call of their batch has one.

Owns the stored results and their bounds, in memory alone. Neither checks the calls nor sends anything: that
is :mod:`neo_mcp.service.commands.local_tools`.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import anyio
import pydantic_core

from neo_mcp.errors import InvalidArgumentError
from neo_mcp.watch import EventLog
from neo_mcp.wire import EntityDiff, ToolResult

logger = logging.getLogger(__name__)

MAX_RESULT = 4 * 2**20
"""Maximum bytes of one result."""

MAX_BATCH = 7 * 2**20
"""Maximum bytes of a batch: it becomes one event, and readers of the stream accept events of 8 MiB."""

MAX_BYTES = 32 * 2**20
"""Maximum bytes stored for all tasks together."""

MAX_BATCHES = 64

Key = tuple[str, str]
"""Organization and id of a task: Neo asks for one batch of a task at a time."""


@dataclass(frozen=True, slots=True)
class Progress:
    """The state of the answers to a task's pending local calls.

    Attributes:
        stored: Ids of the calls whose results are stored.
        sent: Whether the API has accepted them all, and Neo has not continued yet.
        index: Number of the event that requested the calls; ``None`` if there is none.
    """

    stored: frozenset[str] = frozenset()
    sent: bool = False
    index: int | None = None


@dataclass(slots=True)
class Batch:
    """The results so far for the calls that one event requested.

    Attributes:
        results: By id of the call.
        diff: Entities that are sent along.
        tried: Whether sending was begun, so that something may have arrived.
        expected: Ids of announced calls that callers here have the right to answer: the batch is not complete
            without them.
        sent: Ids of the calls whose results the API has accepted.
        lock: Held while adding or sending: the last result may arrive twice at a time.
    """

    asked_by: str
    results: dict[str, ToolResult] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    diff: EntityDiff | None = None
    tried: bool = False
    expected: set[str] = field(default_factory=set)
    sent: set[str] = field(default_factory=set)
    lock: anyio.Lock = field(default_factory=anyio.Lock)

    def forget(self, call_id: str) -> None:
        """Drop the result of one call."""
        self.results.pop(call_id, None)
        self.sizes.pop(call_id, None)

    def close(self, call_ids: Iterable[str]) -> None:
        """Remember that these results were sent, in place of the results."""
        for call_id in call_ids:
            self.sent.add(call_id)
            self.forget(call_id)


class LocalResults:
    """The stored results of one tenant's tasks; beyond the bounds, the least recently used are dropped."""

    def __init__(self, *, max_batches: int = MAX_BATCHES, max_bytes: int = MAX_BYTES) -> None:
        self._max_batches = max_batches
        self._max_bytes = max_bytes
        self._batches: dict[Key, Batch] = {}

    def open(self, key: Key, log: EventLog) -> Batch | None:
        """The batch of the calls that are pending by ``log``, with stored results; ``None`` without any."""
        if not log.state.local_calls:
            return None
        batch = self._find(key, log) or Batch(log.state.asked_by)
        # The most recently used batch is dropped last.
        self._batches.pop(key, None)
        self._batches[key] = batch
        self._evict(batch)
        return batch

    def store(self, batch: Batch, results: Sequence[ToolResult]) -> list[str]:
        """Store ``results``, all or none, and return the calls that had one before.

        Raises:
            InvalidArgumentError: If one, or the batch with them, is too large.
        """
        sizes = {result.tool_call_id: len(pydantic_core.to_json(result.content)) for result in results}
        for call_id, size in sizes.items():
            if size > MAX_RESULT:
                raise _too_large(
                    f"The result of {call_id} takes {_mib(size)}, and the most is {_mib(MAX_RESULT)}."
                )
        whole = sum({**batch.sizes, **sizes}.values())
        if whole > MAX_BATCH:
            raise _too_large(
                f"All results together would take {_mib(whole)}, and the most is {_mib(MAX_BATCH)}."
            )
        before = [call_id for call_id in sizes if call_id in batch.results]
        batch.results |= {result.tool_call_id: result for result in results}
        batch.sizes |= sizes
        self._evict(batch)
        return before

    def progress(self, key: Key, log: EventLog) -> Progress:
        """The state of the answers to a task's pending calls."""
        batch = self._find(key, log)
        if not log.state.local_calls:
            return Progress()
        index = log.place(log.state.asked_by)
        if batch is None:
            return Progress(index=index)
        elsewhere = log.state.announced.keys() - batch.expected
        is_sent = bool(batch.sent) and log.state.local_calls.keys() <= batch.sent | elsewhere
        return Progress(frozenset(batch.results), is_sent, index)

    def _find(self, key: Key, log: EventLog) -> Batch | None:
        """The stored results of the pending batch; results that are no longer needed are dropped."""
        batch, state = self._batches.get(key), log.state
        if batch is None:
            return None
        if batch.asked_by == state.asked_by and state.local_calls:
            for call_id in batch.results.keys() - state.local_calls.keys():
                batch.forget(call_id)
            return batch
        # A log that lacks the question is behind, and proves nothing about the answer.
        if log.knows(batch.asked_by):
            del self._batches[key]
        return None

    def _evict(self, current: Batch) -> None:
        total = sum(sum(batch.sizes.values()) for batch in self._batches.values())
        for key, batch in list(self._batches.items()):
            if len(self._batches) <= self._max_batches and total <= self._max_bytes:
                return
            if batch is current or batch.lock.locked():
                continue
            total -= sum(batch.sizes.values())
            del self._batches[key]
            if batch.results:
                logger.warning(
                    "no memory for more results: dropped %d of task %s", len(batch.results), key[1]
                )


def _too_large(problem: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"{problem} Nothing of this call was stored.",
        next_step="Shorten it (to the first and last lines, or those that match); note what you left out.",
    )


def _mib(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"
