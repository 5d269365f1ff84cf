"""A task's events as they come, streamed or polled, depending on the server.

Owns the choice between following the stream and polling pages, connects either to the client, and measures
how long streams last.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack, aclosing
from dataclasses import dataclass
from typing import Protocol

from neo_mcp import instruments
from neo_mcp.api.paging import EventPages, Polling, poll
from neo_mcp.api.retry import RetryPolicy
from neo_mcp.api.rhythm import Rhythm
from neo_mcp.api.session import Session
from neo_mcp.api.settings import Timeouts
from neo_mcp.api.stream import FirstOpen, Follower, Patience, StreamState, StreamStatus, Upstream
from neo_mcp.clock import Clock
from neo_mcp.errors import NotFoundError
from neo_mcp.wire import Event, Task


class ReadsTask(Protocol):
    """The part of the client that reads one task."""

    async def get_task(self, task_id: str, *, organization: str | None = None) -> Task:
        """A task's metadata."""
        ...

    def event_pages(self, task_id: str, *, organization: str | None = None) -> EventPages:
        """A task's events by pages."""
        ...


@dataclass(frozen=True, slots=True)
class Subscription:
    """The task to follow, and where to start.

    Attributes:
        task_id: The task.
        organization: Its organization; empty for the client's.
        last_event_id: Only events after it; empty for all.
        is_known: Recognises events received before; ``None`` to remember them here.
        is_open: Whether more events are expected of a task in this state; ``None`` to decide by the events.
        report: Called on every change of the connection.
        by_pages: Whether to do without a stream.
    """

    task_id: str
    organization: str = ""
    last_event_id: str = ""
    is_known: Callable[[str], bool] | None = None
    is_open: Callable[[Task], bool] | None = None
    report: Callable[[StreamStatus], None] = lambda _: None
    by_pages: bool = False


@dataclass(frozen=True, slots=True)
class LiveEvents:
    """Yields the events of tasks.

    Attributes:
        session: The server.
        tasks: Reads a task.
        timeouts: Time limits.
        retry: How to repeat the first attempt to open a stream.
        max_event_bytes: Size above which a streamed event is not read.
        rhythm: The rhythm of the server's keep-alives.
        clock: Time, sleep and chance.
    """

    session: Session
    tasks: ReadsTask
    timeouts: Timeouts
    retry: RetryPolicy
    max_event_bytes: int
    rhythm: Rhythm
    clock: Clock

    async def batches(self, subscription: Subscription) -> AsyncGenerator[list[Event], None]:
        """Every event once; see :meth:`neo_mcp.api.client.NeoClient.stream_batches`."""
        if not (subscription.by_pages or self.session.is_first_generation):
            try:
                streams = _Streams(subscription.report, self.clock)
                follower = self._follow(subscription, streams.report)
                async with aclosing(follower) as batches:
                    try:
                        async for batch in batches:
                            yield batch
                    finally:
                        streams.close("left")
            except NotFoundError:
                if not await self.session.turns_out_first(subscription.organization):
                    raise
            else:
                return
        async with aclosing(self._poll(subscription)) as batches:
            async for batch in batches:
                yield batch

    def _follow(
        self, subscription: Subscription, report: Callable[[StreamStatus], None]
    ) -> AsyncGenerator[list[Event], None]:
        # Where models are built when they are first used, that takes time: not once an event has come.
        Event.model_rebuild()
        upstream = Upstream(
            open=lambda last: self.session.open_stream(subscription.organization, subscription.task_id, last),
            get_task=lambda: self.tasks.get_task(
                subscription.task_id, organization=subscription.organization
            ),
            is_open=subscription.is_open,
            report=report,
            describe=self.session.describe,
            guard=self.session.guard,
        )
        follower = Follower(
            upstream,
            last_event_id=subscription.last_event_id,
            is_known=subscription.is_known,
            max_event_bytes=self.max_event_bytes,
            patience=Patience(self.timeouts.stream_without_progress, self.clock),
            first_open=FirstOpen(self.retry, self.timeouts.call),
            rhythm=self.rhythm,
            clock=self.clock,
        )
        return follower.batches()

    def _poll(self, subscription: Subscription) -> AsyncGenerator[list[Event], None]:
        polling = Polling(
            pages=self.tasks.event_pages(subscription.task_id, organization=subscription.organization),
            get_task=lambda: self.tasks.get_task(
                subscription.task_id, organization=subscription.organization
            ),
            is_open=subscription.is_open or (lambda task: task.is_running),
            report=subscription.report,
        )
        patience = Patience(self.timeouts.stream_without_progress, self.clock)
        return poll(
            polling,
            last_event_id=subscription.last_event_id,
            is_known=subscription.is_known,
            patience=patience,
            clock=self.clock,
        )


class _Streams:
    """Measures one connection after another by its reported changes, and passes these on."""

    def __init__(self, report: Callable[[StreamStatus], None], clock: Clock) -> None:
        self._report = report
        self._clock = clock
        self._opened_at = 0.0
        self._open: ExitStack | None = None

    def report(self, status: StreamStatus) -> None:
        """Record a change of the connection."""
        if status.state is StreamState.OPEN:
            self._opened_at = self._clock.monotonic()
            self._open = ExitStack()
            self._open.enter_context(instruments.counted(instruments.OPEN_STREAMS))
        else:
            self.close("lost" if status.error else "ended")
        self._report(status)

    def close(self, result: str) -> None:
        """Record that it is no longer open: ended by the server, lost, or not needed."""
        if self._open is not None:
            self._open.close()
            self._open = None
            seconds = self._clock.monotonic() - self._opened_at
            instruments.record(instruments.STREAM, seconds, {instruments.RESULT: result})
