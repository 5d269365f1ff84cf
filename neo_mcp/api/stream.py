"""A task's events, live: one endless sequence over connections that come and go.

Owns reconnecting, resuming, and yielding every event once. Parsing is :mod:`neo_mcp.api.sse`, opening a
connection :mod:`neo_mcp.api.transport`; the meaning of events does not matter here.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import anyio.to_thread
import httpx

from neo_mcp.api.bodies import SMALL, decoded
from neo_mcp.api.oversized import oversized_event, synthetic_id
from neo_mcp.api.pending import Pending
from neo_mcp.api.progress import Progress
from neo_mcp.api.retry import MAX_RETRY_AFTER, FailureKind, RetryPolicy, kind_of_status, patient_delay
from neo_mcp.api.rhythm import Rhythm
from neo_mcp.api.sse import OversizedEvent, RawEvent, SseParser
from neo_mcp.clock import Clock
from neo_mcp.errors import (
    AnswerTooLargeError,
    ApiError,
    ConflictError,
    ConnectionFailedError,
    NeoError,
    RateLimitedError,
    StreamLostError,
    UnexpectedResponseError,
)
from neo_mcp.token_guard import TokenGuard, may_be_escaped
from neo_mcp.wire import Event, Task, Unreadable, parse_event
from neo_mcp.wire.decode import is_plain
from neo_mcp.wire.envelope import parse_plain_event

_Frame = RawEvent | OversizedEvent


class StreamState(StrEnum):
    """The state of a stream."""

    CONNECTING = "connecting"
    OPEN = "open"
    RETRYING = "retrying"
    PAGING = "paging"


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """A change in a stream's connection.

    Attributes:
        state: The current state.
        attempt: How many times in a row it has failed to make progress.
        error: Why the last connection ended, or an empty string.
    """

    state: StreamState
    attempt: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Upstream:
    """The part of the client that a stream needs.

    Attributes:
        open: Opens a connection that sends the events after an id, or all events for an empty one.
        get_task: Requests the task's current state.
        is_open: Whether more events are expected of a task in this state; ``None`` to decide by the events.
        report: Called on every change of the connection.
        describe: Puts an HTTP failure into words.
        guard: Removes the access token from received bytes.
    """

    open: Callable[[str], Awaitable[httpx.Response]]
    get_task: Callable[[], Awaitable[Task]]
    is_open: Callable[[Task], bool] | None
    report: Callable[[StreamStatus], None]
    describe: Callable[[Exception], str]
    guard: TokenGuard


@dataclass(frozen=True, slots=True)
class FirstOpen:
    """Retry the first attempt only if the server says that it is busy, and not for long.

    Attributes:
        retry: The policy of calls.
        budget: Seconds for all attempts.
    """

    retry: RetryPolicy
    budget: float

    def delay(self, error: ApiError, attempt: int, elapsed: float, jitter: float) -> float | None:
        """Seconds to wait before the next attempt, or ``None`` to give up."""
        busy = error.status in {httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE}
        return self.retry.delay(
            FailureKind.REFUSED if busy else FailureKind.FINAL,
            repeatable=True,
            attempt=attempt,
            left=self.budget - elapsed,
            jitter=jitter,
            retry_after=error.retry_after if isinstance(error, RateLimitedError) else None,
        )


class Seen:
    """The events yielded so far: by the caller's predicate, else by a hash of each id.

    Events are yielded in batches, and an id may be in one twice: the predicate only knows those before it.
    """

    def __init__(self, is_known: Callable[[str], bool] | None = None) -> None:
        self._is_known = is_known
        self._hashes: set[int] = set()
        self._in_batch: set[str] = set()

    def begin_batch(self) -> None:
        """Record that the caller has taken all events yielded so far."""
        self._in_batch.clear()

    def add(self, event_id: str) -> bool:
        """Remember ``event_id``; return whether it is new."""
        if self._is_known is not None:
            is_new = event_id not in self._in_batch and not self._is_known(event_id)
            self._in_batch.add(event_id)
            return is_new
        before = len(self._hashes)
        self._hashes.add(hash(event_id))
        return len(self._hashes) > before


class Patience:
    """The delay before the next attempt, and the limit of attempts; progress resets both."""

    def __init__(self, limit: float, clock: Clock) -> None:
        self.limit = limit
        self._clock = clock
        self._failed_at: float | None = None
        self.failures = 0

    def progress(self) -> None:
        """Record that something came."""
        self._failed_at = None
        self.failures = 0

    def next_delay(self, reason: str, asked: float | None = None) -> float:
        """Seconds to wait after one more failure.

        Args:
            reason: What failed, for the error.
            asked: Seconds the server asked to wait, if it did.

        Raises:
            StreamLostError: If there was no progress for too long.
        """
        now = self._clock.monotonic()
        # Counted from the first failure: a reader that took its time over an event is no failure.
        if self._failed_at is None:
            self._failed_at = now
        self.failures += 1
        delay = patient_delay(self.failures, self._clock.jitter())
        if asked is not None:
            delay = max(delay, min(asked, MAX_RETRY_AFTER))
        if now - self._failed_at + delay > self.limit:
            raise StreamLostError(
                f"The event stream made no progress for {self.limit:.0f} s. {reason}".strip()
            )
        return delay


class _Connection:
    """The frames of one connection."""

    def __init__(
        self,
        response: httpx.Response,
        max_event_bytes: int,
        describe: Callable[[Exception], str],
        rhythm: Rhythm,
        progress: Progress,
        clock: Clock,
    ) -> None:
        self._chunks = decoded(response, None)
        self._parser = SseParser(max_event_bytes)
        self._describe = describe
        self._rhythm = rhythm
        self._progress = progress
        self._clock = clock
        self._beat_at: float | None = None  # when the last bytes came, if they were a keep-alive and no more
        self._is_mute = True
        self.lost = ""

    async def read(self) -> tuple[list[_Frame], bool] | None:
        """Return the frames that the next bytes complete, and whether anything came.

        Returns:
            ``None`` when the connection has ended; ``lost`` is then the reason, and empty after a clean end.
        """
        keep_alives = self._parser.keep_alives
        try:
            with self._clock.fail_after(self._rhythm.max_silence):
                chunk = await anext(self._chunks)
        except StopAsyncIteration:
            return None
        except (httpx.TransportError, httpx.DecodingError, OSError) as error:
            if isinstance(error, TimeoutError) and self._is_mute:
                self._rhythm.was_mute()
            self.lost = self._describe(error)
            return None
        frames = self._parser.feed(chunk)
        is_alive = self._parser.keep_alives > keep_alives
        self._listen(is_beat=is_alive and not frames)
        self.lost = self._progress.lack(len(chunk), self._clock.monotonic(), bool(frames), is_alive)
        if self.lost:
            return None
        return frames, bool(frames) or is_alive

    def _listen(self, *, is_beat: bool) -> None:
        """Learn from the time at which these bytes came."""
        now = self._clock.monotonic()
        self._is_mute = False
        self._rhythm.lived()
        if is_beat and self._beat_at is not None:
            self._rhythm.note(now - self._beat_at)
        self._beat_at = now if is_beat else None


class Follower:
    """Follows one task from one event on; single use."""

    def __init__(
        self,
        upstream: Upstream,
        *,
        last_event_id: str,
        is_known: Callable[[str], bool] | None,
        max_event_bytes: int,
        patience: Patience,
        first_open: FirstOpen,
        rhythm: Rhythm,
        clock: Clock,
    ) -> None:
        self._upstream = upstream
        self._resume_id = last_event_id
        self._before = ""  # the previous event, delivered now or earlier
        self._limit = max_event_bytes
        self._patience = patience
        self._first = first_open
        self._rhythm = rhythm
        self._clock = clock
        self._seen = Seen(is_known)
        self._pending = Pending()
        if last_event_id:
            self._seen.add(last_event_id)

    async def batches(self) -> AsyncGenerator[list[Event], None]:
        """Yield every event once, as many together as came together, until the task is idle and all are out.

        The end takes two connections that end cleanly: events between the end of the first one and the
        request for the task come on the second.

        Raises:
            NeoError: If the first connection fails, or a later one in a way that retrying cannot fix.
            StreamLostError: If there was no progress for too long.
        """
        response = await self._open_first()
        at_rest = False  # as the API reported before this connection was opened; any event disproves it
        while True:
            self._before = self._resume_id
            progress = Progress(self._patience.limit, self._clock.monotonic())
            connection = _Connection(
                response, self._limit, self._upstream.describe, self._rhythm, progress, self._clock
            )
            try:
                self._upstream.report(StreamStatus(StreamState.OPEN, self._patience.failures))
                while (read := await connection.read()) is not None:
                    frames, came = read
                    if came:
                        self._patience.progress()
                    if frames and (events := self._new(await self._events(frames), frames)):
                        at_rest = False
                        yield events
            finally:
                await response.aclose()
            if not connection.lost:
                if at_rest:
                    return
                at_rest = await self._is_at_rest()
            response = await self._reopen(connection.lost, wait=bool(connection.lost) or not at_rest)

    def _new(self, events: Sequence[Event], frames: Iterable[_Frame]) -> list[Event]:
        """Record ``events``; return those that have not been yielded yet."""
        self._seen.begin_batch()
        new = [pair for pair in zip(events, frames, strict=True) if self._seen.add(pair[0].id)]
        self._before = events[-1].id
        # What is not an event has the frame's id at most: the server does not know a made-up one.
        ids = (frame.id if isinstance(event.body, Unreadable) else event.id for event, frame in reversed(new))
        self._resume_id = next(filter(None, ids), self._resume_id)
        if self._upstream.is_open is None:
            for event, _ in new:
                self._pending.note(event)
        return [event for event, _ in new]

    async def _events(self, frames: Sequence[_Frame]) -> list[Event]:
        """Read the events of ``frames``, which came together."""
        received = [frame for frame in frames if isinstance(frame, RawEvent)]
        together = b"\n".join([frame.raw for frame in received])
        if len(together) > SMALL:
            parsed = await anyio.to_thread.run_sync(self._parse, received, together)
        else:
            parsed = self._parse(received, together)
        return parsed if len(parsed) == len(frames) else self._with_markers(parsed, frames)

    def _parse(self, frames: Iterable[RawEvent], together: bytes) -> list[Event]:
        # What the searches look for has no line feed: it is in all frames together if it is in any of them.
        if is_plain(together) and not may_be_escaped(together) and not self._upstream.guard.is_in(together):
            return [parse_plain_event(frame.raw) or self._parse_cleaned(frame) for frame in frames]
        return [*map(self._parse_cleaned, frames)]

    def _parse_cleaned(self, frame: RawEvent) -> Event:
        guard = self._upstream.guard
        return parse_event(guard.data(frame.raw), fallback_id=guard.text(frame.own_id))

    def _with_markers(self, parsed: Iterable[Event], frames: Iterable[_Frame]) -> list[Event]:
        """Add the markers of events over the size limit to the others, at their position."""
        others = iter(parsed)
        events: list[Event] = []
        for frame in frames:
            if isinstance(frame, RawEvent):
                events.append(next(others))
            else:
                before = events[-1].id if events else self._before
                event_id = frame.own_id or synthetic_id(frame.size, before)
                events.append(oversized_event(event_id, frame.size, self._limit))
        return events

    async def _is_at_rest(self) -> bool:
        """True if no more events are expected; ``False`` also if the API does not answer now."""
        try:
            task = await self._upstream.get_task()
        except NeoError as error:
            if not is_passing(error):
                raise
            return False
        if self._upstream.is_open is not None:
            return not self._upstream.is_open(task)
        return not task.is_running and not self._pending

    async def _open_first(self) -> httpx.Response:
        started = self._clock.monotonic()
        attempt = 1
        while True:
            self._upstream.report(StreamStatus(StreamState.CONNECTING))
            try:
                return await self._upstream.open(self._resume_id)
            except ApiError as error:
                delay = self._first.delay(
                    error, attempt, self._clock.monotonic() - started, self._clock.jitter()
                )
                if delay is None:
                    raise
            await self._clock.sleep(delay)
            attempt += 1

    async def _reopen(self, reason: str, *, wait: bool) -> httpx.Response:
        asked: float | None = None
        while True:
            if wait:
                delay = self._patience.next_delay(reason, asked)
                self._upstream.report(StreamStatus(StreamState.RETRYING, self._patience.failures, reason))
                await self._clock.sleep(delay)
            self._upstream.report(StreamStatus(StreamState.CONNECTING, self._patience.failures))
            try:
                return await self._upstream.open(self._resume_id)
            except NeoError as error:
                if not is_passing(error):
                    raise
                reason = str(error)
                asked = error.retry_after if isinstance(error, RateLimitedError) else None
                wait = True


def is_passing(error: NeoError) -> bool:
    """True if a later attempt to reopen a stream may succeed."""
    match error:
        case ConnectionFailedError() | ConflictError():
            return True
        case AnswerTooLargeError():
            return False
        case UnexpectedResponseError():
            # The API answered before: this is from something in between, such as a proxy or a captive portal.
            return True
        case ApiError(status=status):
            return kind_of_status(status) is not FailureKind.FINAL
        case _:
            return False
