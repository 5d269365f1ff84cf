"""The tasks that are open in a task view: their folded events, and their metadata from the API.

Remembers how far it has read, so that a query costs only the new events. All of this can be read again from
the API, and is forgotten with the watcher of its task.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import anyio

from neo_mcp.api import NeoClient
from neo_mcp.errors import NeoError
from neo_mcp.watch.catching_up import catch_up
from neo_mcp.watch.watcher import Watcher
from neo_mcp.wire import Task

if TYPE_CHECKING:
    from neo_mcp.core.view.fold import ViewFold

CHECK_SECONDS = 15.0
"""Seconds for which a task's metadata is valid if no event changes it."""


@dataclass(slots=True)
class _Entry:
    fold: ViewFold = field(default_factory=lambda: _new_fold(None))
    lock: anyio.Lock = field(default_factory=anyio.Lock)
    task: Task | None = None
    checked_at: float = 0.0
    marks: tuple[object, ...] = ()


class Views:
    """The tasks that are open in a view."""

    def __init__(self, client: NeoClient) -> None:
        self._client = client
        self._entries: WeakKeyDictionary[Watcher, _Entry] = WeakKeyDictionary()

    async def fold(self, watcher: Watcher, *, indexes: range | None = None) -> ViewFold:
        """All events so far, folded.

        Args:
            watcher: The task's watcher, caught up, and open for as long as this takes.
            indexes: The items to return, if not the most recent.

        Raises:
            NeoError: If events that the log no longer holds cannot be read.
        """
        if indexes is not None:
            fold = _new_fold(indexes)
            await catch_up(self._client, watcher, fold)
            return fold
        entry = self._of(watcher)
        async with entry.lock:
            await catch_up(self._client, watcher, entry.fold)
        return entry.fold

    async def task(self, watcher: Watcher, *, anew: bool = False) -> Task:
        """The task's metadata: read again if it is old, or if events show a change.

        Args:
            watcher: The task's watcher, caught up.
            anew: Whether to read it in any case.

        Raises:
            NeoError: If the API does not answer, and did not before.
        """
        entry = self._of(watcher)
        state = watcher.log.state
        marks = (state.turns, state.turn, state.name, state.entities)
        is_old = self._client.clock.monotonic() - entry.checked_at > CHECK_SECONDS
        if entry.task is None or anew:
            entry.task = await watcher.look()
        elif is_old or marks != entry.marks:
            with suppress(NeoError):
                entry.task = await watcher.look()
        else:
            return entry.task
        entry.checked_at, entry.marks = self._client.clock.monotonic(), marks
        return entry.task

    def known(self, watcher: Watcher) -> Task | None:
        """The last metadata from the API, if it was read."""
        return self._of(watcher).task

    def _of(self, watcher: Watcher) -> _Entry:
        return self._entries.setdefault(watcher, _Entry())


def _new_fold(indexes: range | None) -> ViewFold:
    from neo_mcp.core.view.fold import ViewFold  # noqa: PLC0415 - a server that shows no task starts without it

    return ViewFold(indexes)
