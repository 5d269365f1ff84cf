"""A task's state, folded from its events.

The API's own status only shows whether a turn runs; everything else is in the events. Folding a prefix and
then the rest gives the same state as folding all at once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import assert_never

from neo_mcp.core.context import add_usage, with_changes
from neo_mcp.core.held import CALL, LOCAL, REQUEST, Sizes, digest_of, let_go, preview_of_call
from neo_mcp.core.running import Announcement, RunningTool, note_progress, start_tool
from neo_mcp.core.sizes import memory_of
from neo_mcp.core.times import has_time
from neo_mcp.core.todos import TODO_TOOL, Todo, read_todos
from neo_mcp.wire import (
    AssistantMessage,
    AwaitingApprovals,
    Cancelled,
    ChangeEntities,
    ContextCompression,
    Entity,
    EntityDiff,
    ErrorEvent,
    Event,
    ExecToolCall,
    ExecToolCallProgress,
    ProvidePulumiAccessToken,
    SetTaskName,
    TokenUsage,
    ToolCall,
    ToolExecutionMode,
    ToolResponse,
    ToolResults,
    UserApprovalRequest,
    UserCancel,
    UserConfirmation,
    UserMessage,
    WarningEvent,
)
from neo_mcp.wire.events import NoticeBody, PersonBody, StrangeBody, WorkBody

MAX_WORDS = 64 * 2**10
"""Maximum characters of Neo's messages that are stored; no result has space for as many."""

_MAX_LINE = 1000
"""Maximum characters of the task's name."""

_MAX_WORD = 200
"""Maximum characters of a time or a setting."""

_MAX_WORKER_CALLS = 1000


class Turn(StrEnum):
    """The state of the current turn. Only people start one: a turn that is over stays over until then."""

    NOT_STARTED = "not started"
    RUNNING = "running"
    ENDED = "ended"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(slots=True)
