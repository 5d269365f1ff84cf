"""A bounded window on a task's events, and the state that all of them fold into.

Readers hold a cursor (the id of the last event they saw) and read what came since: nothing is queued for
anybody, so a slow reader loses nothing and holds nobody up. Of every event its place is remembered; its
content only of the newest, older ones are at the API. So is one that is larger than all the room there is.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import anyio

from neo_mcp.core.sizes import event_bytes
from neo_mcp.core.state import TaskState
from neo_mcp.core.times import dated
from neo_mcp.errors import NeoError
from neo_mcp.watch.ids import MAX_IDS, EventIds
from neo_mcp.wire import Event, unreadable_event

MAX_EVENTS = 2000
MAX_BYTES = 4 * 2**20


class TooManyEventsError(NeoError):
    """A task has more events than can be told apart here."""

    default_next_step = "See it at its page in the Pulumi Cloud console."


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


class Window:
    """The newest of any number of events, as many as there is room for.

    Args:
        max_events: How many events are held at the most.
        max_bytes: How much memory they take at the most.
    """

    def __init__(self, *, max_events: int = MAX_EVENTS, max_bytes: int = MAX_BYTES) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._events: deque[tuple[Event, int]] = deque()
        self.memory = 0

    def __len__(self) -> int:
        return len(self._events)

    def append(self, event: Event) -> None:
        """Add ``event``, and let go of the oldest that have no room any more."""
        size = event_bytes(event)
        self._events.append((event, size))
        self.memory += size
        while len(self._events) > self._max_events or self.memory > self._max_bytes:
            self.memory -= self._events.popleft()[1]

    def clear(self) -> None:
        """Let go of all."""
        self._events.clear()
        self.memory = 0

    def after(self, count: int) -> list[Event]:
        """All that are held but the first ``count``."""
        return [event for event, _ in islice(self._events, count, None)]


class EventLog:
    """Append-only; duplicates are ignored.

    Attributes:
        state: What all events so far add up to.
        last_id: Id of the newest event; empty for none.

    Args:
        max_events: How many events are held at the most.
        max_bytes: How much memory they take at the most.
    """

    def __init__(self, *, max_events: int = MAX_EVENTS, max_bytes: int = MAX_BYTES) -> None:
        self.state = TaskState()
        self.last_id = ""
        self._ids = EventIds()
        self._window = Window(max_events=max_events, max_bytes=max_bytes)

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def memory(self) -> int:
        """About how many bytes it takes, the state included."""
        return self._ids.memory + self._window.memory + self.state.memory

    def append(self, event: Event) -> bool:
        """Add ``event`` unless it was there already; says whether it was added.

        Raises:
            TooManyEventsError: If there is no more to be told apart.
        """
        if not self._ids.add(event.id):
            return False
        if len(self._ids) > MAX_IDS:
            raise TooManyEventsError(f"This task has more than {MAX_IDS:,} events, which are not followed.")
        self.last_id = event.id
        event = dated(event, self.state.last_timestamp)
        self.state.apply(event)
        self._window.append(event)
        return True

    def let_go(self) -> None:
        """Hold no content any more: all of it is at the API."""
        self._window.clear()

    def knows(self, event_id: str) -> bool:
        """Whether ``event_id`` is one of the task's events; the empty id is the beginning."""
        return not event_id or event_id in self._ids

    def place(self, event_id: str) -> int | None:
        """The number of ``event_id`` among the task's events, from 0; ``None`` if it is none of them."""
        return self._ids.place(event_id)

    def since(self, event_id: str) -> Since:
        """What came after ``event_id``; everything for an unknown or empty id."""
        place = self.place(event_id) if event_id else None
        start = 0 if place is None else place + 1
        first_held = len(self) - len(self._window)
        return Since(self._window.after(max(start - first_held, 0)), max(first_held - start, 0))


def tellable(event: Event) -> Event:
    """``event``, or what stands for one that is too large for any window."""
    size = event_bytes(event)
    if size <= MAX_BYTES:
        return event
    return unreadable_event(
        event.id, f"a {event.body.type} of {size / 2**20:.0f} MiB is too large to be told"
    )
