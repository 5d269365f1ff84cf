"""Follow one task upstream: its history first, then the live stream, into a log.

Owns the one stream of a task and the log it feeds, and falls back to polling pages where there is no stream.
Decides what needs attention at this moment. Does not know its readers.
"""

import logging
from collections import deque
from collections.abc import Iterable
from contextlib import aclosing, suppress
from itertools import compress

import anyio

from neo_mcp.api import NeoClient, StreamState, StreamStatus, Subscription
from neo_mcp.constants import PROGRAM
from neo_mcp.core.attention import Attention, activity, attention, call_of, turn_is_over
from neo_mcp.core.held import Body, body_of, is_body_of, is_preview
from neo_mcp.core.render.lines import event_line
from neo_mcp.core.reported import Needs, key_of
from neo_mcp.core.state import Turn
from neo_mcp.errors import (
    AuthenticationError,
    NeoError,
    NotFoundError,
    PermissionDeniedError,
)
from neo_mcp.watch.announced import AnnouncedHere
from neo_mcp.watch.log import MAX_TOTAL_BYTES, Budget, EventLog, Signal
from neo_mcp.watch.resolving import Resolving
from neo_mcp.wire import AssistantMessage, Cancelled, Event, Task, ToolCall, UserApprovalRequest
from neo_mcp.wire.ids import task_key
from neo_mcp.wire.time import parse_time

logger = logging.getLogger(__name__)

_BUDGET = Budget(MAX_TOTAL_BYTES)
"""Of this process."""

_REOPEN_SECONDS = 15.0
"""Seconds for which an idle task's ended stream is left closed, unless :meth:`Watcher.poke` comes first."""

_GAP_SECONDS = 3.0
"""Seconds for which the first event of a resumed stream is held back to read the events before it."""

_SOURCE_SECONDS = 3.0
"""Seconds for which a request for local calls is held back to read the task's source."""

_PAGING_SECONDS = 300.0
"""Seconds for which a task is polled before its stream is tried again."""

_MAX_WORD = 100
"""Maximum characters of a value of the API's that are stored."""

_MAX_ANSWERED = 256
"""Maximum needs of a task that are remembered as answered through this process."""


