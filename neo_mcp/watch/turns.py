"""The results of turns that clients follow remotely, computed from the log.

Remembers how far it has read, so that a query costs only the new events; all of this can be read again from
the API. The result of a turn is defined in :mod:`neo_mcp.core.turn`.
"""

from contextlib import suppress
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import anyio

from neo_mcp.api import NeoClient
from neo_mcp.core.attention import AttentionKind
from neo_mcp.core.turn import TurnFold, TurnResult
from neo_mcp.errors import NeoError
from neo_mcp.watch.catching_up import catch_up
from neo_mcp.watch.wait import until_true
from neo_mcp.watch.watcher import Watcher

CHECK_SECONDS = 30.0
"""Seconds between checks that a turn still runs: one that is killed ends without an event."""

_MAX_TURNS = 64
"""Maximum turns of one task that are stored."""


@dataclass(slots=True)
class _Entry:
    fold: TurnFold
    checked_at: float
    lock: anyio.Lock = field(default_factory=anyio.Lock)


class Turns:
    """The turns that are followed; forgotten with the watcher of their task."""

    def __init__(self, client: NeoClient) -> None:
        self._client = client
        self._entries: WeakKeyDictionary[Watcher, dict[tuple[str, frozenset[AttentionKind]], _Entry]] = (
            WeakKeyDictionary()
        )

    async def result(self, watcher: Watcher, base: str, asked: frozenset[AttentionKind]) -> TurnResult | None:
        """Return how the turn after ``base`` ended, or its first need; ``None`` while it runs.

        Until then, the watcher's log has the current state.

        Args:
            watcher: The task's watcher, caught up, and open for as long as this takes.
            base: Id of the last event before; empty for the beginning of the task.
            asked: The kinds of needs that are put to a person during the turn.

        Raises:
            NeoError: If events that the log no longer holds cannot be read.
        """
        entry = self._of(watcher, base, asked)
        async with entry.lock:
            await self._catch_up(entry.fold, watcher)
            await self._begin(entry.fold, watcher, base)
            await self._check(entry, watcher)
            while watcher.failure is None and _may_resolve_itself(entry.fold, watcher):
                await _change(watcher)
                await self._catch_up(entry.fold, watcher)
            return entry.fold.now(at_rest=watcher.at_rest)

    def _of(self, watcher: Watcher, base: str, asked: frozenset[AttentionKind]) -> _Entry:
        turns = self._entries.setdefault(watcher, {})
        # The most recently used is last; the first is forgotten, and read again if necessary.
        entry = turns.pop((base, asked), None) or _Entry(
            TurnFold(base, asked), self._client.clock.monotonic()
        )
        turns[base, asked] = entry
        if len(turns) > _MAX_TURNS:
            del turns[next(iter(turns))]
        return entry

    async def _catch_up(self, fold: TurnFold, watcher: Watcher) -> None:
        if fold.result is None:
            await catch_up(self._client, watcher, fold)

    async def _begin(self, fold: TurnFold, watcher: Watcher, base: str) -> None:
        """Begin at the base; read the task again if the log lacks it."""
        if not fold.begun and not watcher.log.knows(base):
            await watcher.read_again()
            await self._catch_up(fold, watcher)
        if not fold.begun:
            fold.begin()

    async def _check(self, entry: _Entry, watcher: Watcher) -> None:
        now = self._client.clock.monotonic()
        if entry.fold.result is None and now - entry.checked_at > CHECK_SECONDS:
            entry.checked_at = now
            with suppress(NeoError):
                await watcher.look()
            await self._catch_up(entry.fold, watcher)


async def _change(watcher: Watcher) -> None:
    """Wait for an event, or for a pending request to become due."""
    seen, needs = len(watcher.log), watcher.needs.count
    await until_true([watcher], lambda: len(watcher.log) > seen or watcher.needs.count != needs)


def _may_resolve_itself(fold: TurnFold, watcher: Watcher) -> bool:
    """True if the service may still answer the request that the turn waits for."""
    due = (need.request.id for need in watcher.attention() if need.request is not None)
    return fold.unconfirmed is not None and fold.unconfirmed not in due
