"""Fold a task's events into the items of the task view, in the order of the conversation.

Owns which event creates an item and which changes one, and which parts are stored. An item that a later event
changes keeps its number: a client that has seen it before gets it again by the event that changed it last.
Folding a prefix and then the rest gives the same as folding all at once, so numbers are the same in every
process. Of long tasks the most recent items are stored; older ones are made by folding again up to them. The
presentation of an item is in :mod:`neo_mcp.core.view.items`.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, assert_never

from neo_mcp.core.attention import request_kind
from neo_mcp.core.render.content import content_head
from neo_mcp.core.sanitize import cut, exact_json, quoted, raw_head
from neo_mcp.core.state import TaskState
from neo_mcp.core.times import dated
from neo_mcp.core.todos import TODO_TOOL
from neo_mcp.core.view.model import ItemKind
from neo_mcp.wire import (
    AssistantMessage,
    AwaitingApprovals,
    Cancelled,
    ChangeEntities,
    ContextCompression,
    EntityDiff,
    ErrorEvent,
    Event,
    ExecToolCall,
    ExecToolCallProgress,
    ProvidePulumiAccessToken,
    SetTaskName,
    ToolCall,
    ToolResponse,
    ToolResults,
    UnknownBody,
    UserApprovalRequest,
    UserCancel,
    UserConfirmation,
    UserMessage,
    WarningEvent,
    describe,
)
from neo_mcp.wire.events import NoticeBody, PersonBody, StrangeBody, WorkBody, is_question_tool

MAX_ITEMS = 600
MAX_CHARACTERS = 4 * 2**20
"""Maximum number and total characters of the items that are stored; the last one always is."""

OUTPUT_CHARACTERS = 12_000
TEXT_CHARACTERS = 24_000
ARGUMENTS_CHARACTERS = 6_000
PROGRESS_CHARACTERS = 600
"""Characters of a text that are stored to be shown, plus a margin for a secret that a cut would split."""

_MAX_ENTITIES = 100
_OPEN = frozenset({"called", "running", "waiting"})
_YOU, _NEO, _SERVICE = "You", "Neo", "Pulumi Cloud"


@dataclass(slots=True)
class Entry:
    """An item in the making: the parts of the events that may be shown, not cleaned yet.

    Attributes:
        estimated: Whether its time is the one of the event before.
        changed: Number of the event that changed it last.
        text: The text; with a margin if it is cut.
        length: Length of the whole text.
        output: The result in the same form; ``None`` while there is none.
        ended: When the result came.
        request: The request of an approval.
        answers: Id of the request that a decision answers.
    """

    index: int
    id: str
    kind: ItemKind
    at: str
    estimated: bool
    who: str
    changed: int
    state: str = ""
    title: str = ""
    text: str = ""
    length: int = 0
    final: bool = False
    name: str = ""
    arguments: str = ""
    progress: str = ""
    output: str | None = None
    ended: str = ""
    request: UserApprovalRequest | None = None
    answers: str = ""
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Approximate number of characters of its text."""
        names = sum(map(len, (*self.added, *self.removed)))
        return 200 + len(self.text) + len(self.arguments) + len(self.output or "") + names + _asked(self)


def _asked(entry: Entry) -> int:
    request = entry.request
    if request is None:
        return 0
    context = request.context
    plan = len(context.plan_description or "") if context else 0
    patches = ((context and context.git_diff) or {}).values()
    return len(request.message) + plan + sum(map(len, patches))


