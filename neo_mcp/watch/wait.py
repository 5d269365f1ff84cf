"""Wait for tasks: until one needs attention, anything happens, or a turn ends."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum

import anyio

from neo_mcp import instruments
from neo_mcp.api import StreamState
from neo_mcp.core.attention import OVER, Attention, activity
from neo_mcp.core.cursor import Position
from neo_mcp.core.render.lines import event_line
from neo_mcp.core.reported import NEVER, NOTHING_REPORTED, Needs, Pending, Reported
from neo_mcp.core.turn import TurnResult
from neo_mcp.watch.log import Since
from neo_mcp.watch.watcher import Watcher
from neo_mcp.wire import Event, UserApprovalRequest

PROGRESS_SECONDS = 8.0


class Until(StrEnum):
    """The condition that ends a wait."""

    ATTENTION = "attention"
    ANY = "any"
    TURN_END = "turn_end"


@dataclass(slots=True)
class Reader:
    """One reader's wait for one task.

    Attributes:
        watcher: From the hub, and open for as long as the wait lasts.
        event_id: The last event that the reader has seen; empty for none.
        reported: The needs that were reported to the reader.
        is_lost: Whether the task turned out to have no such event; ``None`` if that was not checked.
    """

    watcher: Watcher
    event_id: str
    reported: Reported = NOTHING_REPORTED
    is_lost: bool | None = None
    _answered: frozenset[bytes] = field(init=False)
    _quiet: Needs = field(init=False, default=NEVER)

    def __post_init__(self) -> None:
        # Needs answered before the wait are not new to the one who answered; later, others may see them.
        self._answered = frozenset(self.watcher.answered)

    @property
    def is_placed(self) -> bool:
        """True if it is known which events are new to the reader."""
        return self.watcher.caught_up and (self.is_lost is True or self.watcher.log.knows(self.event_id))

    async def locate(self) -> None:
        """Search for an event that the watcher has not received: another replica may be ahead of it."""
        await until_true([self.watcher], lambda: self.watcher.caught_up)
        if not self.is_placed:
            self.is_lost = await self.watcher.lacks(self.event_id)
            if self.is_lost:
                self.reported = NOTHING_REPORTED
            self.watcher.changed.notify()

    def matches(self, until: Until, kinds: Collection[str] = ()) -> bool:
        """True if the condition of the wait is met."""
        if not self.watcher.caught_up or not (self.is_placed or self.is_lost is not None):
            return False
        match until:
            case Until.ATTENTION:
                return self._has_news()
            case Until.TURN_END:
                return any(need.kind in OVER for need in self._new_needs())
            case Until.ANY:
                return self.is_placed and self._has_happened(kinds)

    def _has_news(self) -> bool:
        needs = self.watcher.needs
        # Most events change nothing here, and hundreds may check after each.
        if needs.keys == self._quiet.keys and needs.count == self._quiet.count:
            return False
        has_news = bool(needs.new(self.reported)) or self._is_resolved
        if not has_news and self.is_placed:
            self._quiet = needs
        return has_news

    def _new_needs(self) -> tuple[Attention, ...]:
        return self.watcher.needs.new(self.reported)

    def _has_happened(self, kinds: Collection[str]) -> bool:
        """True if there is a matching event, or a need that an earlier result could not report yet."""
        since = self.watcher.log.since(self.event_id)
        if since.missing > 0:
            return True
        # A request that the service may answer comes with its answer, or once it needs attention.
        later = [need.request.id for need in self.watcher.needs.later if need.request is not None]
        for event in since.events:
            held_back = isinstance(event.body, UserApprovalRequest) and event.body.id in later
            if _is_of(event, kinds) and self.watcher.shows(event) and not held_back:
                return True
        requests = (need.request for need in self._new_needs())
        return any(not kinds or (request is not None and request.type in kinds) for request in requests)

    @property
    def _is_resolved(self) -> bool:
        # A log that is behind the cursor lacks what was reported.
        return self.is_placed and self.reported.is_resolved(self.watcher.needs.keys, self._answered)

    @property
    def may_go_on(self) -> bool:
        """True if Neo may continue by itself: it runs, or waits for a request that the service may answer."""
        return not self.watcher.at_rest or bool(self.watcher.needs.later)

    def read(self) -> "News":
        """The news for the reader now."""
        watcher, log = self.watcher, self.watcher.log
        return News(
            since=log.since(self.event_id) if self.is_placed else Since(()),
            pending=watcher.needs.since(self.reported, self._answered),
            activity=status(watcher),
            last_event_id=log.last_id if self.is_placed else self.event_id,
            cursor_known=not self.is_lost,
            before=None if self.is_placed else Position(self.event_id, self.reported),
        )

    def read_to(self, result: TurnResult) -> "News":
        """The news for the reader at that moment, whatever has come since."""
        log, last_id = self.watcher.log, result.state.last_event_id
        since = log.since(self.event_id)
        index = next((index for index, event in enumerate(since.events) if event.id == last_id), None)
        if index is not None:
            since = Since(since.events[: index + 1], since.missing)
        else:
            # Nothing came between the two, or the log has dropped all of it.
            since = Since((), int(last_id != self.event_id))
        return News(
            since=since,
            pending=Needs.of(result.needs).since(self.reported),
            activity=activity(result.state),
            last_event_id=last_id,
            cursor_known=log.knows(self.event_id),
        )


@dataclass(frozen=True, slots=True)
class News:
    """The result of a wait for one task.

    Attributes:
        since: Everything after the cursor.
        pending: The needs, and which of them are new.
        cursor_known: ``False`` if the cursor's event is not among the task's; ``since`` is then everything.
        before: The reader's position, if it is not among the events yet: it stays there.
    """

    since: Since
    pending: Pending
    activity: str
    last_event_id: str
    cursor_known: bool
    before: Position | None = None

    @property
    def needs(self) -> tuple[Attention, ...]:
        """All needs, new ones first."""
        return self.pending.needs

    @property
    def is_new(self) -> bool:
        """True if there is anything that the reader does not know."""
        since, pending = self.since, self.pending
        return bool(since.events or since.missing or pending.new or pending.is_resolved)

    def position(self, shown: int) -> Position:
        """The reader's position once the first ``shown`` of the needs were reported to it."""
        return self.before or Position(self.last_event_id, self.pending.reported(shown))


