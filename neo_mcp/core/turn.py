"""One turn of a task, folded up to the moment at which its client is needed again.

Pure. A turn that a client follows remotely is over for it once the turn has ended, or once it needs something
that no person is asked meanwhile. The result is the *first* such moment after a given event, so that later
events (an answer, a new turn) never change it. The server decides what to do with it.
"""

import copy
from dataclasses import dataclass

from neo_mcp.core.attention import RESOLVE_SECONDS, Attention, AttentionKind, attention
from neo_mcp.core.state import TaskState, Turn
from neo_mcp.wire import Event, TaskStatus, UserMessage
from neo_mcp.wire.time import parse_time

REQUESTS = frozenset({AttentionKind.APPROVAL, AttentionKind.PLAN, AttentionKind.QUESTION})
"""The kinds that a person can be asked about."""

AT_ONCE_SECONDS = RESOLVE_SECONDS - 0.5
"""Seconds within which a resolved request, by the events, needed no one.

It is less than the service gets before a person is asked, so that reports stay true though events take a
moment to arrive.
"""


@dataclass(frozen=True, slots=True)
class TurnResult:
    """The moment at which the turn ended or needs its client.

    Attributes:
        state: The task's state at that moment; nothing later is in it.
        needs: The needs at that moment: how the turn ended, or requests that no person is asked about.
    """

    state: TaskState
    needs: tuple[Attention, ...]


@dataclass(frozen=True, slots=True)
class _Doubt:
    """A request that no person is asked about: the moment, unless it is resolved at once."""

    request_id: str
    result: TurnResult


class TurnFold:
    """Folds a task's events, all of them in order, until the result is known.

    Attributes:
        state: The state after the events so far; complete only while there is no result.
        result: The result, or ``None``; never changes once set.
        begun: Whether the base was passed, so that events count.
    """

    def __init__(self, base: str, asked: frozenset[AttentionKind]) -> None:
        """Begin a search for the result.

        Args:
            base: Id of the last event before; empty for the beginning of the task.
            asked: The kinds of needs that are put to a person during the turn.
        """
        self.state = TaskState()
        self.result: TurnResult | None = None
        self._base = base
        self._asked = asked
        self.begun = not base
        self._doubt: _Doubt | None = None

    @property
    def unconfirmed(self) -> str | None:
        """Id of a pending request that no person is asked about, but that the service may answer at once."""
        return self._doubt.request_id if self.result is None and self._doubt is not None else None

    def apply(self, event: Event) -> None:
        """Take one more event."""
        if self.result is not None:
            return
        if self._doubt is not None and _shows_need(event, self._doubt.result.state):
            self.result = self._doubt.result
            return
        running = self.begun and self.state.turn is Turn.RUNNING and not self.state.pending_approvals
        if running and isinstance(event.body, UserMessage):
            # A message is accepted only when nothing runs: the turn had stopped without an event.
            self.result = TurnResult(self.state, attention(self.state, at_rest=TaskStatus.IDLE))
            return
        self.state.apply(event)
        self.begun = self.begun or event.id == self._base
        if self.begun:
            self._judge()

    def begin(self) -> None:
        """Record that the base is not among the events: the current state counts, and all further events."""
        self.begun = True
        self._judge()

    def now(self, *, at_rest: str = "") -> TurnResult | None:
        """The result, even if there is no event for it.

        Args:
            at_rest: The task's status if the API reports that nothing runs.
        """
        if self.result is not None:
            return self.result
        if self._doubt is not None:
            return self._doubt.result
        needs = attention(self.state, at_rest=at_rest)
        return TurnResult(copy.deepcopy(self.state), needs) if self._pressing(needs) else None

    def _judge(self) -> None:
        needs = attention(self.state)
        pressing = self._pressing(needs)
        if any(need.kind not in REQUESTS for need in pressing):
            self.result = TurnResult(self.state, needs)
            return
        open_ids = [need.request.id for need in pressing if need.request is not None]
        if self._doubt is not None and self._doubt.request_id not in open_ids:
            self._doubt = None
        if self._doubt is None and open_ids:
            self._doubt = _Doubt(open_ids[0], TurnResult(copy.deepcopy(self.state), needs))

    def _pressing(self, needs: tuple[Attention, ...]) -> list[Attention]:
        return [need for need in needs if need.kind not in self._asked]


def _shows_need(event: Event, state: TaskState) -> bool:
    """True if a request in ``state`` needed a person: a person acted, or more than a moment passed."""
    if event.from_person and not event.is_synthetic:
        return True
    now, then = parse_time(event.body.timestamp), parse_time(state.last_timestamp)
    return now is not None and (then is None or (now - then).total_seconds() > AT_ONCE_SECONDS)