class Watcher:
    """One task's log, kept up to date while :meth:`run` runs.

    Attributes:
        organization: The task's organization.
        task_id: The task.
        log: Its most recent events, and the state that all of them fold into.
        caught_up: Whether the log holds everything that had happened when the watcher started.
        at_rest: The task's status, if the API reported after the last event that nothing runs; else empty.
        source: The source of the task, once read from the API; else empty.
        connection: The last status of the live stream, or ``None`` before it was opened.
        answered: Keys of the needs that were answered through this process, the last ones.
    """

    def __init__(
        self,
        client: NeoClient,
        organization: str,
        task_id: str,
        announced: AnnouncedHere | None = None,
    ) -> None:
        self.organization = organization
        self.task_id = task_id
        self.log = EventLog(budget=_BUDGET)
        self.changed = Signal()
        self.caught_up = False
        self.at_rest = ""
        self._failure: NeoError | None = None
        self.connection: StreamStatus | None = None
        self.source = ""
        self._announced = announced or AnnouncedHere()
        self.answered: deque[bytes] = deque(maxlen=_MAX_ANSWERED)
        self._client = client
        self._resolving = Resolving(client.clock, self._task, self.changed.notify)
        self._needs = Needs()
        self._needs_basis: tuple[object, ...] | None = None
        self._activity = (0, "")
        self._shown = ("", False)
        self._pages = client.event_pages(task_id, organization=organization)
        self._was_open = False
        self._is_complete = True  # as far as is known: a stream that is resumed may leave something out
        self._status = ""
        self._poked = anyio.Event()

    @property
    def is_paging(self) -> bool:
        """True if there is no live stream, so that events come with a delay."""
        return self.connection is not None and self.connection.state is StreamState.PAGING

    def attention(self) -> tuple[Attention, ...]:
        """The current needs; none before the log has caught up.

        A request that the service may still answer itself is left out until it is clear that the service does
        not. The log's state has it all the same.
        """
        return self.needs.due

    @property
    def needs(self) -> Needs:
        """The same, with the keys by which readers remember it; computed once after each change."""
        if not self.caught_up:
            return Needs()
        resolving = self._resolving
        basis = (self.log.state.events, self.at_rest, resolving.changes, self.announced_here, self.source)
        if basis != self._needs_basis:
            self._needs_basis = basis
            every = attention(
                self.log.state,
                at_rest=self.at_rest,
                announced_here=self.announced_here,
                task_source=self.source,
            )
            is_open = [need.request is not None and resolving.has(need.request.id) for need in every]
            due = [need for need, later in zip(every, is_open, strict=True) if not later]
            self._needs = Needs.of(due, [*compress(every, is_open)])
        return self._needs

    @property
    def activity(self) -> str:
        """Neo's current activity in words; written once after each event, as hundreds may wait for it."""
        if not self._activity[1] or self._activity[0] != self.log.state.events:
            self._activity = (self.log.state.events, activity(self.log.state))
        return self._activity[1]

    def shows(self, event: Event) -> bool:
        """True if ``event`` has something to show; known of the last one, for the same reason."""
        if self._shown[0] != event.id:  # The event itself may be large, and the log lets go of it.
            self._shown = (event.id, bool(event_line(event)))
        return self._shown[1]

    @property
    def is_sure(self) -> bool:
        """True if it is clear what needs attention, or only time will show."""
        return self.caught_up and not self._resolving.is_asking

    def learn(self, task: Task) -> None:
        """Record the task as read from the API: the requests that the service answers, and the source."""
        self.source = (task.source or "")[:_MAX_WORD]
        self._resolving.learn(task)

    def note_answered(self, needs: Iterable[Attention]) -> None:
        """Remember that these were answered through this process, so that they are not reported as new."""
        self.answered.extend(map(key_of, needs))

    @property
    def key(self) -> tuple[str, str]:
        """The task's key."""
        return task_key(self.organization, self.task_id)

    @property
    def announced_here(self) -> frozenset[str]:
        """Ids of pending local calls that this process announced to send their results."""
        return self._announced.of((*self.key, self.log.state.asked_by))

    def announce(self, call_ids: Iterable[str]) -> None:
        """Remember that this process announces these pending local calls to send their results."""
        self._announced.add((*self.key, self.log.state.asked_by), call_ids)

    def poke(self) -> None:
        """Report current interest: an ended stream is worth opening again at once."""
        self._poked.set()

    def stopped(self) -> None:
        """Record that the task's session was killed: Neo cannot send an event about it."""
        if self.log.last_id:
            self.log.state.apply(Event(id=self.log.last_id, body=Cancelled()))
        self.poke()
        self.changed.notify()

    async def look(self) -> Task:
        """Read the task from the API: a turn that was killed elsewhere ends without an event.

        Raises:
            NeoError: If the API does not answer.
        """
        latest = self.log.last_id
        task = await self._task()
        self.learn(task)
        if self.caught_up and not task.is_running and self._seems_to_run:
            # Its last events may still be on their way.
            await self._read_history()
        if self.caught_up and self.log.last_id == latest:
            self._rest("" if task.is_running else task.status[:_MAX_WORD])
        return task

    async def read_again(self) -> None:
        """Read the events again from the API, for callers that need the current state.

        Raises:
            NeoError: If they cannot be read.
        """
        await self._read_history()

    async def body(self, request_id: str) -> Body | None:
        """A pending request whole, read again if only a preview is stored; ``None`` if it was replaced.

        Raises:
            NeoError: If the events cannot be read.
        """
        state = self.log.state
        request = state.approvals.get(request_id)
        if request is None:
            return None
        if (held := body_of(state, request)) is not None:
            return held
        call, last_id = call_of(state, request), self.log.last_id
        async for event in self._client.iter_events(self.task_id, organization=self.organization):
            match event.body:
                case UserApprovalRequest(id=candidate) if candidate == request_id:
                    request = event.body
                case AssistantMessage(tool_calls=made) if call is not None:
                    call = next((each for each in reversed(made) if each.id == call.id), call)
                case _:
                    pass
            if event.id == last_id:
                break
        body = Body(request, call)
        return body if not is_preview(call) and is_body_of(state, body) else None

    async def whole_calls(self) -> dict[str, ToolCall]:
        """The local calls that Neo waits for, by id, with all their arguments; read again.

        Raises:
            NeoError: If the events cannot be read.
        """
        asked_by, pending = self.log.state.asked_by, self.log.state.local_calls
        async for event in self._client.iter_events(self.task_id, organization=self.organization):
            if event.id == asked_by and isinstance(event.body, AssistantMessage):
                return {call.id: call for call in event.body.tool_calls if call.id in pending}
        return {}

    async def lacks(self, event_id: str) -> bool:
        """True if the task has no such event in the API either; the stream may only be behind."""
        if not self.log.knows(event_id):
            try:
                await self._read_history()
            except NeoError:
                return False
        return not self.log.knows(event_id)

    @property
    def _seems_to_run(self) -> bool:
        return self.log.state.turn is Turn.RUNNING and not self.needs.every

    async def run(self) -> None:
        """Follow the task until cancelled, or until a failure that waiting cannot fix."""
        async with anyio.create_task_group() as background:
            self._resolving.use(background)
            await self._run()
            self._resolving.use(None)
            background.cancel_scope.cancel()

    async def _run(self) -> None:
        try:
            await self._read_history()
            while True:
                await self._follow_somehow()
        except NeoError as error:
            logger.info("stopped following task %s: %s", self.task_id, error)
            self.fail(error)
        except Exception:
            # One task that cannot be understood must not end the server.
            logger.exception("following task %s failed", self.task_id)
            self.fail(NeoError(f"Following the task failed inside {PROGRAM}; its log has the details."))

    def fail(self, error: NeoError) -> None:
        """End every wait with ``error``."""
        self._failure = error.copy()
        self.changed.notify()

    @property
    def failure(self) -> NeoError | None:
        """The reason why the watcher stopped, to be raised by one reader; ``None`` while it runs."""
        return self._failure and self._failure.copy()

    async def _read_history(self) -> None:
        """Read the history, so that no past moment is mistaken for the current one."""
        async with aclosing(self._pages.read()) as pages:
            async for events in pages:
                if self._append(events, is_pushed=False):
                    self.at_rest = ""
                events = ()  # noqa: PLW2901 - let go before the next page comes
        await self._learn_source()
        self.caught_up = True
        self.changed.notify()

    def _append(self, events: Iterable[Event], *, is_pushed: bool) -> bool:
        """Add to the log, and record since when requests wait: one from the history may be old.

        Returns:
            Whether any of ``events`` is new.
        """
        new = self.log.extend(events)
        for event in new:
            if isinstance(event.body, UserApprovalRequest):
                asked_at = None if is_pushed else parse_time(event.body.timestamp)
                age = (self._client.clock.now() - asked_at).total_seconds() if asked_at else 0.0
                self._resolving.arrived(event.body, age)
        return bool(new)

    async def _task(self) -> Task:
        return await self._client.get_task(self.task_id, organization=self.organization)

    async def _learn_source(self) -> None:
        """Read the source of a task that asks for local calls: some clients run these by themselves."""
        if self.source or not self.log.state.local_calls:
            return
        with suppress(NeoError), anyio.move_on_after(_SOURCE_SECONDS):
            self.learn(await self._task())

    async def _follow_somehow(self) -> None:
        """Follow the stream, or pages for a while if the stream fails."""
        try:
            await self._follow()
        except (AuthenticationError, PermissionDeniedError):
            raise
        except NeoError as error:
            if isinstance(error, NotFoundError):
                # Distinguishes a stream that does not exist from a task that no longer exists.
                await self.look()
            logger.warning("no live stream of task %s, asking for pages: %s", self.task_id, error)
            with anyio.move_on_after(_PAGING_SECONDS):
                await self._follow(by_pages=True)

    async def _follow(self, *, by_pages: bool = False) -> None:
        self._poked = anyio.Event()
        stream = self._client.stream_batches(
            Subscription(
                self.task_id,
                self.organization,
                last_event_id=self.log.last_id,
                is_known=self.log.knows,
                is_open=self._expects_more,
                report=self._on_connection,
                by_pages=by_pages,
            )
        )
        async with aclosing(stream) as batches:
            async for events in batches:
                held = len(self.log)
                if not self._is_complete:
                    await self._fill_gap()
                self._append(events, is_pushed=True)
                if len(self.log) > held:
                    self.at_rest = ""
                    await self._learn_source()
                    self.changed.notify()
        self._rest(self._status)
        with anyio.move_on_after(_REOPEN_SECONDS):
            await self._poked.wait()

    async def _fill_gap(self) -> None:
        """Read the events that a stream left out because it was resumed too late, which none of them shows.

        The pages hold the current event and all before it. Once for each connection, within a time limit: if
        it fails, the next connection tries again.
        """
        self._is_complete = True
        held = len(self.log)
        with suppress(NeoError), anyio.move_on_after(_GAP_SECONDS):
            await self._read_history()
        logger.debug("read %d events of task %s on a resumed stream", len(self.log) - held, self.task_id)

    def _rest(self, status: str) -> None:
        if status != self.at_rest:
            self.at_rest = status
            self.changed.notify()

    def _expects_more(self, task: Task) -> bool:
        """Resume after a clean end unless the task is idle with nothing pending: the end proves nothing."""
        self._status = task.status[:_MAX_WORD]
        self.source = (task.source or "")[:_MAX_WORD]
        state = self.log.state
        pending = bool(state.local_calls or (attention(state) and not turn_is_over(state)))
        return task.is_running or pending

    def _on_connection(self, status: StreamStatus) -> None:
        if status.state is StreamState.OPEN:
            self._is_complete = not self._was_open
            self._was_open = True
        self.connection = status
        self.changed.notify()
