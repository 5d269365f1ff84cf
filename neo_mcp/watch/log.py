"""A bounded window on a task's events, and the state that all of them fold into.

Readers hold a cursor (the id of the last event they saw) and read what came since: nothing is queued for
anybody, so a slow reader loses nothing and holds nobody up. Of every event its place is remembered; its
content only of the newest, older ones are at the API.
"""

from array import array
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import anyio

from neo_mcp.core.held import text_bytes
from neo_mcp.core.state import TaskState
from neo_mcp.core.times import dated
from neo_mcp.wire import Event

MAX_EVENTS = 2000
MAX_BYTES = 8 * 2**20


class Signal:
    """Wakes everybody who waits at the moment that something changes."""

    def __init__(self) -> None:
        self._waiting: set[anyio.Event] = set()

    def notify(self) -> None:
        """Wake all that wait now."""
        for event in self._waiting:
            event.set()
        self._waiting.clear()

    def join(self, event: anyio.Event) -> None:
        """Have ``event`` set at the next :meth:`notify`."""
        self._waiting.add(event)

    def leave(self, event: anyio.Event) -> None:
        """Undo :meth:`join`."""
        self._waiting.discard(event)


@dataclass(frozen=True, slots=True)
class Since:
    """What came after a cursor.

    Attributes:
        events: The events that are held, oldest first.
        missing: How many came between the cursor and the first of them.
    """

    events: Sequence[Event]
    missing: int = 0


class EventLog:
    """Append-only; duplicates are ignored.

    Attributes:
        state: What all events so far add up to.
        last_id: Id of the newest event; empty for none.

    Args:
        max_events: How many events are held at the most.
        max_bytes: How much memory their texts take at the most; the newest is always held.
    """

    def __init__(self, *, max_events: int = MAX_EVENTS, max_bytes: int = MAX_BYTES) -> None:
        self.state = TaskState()
        self.last_id = ""
        self._max_events = max_events
        self._room = max_bytes
        # Hashes in place of ids, since a task may have hundreds of thousands: one table to tell what is
        # known, and eight bytes each for its place, which is looked for rarely.
        self._known: set[int] = set()
        self._order = array("q")
        self._held: deque[tuple[Event, int]] = deque()

    def __len__(self) -> int:
        return len(self._order)

    def append(self, event: Event) -> bool:
        """Add ``event`` unless it was there already; says whether it was added."""
        key = hash(event.id)
        if key in self._known:
            return False
        self._known.add(key)
        self._order.append(key)
        self.last_id = event.id
        event = dated(event, self.state.last_timestamp)
        self.state.apply(event)
        size = text_bytes(event.body)
        self._held.append((event, size))
        self._room -= size
        while len(self._held) > self._max_events or (self._room < 0 and len(self._held) > 1):
            self._room += self._held.popleft()[1]
        return True

    def knows(self, event_id: str) -> bool:
        """Whether ``event_id`` is one of the task's events; the empty id is the beginning."""
        return not event_id or hash(event_id) in self._known

    def place(self, event_id: str) -> int | None:
        """The number of ``event_id`` among the task's events, from 0; ``None`` if it is none of them."""
        key = hash(event_id)
        return self._order.index(key) if key in self._known else None

    def since(self, event_id: str) -> Since:
        """What came after ``event_id``; everything for an unknown or empty id."""
        start = 0
        if event_id == self.last_id:
            start = len(self)
        elif event_id and self.knows(event_id):
            start = self._order.index(hash(event_id)) + 1
        first_held = len(self) - len(self._held)
        events = [event for event, _ in islice(self._held, max(start - first_held, 0), None)]
        return Since(events, max(first_held - start, 0))
