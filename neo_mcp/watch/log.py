"""A bounded window on a task's events, and their folded state.

Readers hold a cursor (the id of the last event they saw) and read the events since then: nothing is queued,
so a slow reader loses nothing and blocks no one. The position of every event is remembered, but the content
of only the most recent ones; older ones are read from the API. So is one that is larger than the whole
window.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from weakref import WeakSet

import anyio

from neo_mcp.core.sizes import event_bytes
from neo_mcp.core.state import TaskState
from neo_mcp.core.times import dated
from neo_mcp.errors import NeoError
from neo_mcp.watch.ids import MAX_IDS, EventIds
from neo_mcp.wire import Event, unreadable_event

MAX_EVENTS = 2000
MAX_BYTES = 4 * 2**20

MAX_TOTAL_BYTES = 64 * 2**20
"""Maximum memory of the stored events of all tasks that a process follows, in bytes."""


class TooManyEventsError(NeoError):
    """Raised when a task has more events than can be distinguished here."""

    default_next_step = "See it at its page in the Pulumi Cloud console."


class Signal:
    """Wakes all waiters at the moment that something changes."""

    def __init__(self) -> None:
        self._waiting: set[anyio.Event] = set()

    def notify(self) -> None:
        """Wake all that wait now."""
        for event in self._waiting:
            event.set()
        self._waiting.clear()

    def join(self, event: anyio.Event) -> None:
        """Register ``event`` to be set at the next :meth:`notify`."""
        self._waiting.add(event)

    def leave(self, event: anyio.Event) -> None:
        """Undo :meth:`join`."""
        self._waiting.discard(event)


@dataclass(frozen=True, slots=True)
class Since:
    """The events after a cursor.

    Attributes:
        events: The events that are held, oldest first.
        missing: Number of events between the cursor and the first of them.
    """

    events: Sequence[Event]
    missing: int = 0


class Budget:
    """The memory that several windows share; where it does not suffice, the largest ones drop events.

    Args:
        max_bytes: Maximum memory of all of them, in bytes.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._windows: WeakSet[Window] = WeakSet()
        self._used = 0

    def join(self, window: "Window") -> None:
        """Count ``window`` from now on, for as long as it exists."""
        self._windows.add(window)

    def use(self, size: int) -> None:
        """Note that a window has become larger by ``size``."""
        self._used += size
        if self._used > self._max_bytes:
            self._shrink()

    def _shrink(self) -> None:
        """Count what there is, and free some more than is needed: counting visits every window."""
        self._used = sum(window.memory for window in self._windows)
        while self._used > self._max_bytes * 7 / 8:
            self._used -= max(self._windows, key=lambda window: window.memory).drop_half()


class Window:
    """The most recent events, as many as fit.

    Args:
        max_events: Maximum number of events.
        max_bytes: Maximum memory of their contents, in bytes.
        budget: Limits the memory of several windows together.
    """

    def __init__(
        self, *, max_events: int = MAX_EVENTS, max_bytes: int = MAX_BYTES, budget: Budget | None = None
    ) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._budget = budget
        self._events: deque[tuple[Event, int]] = deque()
        self.memory = 0
        if budget is not None:
            budget.join(self)

    def __len__(self) -> int:
        return len(self._events)

    def extend(self, events: Sequence[Event]) -> None:
        """Add ``events``, and drop the oldest ones that no longer fit."""
        held, sizes = self._events, [*map(event_bytes, events)]
        held.extend(zip(events, sizes, strict=True))
        self.memory += sum(sizes)
        while len(held) > self._max_events or self.memory > self._max_bytes:
            self.memory -= held.popleft()[1]
        if self._budget is not None:
            self._budget.use(sum(sizes))

    def drop_half(self) -> int:
        """Drop the older half of the events; return how much memory they had, in bytes."""
        before = self.memory
        for _ in range((len(self._events) + 1) // 2):
            self.memory -= self._events.popleft()[1]
        return before - self.memory

    def clear(self) -> None:
        """Drop all events."""
        self._events.clear()
        self.memory = 0

    def after(self, count: int) -> list[Event]:
        """All stored events but the first ``count``."""
        return [event for event, _ in islice(self._events, count, None)]


class EventLog:
    """Append-only; duplicates are ignored.

    Attributes:
        state: The state after all events so far.
        last_id: Id of the last event; empty for none.

    Args:
        max_events: Maximum number of stored events.
        max_bytes: Maximum memory of their contents, in bytes.
        budget: Limits the memory of several logs together.
    """

    def __init__(
        self, *, max_events: int = MAX_EVENTS, max_bytes: int = MAX_BYTES, budget: Budget | None = None
    ) -> None:
        self.state = TaskState()
        self.last_id = ""
        self._ids = EventIds()
        self._window = Window(max_events=max_events, max_bytes=max_bytes, budget=budget)

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def memory(self) -> int:
        """Approximate memory in bytes, the state included."""
        return self._ids.memory + self._window.memory + self.state.memory

    def extend(self, events: Iterable[Event]) -> list[Event]:
        """Add those of ``events`` that were not there already; return them as they were added.

        Raises:
            TooManyEventsError: If no more events can be distinguished.
        """
        new: list[Event] = []
        state, add_id = self.state, self._ids.add
        for event in events:
            if add_id(event.id):
                event_with_time = dated(event, state.last_timestamp)
                state.apply(event_with_time)
                new.append(event_with_time)
        if new:
            self.last_id = new[-1].id
            self._window.extend(new)
        if len(self._ids) > MAX_IDS:
            raise TooManyEventsError(f"This task has more than {MAX_IDS:,} events, which are not followed.")
        return new

    def let_go(self) -> None:
        """Drop the content of all events: the API has it."""
        self._window.clear()

    def knows(self, event_id: str) -> bool:
        """True if ``event_id`` is one of the task's events; the empty id is the beginning."""
        return not event_id or event_id in self._ids

    def place(self, event_id: str) -> int | None:
        """The number of ``event_id`` among the task's events, from 0; ``None`` if it is unknown."""
        return self._ids.number(event_id)

    def since(self, event_id: str) -> Since:
        """The events after ``event_id``; all events for an unknown or empty id."""
        number = self.place(event_id) if event_id else None
        start = 0 if number is None else number + 1
        first_held = len(self) - len(self._window)
        return Since(self._window.after(max(start - first_held, 0)), max(first_held - start, 0))


def bounded_event(event: Event) -> Event:
    """Return ``event``, or a marker for one that is too large for any window."""
    size = event_bytes(event)
    if size <= MAX_BYTES:
        return event
    return unreadable_event(event.id, f"a {event.body.type} of {size / 2**20:.0f} MiB is too large to show")
