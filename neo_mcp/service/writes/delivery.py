"""Deliver people's input to a task: each message, decision and result at most once.

Owns the handling of events that the API refuses or does not acknowledge. A post is never cut short by its
caller's end. After a conflict or too many requests it is retried, unless it shows in the task's events by
then. If the answer is lost, the events show whether it arrived, and nothing is sent again; only a request to
stop may be, since stopping twice is stopping. If that stays unclear, the result is reported as unknown.

A decision is remembered until the events show it, so that this server sends one for each request, even for
simultaneous callers. An unconfirmed decision or message is not sent again for two minutes: by then the events
have it, or it is lost.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import anyio

from neo_mcp.api import NeoClient
from neo_mcp.core.attention import attention
from neo_mcp.core.reconcile import agrees, digest, echo, first_decision, same_moment, trace
from neo_mcp.errors import (
    AmbiguousWriteError,
    ApiError,
    BadRequestError,
    ConflictError,
    NeoError,
    NotFoundError,
)
from neo_mcp.hints import Hint, NextStep
from neo_mcp.watch import Watcher, until_true
from neo_mcp.wire import EntityDiff, Event, ToolResults, UserCancel, UserConfirmation, UserEvent, UserMessage
from neo_mcp.wire.time import format_time

_ECHO_SECONDS = 5.0
_SEARCH_SECONDS = 10.0
_REFUSAL_SECONDS = 2.0
_DOUBT_SECONDS = 120.0
_ATTEMPTS_TO_STOP = 2
_SEE_STATE = Hint.SEE.of(what="its state")

_Subject = tuple[str, str, str, str]


class NotSentError(NeoError):
    """Not sent, because of an earlier event about the same request."""

    default_next_step = _SEE_STATE


class ResolvedElsewhereError(NeoError):
    """The request was resolved by someone else first."""

    default_next_step = _SEE_STATE


class _Stage(StrEnum):
    SENDING = "is being sent by another call"
    SENT = "was sent already"
    DOUBTFUL = "is unconfirmed"


@dataclass(slots=True)
class _Claim:
    """An event that blocks others about the same subject."""

    event: UserEvent
    before: str
    since: float
    stage: _Stage = _Stage.SENDING


@dataclass(frozen=True, slots=True)
class Delivered:
    """An event that has arrived.

    Attributes:
        event: As it was sent, with its time.
        acknowledged: Whether the API confirmed it; else the task's events have one about the same.
    """

    event: UserEvent
    acknowledged: bool


class Deliveries:
    """The events on their way to one tenant's tasks."""

    def __init__(self, client: NeoClient) -> None:
        self._client = client
        self._clock = client.clock
        self._claims: dict[_Subject, _Claim] = {}

    async def send(
        self, watcher: Watcher, event: UserEvent, *, conflict_wait: float = 0.0, until_shown: bool = True
    ) -> Delivered:
        """Post ``event``.

        Args:
            watcher: The task's watcher, caught up.
            event: The event; an empty timestamp is filled in.
            conflict_wait: Seconds for which it is retried while the task is busy.
            until_shown: Wait until it shows in the log, so that the next wait sees it.

        Raises:
            NotSentError: If another event about the same is on its way, or unconfirmed.
            ResolvedElsewhereError: If someone else resolved the request first.
            AmbiguousWriteError: If it is unknown whether it arrived.
            NeoError: If the API did not accept it.
        """
        # It is recognized by its time.
        event = event.model_copy(update={"timestamp": event.timestamp or format_time(self._clock.now())})
        with self._claimed(watcher, event) as claim:
            if claim.stage is _Stage.DOUBTFUL:
                # That of an earlier call, which has arrived in the meantime.
                self._check(watcher, claim, event)
                return Delivered(event, acknowledged=False)
            try:
                await self._post(watcher, claim, conflict_wait)
            except AmbiguousWriteError as error:
                claim.stage, claim.since = _Stage.DOUBTFUL, self._clock.monotonic()
                if not await self._turns_up(watcher, claim):
                    raise _unknown(error, event) from error
                self._check(watcher, claim, event)
                return Delivered(event, acknowledged=False)
            except (BadRequestError, NotFoundError, ConflictError) as error:
                await self._explain(watcher, claim, error)
                return Delivered(event, acknowledged=False)
            claim.stage = _Stage.SENT
            if until_shown:
                await self._shows(watcher, claim, echo(event), _ECHO_SECONDS)
            return Delivered(event, acknowledged=True)

    async def confirm(
        self,
        watcher: Watcher,
        request_id: str,
        *,
        ok: bool,
        instructions: str | None,
        entity_diff: EntityDiff | None = None,
    ) -> None:
        """Answer a request of Neo's; raises the same errors as :meth:`send`."""
        event = UserConfirmation(
            approval_request_id=request_id, ok=ok, instructions=instructions, entity_diff=entity_diff
        )
        asked = [
            need for need in attention(watcher.log.state) if need.request and need.request.id == request_id
        ]
        await self.send(watcher, event)
        watcher.note_answered(asked)

    async def kill(self, watcher: Watcher) -> None:
        """Kill the task's session; repeat it once if the answer is lost.

        Raises:
            NeoError: If it may or may not be dead.
        """
        for attempt in range(_ATTEMPTS_TO_STOP):
            try:
                await self._client.cancel_task(watcher.task_id, organization=watcher.organization)
                break
            except AmbiguousWriteError:
                if attempt + 1 == _ATTEMPTS_TO_STOP:
                    raise
        watcher.stopped()

    @contextlib.contextmanager
    def _claimed(self, watcher: Watcher, event: UserEvent) -> Iterator[_Claim]:
        """Block others about the same subject for as long as it is on its way or unconfirmed."""
        for old in [key for key, known in self._claims.items() if self._is_over(known)]:
            del self._claims[old]
        subject = _subject(watcher, event)
        earlier = self._claims.get(subject) if subject else None
        if earlier is not None and not (earlier.stage is _Stage.DOUBTFUL and _has_arrived(watcher, earlier)):
            raise _in_the_way(earlier)
        claim = earlier or _Claim(event, watcher.log.last_id, self._clock.monotonic())
        if subject:
            self._claims[subject] = claim
        try:
            yield claim
        finally:
            claim.since = self._clock.monotonic()
            may_be_repeated = claim.stage is _Stage.SENT and not isinstance(event, UserConfirmation)
            is_done = claim.stage is _Stage.SENDING or may_be_repeated or _has_arrived(watcher, claim)
            if subject and is_done:
                self._claims.pop(subject, None)

    def _is_over(self, claim: _Claim) -> bool:
        is_old = self._clock.monotonic() - claim.since >= _DOUBT_SECONDS
        return claim.stage is not _Stage.SENDING and is_old

    async def _post(self, watcher: Watcher, claim: _Claim, conflict_wait: float) -> None:
        event = claim.event

        async def landed() -> UserEvent | None:
            return event if _has_arrived(watcher, claim) else None

        async def send() -> None:
            await self._client.respond(
                watcher.task_id,
                event,
                organization=watcher.organization,
                conflict_wait=conflict_wait,
                landed=landed,
            )

        try:
            await send()
        except AmbiguousWriteError:
            if not isinstance(event, UserCancel):
                raise
            if not await self._shows(watcher, claim, trace(event), _REFUSAL_SECONDS):
                await send()

    async def _turns_up(self, watcher: Watcher, claim: _Claim) -> bool:
        """Search for an unconfirmed event: in the log for a while, or in the events from the API."""
        if not await self._shows(watcher, claim, trace(claim.event), _SEARCH_SECONDS):
            with contextlib.suppress(NeoError):
                await watcher.read_again()
        return _has_arrived(watcher, claim)

    async def _shows(
        self, watcher: Watcher, claim: _Claim, is_it: Callable[[Event], bool], seconds: float
    ) -> bool:
        """True if such an event is in the task's log by then."""
        watcher.poke()

        def holds() -> bool:
            return any(map(is_it, _after(watcher, claim)))

        async def give_up() -> None:
            await self._clock.sleep(seconds)
            waiting.cancel_scope.cancel()

        async with anyio.create_task_group() as waiting:
            waiting.start_soon(give_up)
            await until_true([watcher], holds)
            waiting.cancel_scope.cancel()
        return holds()

    async def _explain(self, watcher: Watcher, claim: _Claim, error: ApiError) -> None:
        """Explain why a decision was refused: another one, or a copy of it sent by a proxy, came first."""
        sent = claim.event
        if not isinstance(sent, UserConfirmation):
            raise error
        if not await self._shows(watcher, claim, trace(sent), _REFUSAL_SECONDS):
            raise error
        stands = first_decision(sent.approval_request_id, _after(watcher, claim))
        if stands and not same_moment(sent.timestamp, stands.timestamp):
            raise _resolved_error(sent, stands)
        self._check(watcher, claim, sent)

    def _check(self, watcher: Watcher, claim: _Claim, sent: UserEvent) -> None:
        """Compare a decision with the recorded one.

        Raises:
            ResolvedElsewhereError: If they differ.
        """
        if isinstance(sent, UserConfirmation):
            stands = first_decision(sent.approval_request_id, _after(watcher, claim))
            if stands and not agrees(sent, stands):
                raise _resolved_error(sent, stands)


