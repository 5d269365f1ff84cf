"""A task's events in order, each once, with the state they fold into.

Readers hold a cursor (the id of the last event they saw) and read what came since: nothing is queued for
anybody, so a slow reader loses nothing and holds nobody up.
"""

from collections.abc import Sequence

import anyio

from neo_mcp.core.state import TaskState
from neo_mcp.wire import Event


class Signal:
    """Wakes everybody who waits at the moment that something changes."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    async def wait(self) -> None:
        """Return at the next :meth:`notify`."""
        await self._event.wait()

    def notify(self) -> None:
        """Wake all that wait now."""
        self._event.set()
        self._event = anyio.Event()


class EventLog:
    """Append-only; duplicates are ignored."""

    def __init__(self) -> None:
        self.state = TaskState()
        self._events: list[Event] = []
        self._positions: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._events)

    def append(self, event: Event) -> bool:
        """Add ``event`` unless it is there already; says whether it was added."""
        if event.id in self._positions:
            return False
        self._positions[event.id] = len(self._events)
        self._events.append(event)
        self.state.apply(event)
        return True

    @property
    def last_id(self) -> str:
        """The newest event's id; empty while there is none."""
        return self._events[-1].id if self._events else ""

    def knows(self, event_id: str) -> bool:
        """Whether a reader at ``event_id`` can be told what came since; the empty id is the beginning."""
        return not event_id or event_id in self._positions

    def since(self, event_id: str) -> Sequence[Event]:
        """The events after ``event_id``, oldest first; all of them for an unknown or empty id."""
        return self._events[self._positions.get(event_id, -1) + 1 :]
