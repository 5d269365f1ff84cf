"""Bring a fold of a task's events up to the end of its log.

Events that the log no longer holds come from the API: a fold needs every event, in order.
"""

from typing import Protocol

from neo_mcp.api import NeoClient
from neo_mcp.core.state import TaskState
from neo_mcp.watch.watcher import Watcher
from neo_mcp.wire import Event


class Fold(Protocol):
    """Protocol of a fold of events; ``state`` shows how far it is."""

    state: TaskState

    def apply(self, event: Event) -> None:
        """Take one more event."""


async def catch_up(client: NeoClient, watcher: Watcher, fold: Fold) -> None:
    """Read on to the log's end.

    Raises:
        NeoError: If events that the log no longer holds cannot be read.
    """
    read = -1
    while (since := watcher.log.since(fold.state.last_event_id)).missing and read < fold.state.events:
        # While pages are read, the log may drop more.
        read = fold.state.events
        await _read_pages(client, watcher, fold, since.events[0].id if since.events else "")
    for event in since.events:
        fold.apply(event)


async def _read_pages(client: NeoClient, watcher: Watcher, fold: Fold, until_id: str) -> None:
    """Read on to the first event that the log holds; if it holds none, to the last one that it knows."""
    last_id, latest = fold.state.last_event_id, watcher.log.last_id
    known = not last_id
    async for event in client.iter_events(watcher.task_id, organization=watcher.organization):
        if event.id == until_id:
            return
        if known:
            fold.apply(event)
        if not until_id and event.id == latest:
            return
        known = known or event.id == last_id
