"""Follows one task upstream: its history first, then the live stream, into a log.

Owns the one stream of a task and the log it feeds, and falls back to asking for pages where there is no
stream to be had. Knows nothing of who reads.
"""

import logging
from contextlib import aclosing, suppress

import anyio

from neo_mcp.api import NeoClient, StreamState, StreamStatus
from neo_mcp.core.attention import Attention, attention, turn_is_over
from neo_mcp.core.state import Turn
from neo_mcp.errors import (
    AuthenticationError,
    NeoError,
    NotFoundError,
    PermissionDeniedError,
)
from neo_mcp.watch.log import EventLog, Signal
from neo_mcp.wire import Cancelled, Event, Task

logger = logging.getLogger(__name__)

_REOPEN_SECONDS = 15.0
"""How long an idle task's ended stream is left closed, unless :meth:`Watcher.poke` comes first."""

_GAP_SECONDS = 3.0
"""How long the first event of a resumed stream is held back to ask for what came before it."""

_PAGING_SECONDS = 300.0
"""How long a task is followed by pages before its stream is tried again."""


class Watcher:
    """One task's log, kept up to date while :meth:`run` runs.

    Attributes:
        organization: Where the task is.
        task_id: The task.
        log: Its newest events, and the state that all of them fold into.
        caught_up: Whether the log holds everything that had happened when the watcher started.
        at_rest: The task's status, where the API said after the last event that nothing runs; else empty.
        failure: Why the watcher stopped, or ``None``.
        connection: What the live stream last reported, or ``None`` before it was opened.
    """

    def __init__(self, client: NeoClient, organization: str, task_id: str) -> None:
        self.organization = organization
        self.task_id = task_id
        self.log = EventLog()
        self.changed = Signal()
        self.caught_up = False
        self.at_rest = ""
        self.failure: NeoError | None = None
        self.connection: StreamStatus | None = None
        self._client = client
        self._pages = client.event_pages(task_id, organization=organization)
        self._was_open = False
        self._is_complete = True  # as far as is known: a stream that is resumed may leave something out
        self._status = ""
        self._poked = anyio.Event()

    @property
    def is_paging(self) -> bool:
        """Whether there is no live stream, so that news come with a delay."""
        return self.connection is not None and self.connection.state is StreamState.PAGING

    def attention(self) -> tuple[Attention, ...]:
        """What needs somebody now; nothing before the log has caught up."""
        return attention(self.log.state, at_rest=self.at_rest) if self.caught_up else ()

    def poke(self) -> None:
        """Say that somebody cares just now: an ended stream is worth opening again at once."""
        self._poked.set()

    def stopped(self) -> None:
        """Say that the task's session was killed: Neo gets no chance to tell, so no event does."""
        if self.log.last_id:
            self.log.state.apply(Event(id=self.log.last_id, body=Cancelled()))
        self.poke()
        self.changed.notify()

    async def look(self) -> Task:
        """Ask the API how the task is: a turn that was killed elsewhere ends without an event.

        Raises:
            NeoError: If the API does not tell.
        """
        newest = self.log.last_id
        task = await self._client.get_task(self.task_id, organization=self.organization)
        if self.caught_up and not task.is_running and self._seems_to_run:
            # Its last words may be on their way still.
            await self._read_history()
        if self.caught_up and self.log.last_id == newest:
            self._rest("" if task.is_running else task.status)
        return task

    async def read_again(self) -> None:
        """Read the events anew from the API, for who must know how things stand at this moment.

        Raises:
            NeoError: If they cannot be read.
        """
        await self._read_history()

    async def lacks(self, event_id: str) -> bool:
        """Whether the task has no such event, by the word of the API: the stream may only be behind."""
        if not self.log.knows(event_id):
            try:
                await self._read_history()
            except NeoError:
                return False
        return not self.log.knows(event_id)

    @property
    def _seems_to_run(self) -> bool:
        return self.log.state.turn is Turn.RUNNING and not self.attention()

    async def run(self) -> None:
        """Follow the task until cancelled, or until a failure that waiting cannot cure."""
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
            self.fail(NeoError("Following the task failed inside pulumi-neo-mcp; its log has the details."))

    def fail(self, error: NeoError) -> None:
        """End every wait with ``error``."""
        self.failure = error
        self.changed.notify()

    async def _read_history(self) -> None:
        """Page through what has happened, so that no past moment is mistaken for the present one."""
        async with aclosing(self._pages.read()) as events:
            async for event in events:
                if self.log.append(event):
                    self.at_rest = ""
        self.caught_up = True
        self.changed.notify()

    async def _follow_somehow(self) -> None:
        """Follow the stream, or pages for a while where the stream cannot be had."""
        try:
            await self._follow()
        except (AuthenticationError, PermissionDeniedError):
            raise
        except NeoError as error:
            if isinstance(error, NotFoundError):
                # Tells a stream that is not there from a task that is not there any more.
                await self.look()
            logger.warning("no live stream of task %s, asking for pages: %s", self.task_id, error)
            with anyio.move_on_after(_PAGING_SECONDS):
                await self._follow(by_pages=True)

    async def _follow(self, *, by_pages: bool = False) -> None:
        self._poked = anyio.Event()
        stream = self._client.stream_events(
            self.task_id,
            organization=self.organization,
            last_event_id=self.log.last_id or None,
            is_known=self.log.knows,
            keep_open=self._keep_open,
            on_connection=self._on_connection,
            by_pages=by_pages,
        )
        async with aclosing(stream) as events:
            async for event in events:
                held = len(self.log)
                if not self._is_complete:
                    await self._fill_gap()
                self.log.append(event)
                if len(self.log) > held:
                    self.at_rest = ""
                    self.changed.notify()
        self._rest(self._status)
        with anyio.move_on_after(_REOPEN_SECONDS):
            await self._poked.wait()

    async def _fill_gap(self) -> None:
        """Read what a stream left out that was resumed too late: nothing in its events tells.

        The pages hold the present event and all before it. Once for each connection, and as long as it takes
        only: what cannot be had is looked for with the next one.
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

    def _keep_open(self, task: Task) -> bool:
        """A clean end proves nothing: resume unless the task is idle with nothing pending."""
        self._status = task.status
        pending = bool(attention(self.log.state)) and not turn_is_over(self.log.state)
        return task.is_running or pending

    def _on_connection(self, status: StreamStatus) -> None:
        if status.state is StreamState.OPEN:
            self._is_complete = not self._was_open
            self._was_open = True
        self.connection = status
        self.changed.notify()