def _subject(watcher: Watcher, event: UserEvent) -> _Subject | None:
    """The subject of an event that may be sent only once; ``None`` for one that may be repeated."""
    match event:
        case UserConfirmation():
            about = event.approval_request_id
        case UserMessage():
            about = digest(event.content)
        case ToolResults():
            about = " ".join(sorted(result.tool_call_id for result in event.tool_results))
        case _:
            return None
    return *watcher.key, event.type, about


def _what(event: UserEvent) -> str:
    match event:
        case UserConfirmation():
            return f"A decision ({'yes' if event.ok else 'no'}) on {event.approval_request_id}"
        case UserMessage():
            return "A message with the same words"
        case _:
            return "The same result"


def _after(watcher: Watcher, claim: _Claim) -> Sequence[Event]:
    return watcher.log.since(claim.before).events


def _has_arrived(watcher: Watcher, claim: _Claim) -> bool:
    return any(map(trace(claim.event), _after(watcher, claim)))


def _resolved_error(sent: UserConfirmation, first: UserConfirmation) -> ResolvedElsewhereError:
    how = "approved" if first.ok else "denied or answered"
    return ResolvedElsewhereError(
        f"{sent.approval_request_id} was {how} by someone else first; this decision does not count."
    )


def _in_the_way(earlier: _Claim) -> NotSentError:
    if earlier.stage is not _Stage.DOUBTFUL:
        return NotSentError(f"{_what(earlier.event)} {earlier.stage}; nothing was sent now.")
    return NotSentError(
        f"It is unknown whether an earlier call arrived: {_what(earlier.event)}. It still may, so nothing "
        "was sent now.",
        next_step=(Hint.CHECK, "; if it is not there in two minutes, try again."),
    )


def _unknown(error: AmbiguousWriteError, event: UserEvent) -> AmbiguousWriteError:
    next_step: NextStep = (Hint.CHECK, "; if it is not there in two minutes, send it again.")
    if isinstance(event, UserCancel):
        next_step = (Hint.CHECK, ", and cancel again if Neo still runs: that is safe.")
    return AmbiguousWriteError(
        f"It is unknown whether this arrived. {error.message} The task's events did not show it within "
        f"{_SEARCH_SECONDS:.0f} seconds.",
        next_step=next_step,
    )