class TaskState:
    """The state of a task after its events so far.

    Attributes:
        approvals: Unanswered requests, by id, oldest first.
        withdrawn: Ids of those among them that ended with their turn.
        asked_in: Id of the event that made each request pending in its current form, by the request's id.
        may_return: Ids of those among the withdrawn that may be pending all the same: their turn failed, and
            Neo has not worked since.
        calls: Tool calls that Neo has made and that have no result yet, by id.
        local_calls: Tool calls that the host has to run and answer, by id.
        announced: Those of them that a client has announced to run since they were requested, by id.
        asked_by: Id of the event that last asked for local calls: their batch, as call ids may come again.
        ended_by: Id of the event that last ended a turn; empty for none.
        steered: Whether a message came during the turn, and Neo has written nothing since.
        worker_calls: Ids of tool calls that a worker of the service runs.
        tools: Tool calls under way, by id.
        last_message: Neo's latest message.
        final_message: The message that ended the turn, or ``None`` while there is none.
        usage: Model tokens by model name.
        plan_accepted: Whether a person accepted a plan, which ends plan mode.
        strange: Events of unknown type or shape, and unreadable ones.
        lacks_entities: Whether there were more entities than are stored.
        previews: Digests of the requests whose bodies are no longer stored, by id.
        unlisted: Number of further pending requests, beyond those that are stored.
        unlisted_calls: The same for local calls.
        sizes: Memory of the requests and calls.
    """

    events: int = 0
    last_event_id: str = ""
    last_timestamp: str = ""
    turn: Turn = Turn.NOT_STARTED
    turns: int = 0
    approvals: dict[str, UserApprovalRequest] = field(default_factory=dict)
    withdrawn: set[str] = field(default_factory=set)
    asked_in: dict[str, str] = field(default_factory=dict)
    may_return: set[str] = field(default_factory=set)
    calls: dict[str, ToolCall] = field(default_factory=dict)
    local_calls: dict[str, ToolCall] = field(default_factory=dict)
    announced: dict[str, Announcement] = field(default_factory=dict)
    asked_by: str = ""
    ended_by: str = ""
    steered: bool = False
    worker_calls: set[str] = field(default_factory=set)
    tools: dict[str, RunningTool] = field(default_factory=dict)
    todos: tuple[Todo, ...] = ()
    last_message: str = ""
    final_message: str | None = None
    error: str | None = None
    warnings: int = 0
    last_warning: str | None = None
    name: str | None = None
    entities: tuple[Entity, ...] = ()
    lacks_entities: bool = False
    compression: str | None = None
    plan_accepted: bool = False
    usage: dict[str, TokenUsage] = field(default_factory=dict)
    strange: int = 0
    previews: dict[str, str] = field(default_factory=dict)
    unlisted: int = 0
    unlisted_calls: int = 0
    sizes: Sizes = field(default_factory=Sizes)

    @property
    def memory(self) -> int:
        """Approximate memory in bytes."""
        words = [self.last_message, self.error, self.last_warning, self.todos, self.entities]
        return self.sizes.total + memory_of(words)

    @property
    def pending_approvals(self) -> tuple[UserApprovalRequest, ...]:
        """Requests that wait for a person now, oldest first."""
        return tuple(request for key, request in self.approvals.items() if key not in self.withdrawn)

    def apply(self, event: Event) -> None:
        """Fold one more event into the state."""
        self.events += 1
        self.last_event_id = event.id
        body = event.body
        if has_time(body.timestamp):
            self.last_timestamp = body.timestamp[:_MAX_WORD]
        if isinstance(body, WorkBody):
            self._work(body, event)
        elif isinstance(body, PersonBody):
            self._person(body, by_person=not event.is_synthetic)
        elif isinstance(body, NoticeBody):
            self._notice(body, event.id)
        elif isinstance(body, StrangeBody):
            self.strange += 1
        else:
            assert_never(body)
        if self.sizes.is_over:
            let_go(self)

    def _person(self, body: PersonBody, *, by_person: bool) -> None:
        match body:
            case UserMessage():
                self._take_message()
            case UserConfirmation():
                self._take_decision(body, by_person=by_person)
            case ToolResults():
                self._take_results([result.tool_call_id for result in body.tool_results])
            case UserCancel():
                pass  # The turn ends when Neo says so.
            case _:
                assert_never(body)
        self._change_entities(body.entity_diff)

    def _work(self, body: WorkBody, event: Event) -> None:
        match body:
            case AssistantMessage():
                self._assistant(body, event.id)
            case ExecToolCall():
                self._wake()
                self._announce(body.tool_call_id, event)
                start_tool(self.tools, body.tool_call_id, body.name)
            case ExecToolCallProgress():
                note_progress(self.tools, body)
            case ToolResponse():
                self._tool_done(body.tool_call_id)
            case UserApprovalRequest():
                self._wake()
                self.may_return.clear()
                self._ask(body, event.id)
            case _:
                assert_never(body)

    def _notice(self, body: NoticeBody, event_id: str) -> None:
        match body:
            case ErrorEvent():
                self.error = body.message[:MAX_WORDS]
                self.may_return.update(request.id for request in self.pending_approvals)
                self._end_turn(Turn.FAILED, event_id)
            case Cancelled():
                self._cancel(event_id)
            case AwaitingApprovals():
                self.asked_in.update(dict.fromkeys(self.withdrawn & self.may_return, event_id))
                self.withdrawn -= self.may_return
            case WarningEvent():
                self.warnings += 1
                self.last_warning = body.message[:MAX_WORDS]
            case SetTaskName():
                self.name = body.name[:_MAX_LINE]
            case ChangeEntities():
                self._change_entities(body.changes)
            case ContextCompression():
                self.compression = body.status[:_MAX_WORD]
            case ProvidePulumiAccessToken():
                pass  # A secret of the service's own.
            case _:
                assert_never(body)

    def _assistant(self, message: AssistantMessage, event_id: str) -> None:
        self._wake()
        self.may_return.clear()
        if self.steered:
            # Neo writes again only once it waits for no earlier call, whether it was steered or started anew.
            self._ask_elsewhere(())
        self.last_message = message.content[:MAX_WORDS] or self.last_message
        for model, used in message.token_usage.items():
            add_usage(self.usage, model, used)
        for call in message.tool_calls:
            if call.name == TODO_TOOL:
                self.todos = read_todos(call)
            else:
                self.hold_call(call)
        if not message.is_final:
            return
        # Neo goes on only once it waits for no earlier call, whether or not it received a result.
        elsewhere = [call for call in message.tool_calls if call.runs_elsewhere]
        self._ask_elsewhere(elsewhere)
        self.asked_by = event_id if self.local_calls else self.asked_by
        if not elsewhere and self.turn in {Turn.RUNNING, Turn.ENDED}:
            self.final_message = message.content[:MAX_WORDS]
            self.tools.clear()
            self._forget_calls()
            self.turn = Turn.ENDED
            self.ended_by = event_id

    def _ask_elsewhere(self, calls: Sequence[ToolCall]) -> None:
        """Wait for these calls, and for no others."""
        for call_id in self.local_calls:
            self.sizes.drop(LOCAL + call_id)
        self.local_calls = {c.id: c for c in calls if c.execution_mode == ToolExecutionMode.CLI}
        self.unlisted_calls = 0
        for call_id, call in self.local_calls.items():
            self.sizes.put(LOCAL + call_id, call)
        of_workers = [c.id for c in calls if c.execution_mode == ToolExecutionMode.WORKER]
        self.worker_calls = set(of_workers[:_MAX_WORKER_CALLS])
        self.announced.clear()
        self.steered = False

    def _take_message(self) -> None:
        """Start a turn with a message; during a turn it steers Neo, and running tools continue."""
        self.turns += 1
        if self.turn is Turn.RUNNING:
            self.steered = True
        else:
            self._stop_calls()
        self._resume()

    def _announce(self, call_id: str, event: Event) -> None:
        if call_id not in self.local_calls:
            return
        before = self.announced.get(call_id)
        self.announced[call_id] = (
            replace(before, times=before.times + 1) if before else Announcement(event.id, self.last_timestamp)
        )

    def _resume(self) -> None:
        self.turn = Turn.RUNNING
        self.final_message = None
        self.error = None

    def _wake(self) -> None:
        if self.turn is Turn.NOT_STARTED:
            self.turn = Turn.RUNNING

    def _ask(self, request: UserApprovalRequest, event_id: str) -> None:
        known = self.approvals.get(request.id)
        if known is None and self.sizes.is_full:
            self.unlisted += 1
            return
        is_same = known is not None and self._is_same(known, request)
        if not is_same or request.id in self.withdrawn:
            self.asked_in[request.id] = event_id
            self.withdrawn.discard(request.id)
        self.hold(request)

    def _is_same(self, known: UserApprovalRequest, request: UserApprovalRequest) -> bool:
        digest = self.previews.get(request.id)
        if digest is not None:
            return digest == digest_of(request)
        return known.model_copy(update={"timestamp": request.timestamp}) == request

    def hold(self, request: UserApprovalRequest) -> None:
        """Store ``request`` as it is, body included."""
        self.approvals[request.id] = request
        self.previews.pop(request.id, None)
        self.sizes.put(REQUEST + request.id, request)

    def hold_call(self, call: ToolCall, *, preview: bool = False) -> None:
        """Store ``call``, with or without its arguments."""
        self.calls[call.id] = held = preview_of_call(call) if preview else call
        self.sizes.put(CALL + call.id, held)

    def forget_call(self, call_id: str) -> None:
        """Remove a call."""
        self.sizes.drop(CALL + call_id)
        self.calls.pop(call_id, None)

    def forget_local_call(self, call_id: str) -> None:
        """Remove a call that the host does not have to run, or cannot."""
        self.sizes.drop(LOCAL + call_id)
        self.local_calls.pop(call_id, None)
        self.announced.pop(call_id, None)

    def forget_request(self, request_id: str) -> UserApprovalRequest | None:
        """Remove a request that is no longer pending."""
        self.withdrawn.discard(request_id)
        self.may_return.discard(request_id)
        self.asked_in.pop(request_id, None)
        self.previews.pop(request_id, None)
        self.sizes.drop(REQUEST + request_id)
        return self.approvals.pop(request_id, None)

    def _forget_calls(self) -> None:
        for call_id in [*self.calls]:
            self.forget_call(call_id)

    def _cancel(self, event_id: str) -> None:
        """End the turn; one that has ended already is not changed."""
        self.may_return.clear()
        is_over = self.turn in {Turn.ENDED, Turn.FAILED}
        is_parked = self.local_calls or self.unlisted_calls or self.worker_calls
        if not is_over or self.pending_approvals or self.unlisted or is_parked:
            self._end_turn(Turn.CANCELLED, event_id)

    def _end_turn(self, how: Turn, event_id: str) -> None:
        self.turn = how
        self.ended_by = event_id
        self.withdrawn.update(self.approvals)
        # Withdrawn requests free memory.
        self.unlisted, self.sizes.is_full = 0, False
        self._stop_calls()

    def _stop_calls(self) -> None:
        self._forget_calls()
        self._ask_elsewhere(())
        self.tools.clear()

    def _take_decision(self, answer: UserConfirmation, *, by_person: bool) -> None:
        approval_id = answer.approval_request_id
        was_pending = approval_id in self.approvals and approval_id not in self.withdrawn
        request = self.forget_request(approval_id)
        known = request is not None
        if not known and self.unlisted:
            self.unlisted -= 1
        if request is not None and request.is_plan and answer.ok and was_pending:
            self.plan_accepted = True
        # The service also closes requests of a cancelled turn: that starts nothing.
        if was_pending or (known and by_person):
            self._resume()

    def _take_results(self, call_ids: list[str]) -> None:
        # Results that come too late, after a cancel, start nothing either.
        awaited = any(call_id in self.local_calls or call_id in self.worker_calls for call_id in call_ids)
        for call_id in call_ids:
            self._tool_done(call_id)
        if awaited:
            self._resume()

    def _tool_done(self, call_id: str) -> None:
        self.tools.pop(call_id, None)
        self.forget_call(call_id)
        self.forget_local_call(call_id)
        self.worker_calls.discard(call_id)

    def _change_entities(self, diff: EntityDiff | None) -> None:
        if diff is not None:
            self.entities, is_cut = with_changes(self.entities, diff)
            self.lacks_entities |= is_cut


def fold(events: Iterable[Event], state: TaskState | None = None) -> TaskState:
    """Fold ``events`` into ``state`` (a new one by default) and return it."""
    state = state or TaskState()
    for event in events:
        state.apply(event)
    return state