@dataclass(slots=True)
class ViewFold:
    """Folds a task's events, all of them in order.

    Attributes:
        state: The state after the events so far.
        indexes: Which items are stored, all of them; ``None`` for the most recent.
        total: Number of items.
        held: The stored items, oldest first.
    """

    indexes: range | None = None
    state: TaskState = field(default_factory=TaskState)
    total: int = 0
    held: deque[Entry] = field(default_factory=deque)
    _budget: int = MAX_CHARACTERS
    _calls: dict[str, Entry] = field(default_factory=dict)
    _requests: dict[str, Entry] = field(default_factory=dict)
    _compression: Entry | None = None

    def since(self, position: int) -> Sequence[Entry]:
        """Stored items that are new or changed after event number ``position``; -1 for all."""
        return [entry for entry in self.held if entry.changed > position]

    def apply(self, event: Event) -> None:
        """Take one more event."""
        event = dated(event, self.state.last_timestamp)
        self.state.apply(event)
        body = event.body
        if isinstance(body, WorkBody):
            self._work(event, body)
        elif isinstance(body, PersonBody):
            self._person(event, body)
        elif isinstance(body, NoticeBody):
            self._notice(event, body)
        else:
            self._strange(event, body)
        self._close_ended()
        self._trim()

    def _person(self, event: Event, body: PersonBody) -> None:
        match body:
            case UserMessage():
                # Their results never come, or too late to matter.
                self._calls = {key: each for key, each in self._calls.items() if each.state in _OPEN}
                self._say(event, "user", body.content)
            case ToolResults():
                for result in body.tool_results:
                    self._result(
                        event, result.tool_call_id, result.name, result.content, is_error=result.is_error
                    )
            case UserConfirmation():
                self._decision(event, body)
            case UserCancel():
                self._add(event, "note", title="Asked Neo to stop.")
            case _:
                assert_never(body)
        self._entities(event, body.entity_diff)

    def _work(self, event: Event, body: WorkBody) -> None:
        match body:
            case AssistantMessage():
                self._assistant(event, body)
            case ExecToolCall():
                self._begin(event, body)
            case ExecToolCallProgress():
                self._progress(event, body)
            case ToolResponse():
                self._result(event, body.tool_call_id, body.name, body.content, is_error=body.is_error)
            case UserApprovalRequest():
                self._request(event, body)
            case _:
                assert_never(body)

    def _notice(self, event: Event, body: NoticeBody) -> None:
        match body:
            case ErrorEvent():
                self._say(event, "error", body.message)
            case WarningEvent():
                self._say(event, "warning", body.message)
            case Cancelled():
                self._add(event, "cancelled")
            case ContextCompression():
                self._compress(event, body)
            case ChangeEntities():
                self._entities(event, body.changes)
            case SetTaskName():
                self._add(event, "note", title=f"The task is now called: {quoted(body.name)}")
            case AwaitingApprovals():
                self._add(event, "note", title="Neo takes no message while it waits for an approval.")
            case ProvidePulumiAccessToken():
                pass  # A secret of the service's own, which must not be shown.
            case _:
                assert_never(body)

    def _strange(self, event: Event, body: StrangeBody) -> None:
        if isinstance(body, UnknownBody):
            self._say(event, "unknown", content_head(body.model_extra, TEXT_CHARACTERS)[0], title=body.type)
        else:
            self._say(event, "unknown", body.reason, title="an event that could not be read")

    def _add(self, event: Event, kind: ItemKind, **fields: Any) -> Entry:  # noqa: ANN401 - an entry's fields
        entry = Entry(
            index=self.total,
            id=f"{event.id}:{self.total}",
            kind=kind,
            at=event.body.timestamp,
            estimated=event.timestamp_estimated,
            who=_who(event),
            changed=self._position,
            **fields,
        )
        self.total += 1
        if self.indexes is None or entry.index in self.indexes:
            self.held.append(entry)
            self._budget -= entry.size
        return entry

    @property
    def _position(self) -> int:
        return self.state.events - 1

    def _change(self, entry: Entry, **fields: Any) -> None:  # noqa: ANN401 - an entry's fields
        """Change an item, unless nothing differs."""
        if all(getattr(entry, name) == value for name, value in fields.items()):
            return
        before = entry.size
        for name, value in fields.items():
            setattr(entry, name, value)
        entry.changed = self._position
        if self.held and entry.index >= self.held[0].index:
            self._budget -= entry.size - before

    def _trim(self) -> None:
        if self.indexes is not None:
            return
        while len(self.held) > MAX_ITEMS or (self._budget < 0 and len(self.held) > 1):
            self._budget += self.held.popleft().size

    def _say(self, event: Event, kind: ItemKind, text: str, **fields: Any) -> None:  # noqa: ANN401 - an entry's fields
        self._add(event, kind, text=raw_head(text, TEXT_CHARACTERS), length=len(text), **fields)

    def _assistant(self, event: Event, message: AssistantMessage) -> None:
        if message.content.strip():
            ends = message.is_final and not any(call.runs_elsewhere for call in message.tool_calls)
            self._say(event, "assistant", message.content, final=ends)
        for call in message.tool_calls:
            if not _is_shown_elsewhere(call.name):
                # The same id again is another call.
                self._calls[call.id] = self._call(event, call)

    def _call(self, event: Event, call: ToolCall) -> Entry:
        arguments = cut(exact_json(call.args, indent=2), ARGUMENTS_CHARACTERS + 1) if call.args else ""
        state = "waiting" if call.runs_elsewhere else "called"
        return self._add(event, "tool", name=call.name, arguments=arguments, state=state)

    def _tool(self, event: Event, call_id: str, name: str) -> Entry | None:
        """The item of a call; a new one if no event named it before."""
        if call_id not in self._calls and not _is_shown_elsewhere(name):
            self._calls[call_id] = self._add(event, "tool", name=name, state="called")
        return self._calls.get(call_id)

    def _begin(self, event: Event, body: ExecToolCall) -> None:
        if (entry := self._tool(event, body.tool_call_id, body.name)) is not None:
            at, estimated = event.body.timestamp, event.timestamp_estimated
            self._change(
                entry, state="running", at=at or entry.at, estimated=estimated if at else entry.estimated
            )

    def _progress(self, event: Event, body: ExecToolCallProgress) -> None:
        if (entry := self._tool_in_progress(event, body)) is not None:
            words = body.words or entry.progress
            self._change(entry, state="running", progress=raw_head(words, PROGRESS_CHARACTERS))

    def _tool_in_progress(self, event: Event, body: ExecToolCallProgress) -> Entry | None:
        """The item of the tool; if the event has no id, of the latest call of that name."""
        name = body.name or ""
        if body.tool_call_id:
            return self._tool(event, body.tool_call_id, name)
        return next((entry for entry in reversed(self._calls.values()) if entry.name == name), None)

    def _result(self, event: Event, call_id: str, name: str, content: object, *, is_error: bool) -> None:
        if (entry := self._tool(event, call_id, name)) is not None:
            output, _ = content_head(content, OUTPUT_CHARACTERS)
            ended = event.body.timestamp
            self._change(entry, state="failed" if is_error else "done", output=output, ended=ended)
            self._calls.pop(call_id, None)

    def _request(self, event: Event, request: UserApprovalRequest) -> None:
        entry = self._requests.get(request.id)
        if entry is None:
            entry = self._add(event, "approval", title=str(request_kind(request)), state="pending")
            self._requests[request.id] = entry
        self._change(entry, request=request)
        call_id = (request.context and request.context.tool_call_id) or ""
        if (call := self._calls.get(call_id)) is not None:
            self._change(call, state="waiting")

    def _decision(self, event: Event, body: UserConfirmation) -> None:
        entry = self._requests.pop(body.approval_request_id, None)
        request = entry.request if entry is not None else None
        reply = body.instructions or ""
        state = how = "approved" if body.ok else "denied"
        if request is not None and request.is_question and (reply or event.is_synthetic):
            state = "answered"
            how = "answered automatically" if event.is_synthetic else state
        if entry is not None:
            self._change(entry, state=state)
        self._say(event, "decision", reply, state=how, answers=body.approval_request_id)
        context = request.context if request is not None else None
        call = self._calls.get((context.tool_call_id if context else None) or "")
        if call is not None and call.state == "waiting":
            self._change(call, state="called")

    def _compress(self, event: Event, body: ContextCompression) -> None:
        text = body.message or ""
        if self._compression is None:
            self._compression = self._add(
                event, "compression", state=body.status, text=text, length=len(text)
            )
        else:
            self._change(self._compression, state=body.status)
        if body.status != "compressing":
            self._compression = None

    def _entities(self, event: Event, diff: EntityDiff | None) -> None:
        if diff is None or not (diff.add or diff.remove):
            return
        added = tuple(map(describe, diff.add[:_MAX_ENTITIES]))
        removed = tuple(map(describe, diff.remove[:_MAX_ENTITIES]))
        self._add(event, "entities", added=added, removed=removed)

    def _close_ended(self) -> None:
        """Close the items that ended with their turn without an event of their own."""
        if self._requests:
            for request_id, entry in self._requests.items():
                self._change(entry, state="withdrawn" if request_id in self.state.withdrawn else "pending")
        state = self.state
        for call_id, entry in self._calls.items():
            known = call_id in state.calls or call_id in state.tools
            if not known and call_id not in state.local_calls and call_id not in state.worker_calls:
                self._change(entry, state="stopped")


def _who(event: Event) -> str:
    if not event.from_person:
        return _NEO
    return _SERVICE if event.is_synthetic else _YOU


def _is_shown_elsewhere(tool: str) -> bool:
    """True if a tool's calls are shown as something else: the to-do list, and questions."""
    return tool == TODO_TOOL or is_question_tool(tool)