def is_wanted(event: Event, kinds: Collection[str]) -> bool:
    """True if an event has something to show, and is of one of ``kinds`` if there are any."""
    return _is_of(event, kinds) and bool(event_line(event))


def _is_of(event: Event, kinds: Collection[str]) -> bool:
    return not kinds or event.body.type in kinds


async def wait(
    readers: Sequence[Reader],
    *,
    until: Until,
    seconds: float,
    kinds: Collection[str] = (),
    on_progress: Callable[[str], Awaitable[None]] | None = None,
) -> list[Reader]:
    """Return when one of the tasks matches, when all have failed, or when the time is up.

    Args:
        readers: The readers, one for each task.
        until: The condition. If it is already met, the wait ends at once.
        seconds: Maximum time to wait.
        kinds: Types of events that count with ``Until.ANY``; none for all.
        on_progress: Called with Neo's current activity at once, whenever it changes, and at least every 8
            seconds.

    Returns:
        The readers whose tasks match.
    """
    watchers = [reader.watcher for reader in readers]
    matched: list[Reader] = []

    def is_over() -> bool:
        # A single failed task ends its wait; among several, the others are still worth waiting for.
        matched[:] = [reader for reader in readers if reader.matches(until, kinds)]
        return bool(matched) or all(watcher.failure is not None for watcher in watchers)

    kind, details = {"neo_mcp.wait.until": until.value}, {"neo_mcp.wait.tasks": len(watchers)}
    with (
        instruments.counted(instruments.HELD_WAITS),
        instruments.observed(instruments.WAIT, kind, span="wait for events", details=details) as seen,
    ):
        with anyio.move_on_after(seconds) as limit:
            async with _helpers(readers, on_progress):
                await until_true(watchers, is_over)
        failed = all(watcher.failure is not None for watcher in watchers)
        seen.ended("timed_out" if limit.cancelled_caught else "failed" if failed else "matched")
    return matched


@asynccontextmanager
async def _helpers(
    readers: Sequence[Reader], on_progress: Callable[[str], Awaitable[None]] | None
) -> AsyncIterator[None]:
    """Search for the readers' events and report progress meanwhile, where there is need of either."""
    watchers = [reader.watcher for reader in readers]
    if on_progress is None and len(watchers) == 1:
        # Before that there is nothing to search for; hundreds may wait, and a task group for each takes time.
        await until_true(watchers, lambda: watchers[0].caught_up)
    misplaced = [reader for reader in readers if not reader.is_placed]
    if on_progress is None and not misplaced:
        yield
        return
    reported = _summary(watchers)
    if on_progress is not None:
        await on_progress(reported)
    async with anyio.create_task_group() as helpers:
        for reader in misplaced:
            helpers.start_soon(reader.locate)
        if on_progress is not None:
            helpers.start_soon(_report, watchers, on_progress, reported)
        yield
        helpers.cancel_scope.cancel()


async def until_true(watchers: Sequence[Watcher], holds: Callable[[], bool]) -> None:
    """Return once ``holds`` does, or every watcher has failed; checked after every change."""
    while not holds() and any(watcher.failure is None for watcher in watchers):
        changed = anyio.Event()
        for watcher in watchers:
            watcher.changed.join(changed)
        try:
            await changed.wait()
        finally:
            for watcher in watchers:
                watcher.changed.leave(changed)


async def _report(
    watchers: Sequence[Watcher], on_progress: Callable[[str], Awaitable[None]], reported: str
) -> None:
    def is_news() -> bool:
        return _summary(watchers) != reported

    while any(watcher.failure is None for watcher in watchers):
        with anyio.move_on_after(PROGRESS_SECONDS):
            await until_true(watchers, is_news)
        reported = _summary(watchers)
        await on_progress(reported)


def _summary(watchers: Sequence[Watcher]) -> str:
    if len(watchers) == 1:
        return status(watchers[0])
    names = (watcher.log.state.name or watcher.task_id for watcher in watchers)
    return " | ".join(f"{name}: {status(w)}" for name, w in zip(names, watchers, strict=True))


def status(watcher: Watcher) -> str:
    """Neo's current activity, and the state of the connection to it."""
    if watcher.failure is not None:
        return str(watcher.failure)
    if not watcher.caught_up:
        return "reading the task's history"
    doing = watcher.activity
    if watcher.is_paging:
        return f"{doing} (no live stream: polled every few seconds)"
    connection = watcher.connection
    if connection is not None and connection.attempt and connection.state is not StreamState.OPEN:
        return f"connection lost, trying again; last: {doing}"
    return doing
