"""What the tools return: one object, as structured content and as text.

Hosts differ in which of the two they hand to their model, so each alone is enough to act on, and both
together stay within the budget. Everything that came from Neo is cleaned on its way in here.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, WithJsonSchema

from neo_mcp.core.attention import Attention, AttentionKind
from neo_mcp.core.render import cut, estimate_tokens, event_lines, file_changes
from neo_mcp.core.sanitize import clean
from neo_mcp.core.state import TaskState
from neo_mcp.server.uris import events_uri, transcript_uri
from neo_mcp.wire import AssistantMessage, Event, Task, ToolCall, UserApprovalRequest, describe

_HOW_TO_REPLY = {
    AttentionKind.APPROVAL: 'respond with action "approve", or "deny" with guidance in text',
    AttentionKind.PLAN: 'respond with action "approve" to accept the plan, or "deny" with guidance in text',
    AttentionKind.QUESTION: 'respond with action "answer" and the answer in text',
    AttentionKind.LOCAL_TOOLS: 'run the calls here, then respond with action "tool_results", one for each',
    AttentionKind.TURN_ENDED: 'the turn is over; respond with action "message" to go on',
    AttentionKind.ERROR: 'the turn failed; respond with action "message" to try again or go on',
    AttentionKind.STALLED: 'Neo stopped without a last word; respond with action "message" to go on',
    AttentionKind.CANCELLED: 'the turn was cancelled; respond with action "message" to go on',
}


_QUOTING = frozenset({AttentionKind.TURN_ENDED, AttentionKind.STALLED})
"""The kinds whose message is Neo's last one, which is then not told once more as an event."""

_MOST_FILES = 30
_LEAST_TOKENS = 12
"""Room for the note that says that something was cut."""

_T = TypeVar("_T")


class Result(BaseModel):
    """What a tool returns. Absent means that there is nothing to say."""

    model_config = ConfigDict(frozen=True)

    def text(self) -> str:
        """The same in words."""
        raise NotImplementedError


class LocalCall(BaseModel):
    """A tool call for the host to run; ``arguments`` is JSON text."""

    tool_call_id: str
    name: str
    arguments: str


class Need(BaseModel):
    """One thing that needs somebody."""

    kind: AttentionKind
    message: str
    request_id: str | None = None
    tool: str | None = None
    sensitivity: str | None = None
    plan: str | None = None
    changed_files: list[str] | None = None
    diff: str | None = None
    calls: list[LocalCall] | None = None
    reply: str

    def text(self) -> str:
        """The same in words."""
        return f"{self.form()}\nTo reply: {self.reply}."

    def form(self) -> str:
        """What a person has to see."""
        facts = [self.request_id, self.sensitivity, self.tool]
        about = ", ".join(fact for fact in facts if fact)
        parts = [f"## {str(self.kind).replace('_', ' ').upper()}" + (f" ({about})" if about else "")]
        parts += [self.message] if self.message else []
        parts += [f"Plan:\n{self.plan}"] if self.plan else []
        parts += ["Changes: " + "; ".join(self.changed_files)] if self.changed_files else []
        parts += [self.diff] if self.diff else []
        parts += [f"- {call.tool_call_id}: {call.name} {call.arguments}" for call in self.calls or ()]
        return "\n".join(parts)


NeedsInShort = Annotated[list[Need], WithJsonSchema({"type": "array", "items": {"type": "object"}})]
"""Needs whose shape wait_for_events declares in full: tool definitions cost every conversation tokens."""

FactsInShort = Annotated["TaskFacts", WithJsonSchema({"type": "object"})]
"""Likewise, for the facts that get_task declares in full."""


class CreatedResult(Result):
    """Result of create_task."""

    task_id: str
    organization: str
    url: str
    cursor: str
    warnings: list[str] | None = None
    next: str

    def text(self) -> str:
        """The same in words."""
        lines = [f"Task {self.task_id} started in {self.organization}: {self.url}", *(self.warnings or ())]
        return "\n".join([*lines, f"cursor: {self.cursor}", self.next])


class RespondedResult(Result):
    """Result of respond."""

    task_id: str
    sent: str
    next: str

    def text(self) -> str:
        """The same in words."""
        return f"{self.sent}\ntask_id: {self.task_id}\n{self.next}"


class TaskFacts(BaseModel):
    """A task's metadata in short."""

    task_id: str
    organization: str
    name: str
    status: str
    url: str
    created_at: str
    created_by: str | None = None
    approval_mode: str | None = None
    permission_mode: str | None = None
    plan_mode: bool | None = None
    shared: bool | None = None
    runtime_phase: str | None = None
    tool_execution_mode: str | None = None
    entities: list[str] | None = None
    tokens_used: int | None = None
    context_used: str | None = None

    @classmethod
    def of(cls, task: Task, organization: str, url: str) -> "TaskFacts":
        """The facts of ``task`` that a caller may need."""
        window = task.context_window_tokens
        used = task.context_used_tokens
        return cls(
            task_id=task.id,
            organization=organization,
            name=clean(task.name),
            status=task.status,
            url=url,
            created_at=task.created_at,
            created_by=task.created_by.github_login if task.created_by else None,
            approval_mode=task.approval_mode,
            permission_mode=task.permission_mode,
            plan_mode=task.plan_mode or None,
            shared=task.is_shared or None,
            runtime_phase=task.runtime_phase,
            tool_execution_mode=task.tool_execution_mode,
            entities=[clean(describe(entity)) for entity in task.entities] or None,
            tokens_used=task.tokens_used,
            context_used=f"{used:,} of {window:,} tokens" if used and window else None,
        )

    def text(self) -> str:
        """The same in words."""
        facts = self.model_dump(exclude_none=True, exclude={"name", "task_id"})
        lines = (f"{key}: {', '.join(v) if isinstance(v, list) else v}" for key, v in facts.items())
        return "\n".join([f"# {self.name or self.task_id}", f"task_id: {self.task_id}", *lines])


class UpdatedResult(Result):
    """Result of update_task."""

    task: FactsInShort

    def text(self) -> str:
        """The same in words."""
        return self.task.text()


class TaskResult(Result):
    """Result of get_task."""

    task: TaskFacts
    needs: NeedsInShort
    activity: str
    last_message: str | None = None
    cursor: str
    next: str

    def text(self) -> str:
        """The same in words."""
        parts = [self.task.text(), f"activity: {self.activity}"]
        parts += [f"Neo's last message:\n{self.last_message}"] if self.last_message else []
        parts += [need.text() for need in self.needs]
        return "\n\n".join([*parts, f"cursor: {self.cursor}\n{self.next}"])


class TaskRow(BaseModel):
    """One task of a list."""

    task_id: str
    name: str
    status: str
    created_at: str
    created_by: str | None = None
    shared: bool | None = None
    tokens_used: int | None = None


class TasksResult(Result):
    """Result of list_tasks."""

    organization: str
    tasks: list[TaskRow]
    next_cursor: str | None = None

    def text(self) -> str:
        """The same in words."""
        lines = [f"{len(self.tasks)} tasks in {self.organization}"]
        lines += [f"- {row.task_id} [{row.status}] {row.name} ({row.created_at})" for row in self.tasks]
        lines += [f"next_cursor: {self.next_cursor}"] if self.next_cursor else []
        return "\n".join(lines)


class WaitResult(Result):
    """Result of wait_for_events."""

    task_id: str
    matched: bool
    needs: list[Need]
    activity: str
    events: list[str]
    omitted: int | None = None
    note: str | None = None
    cursor: str
    next: str

    def text(self) -> str:
        """The same in words."""
        parts = ["\n".join(self.events)] if self.events else []
        if self.note:
            parts.insert(0, self.note)
        parts += [need.text() for need in self.needs] or [f"activity: {self.activity}"]
        return "\n\n".join([*parts, f"task_id: {self.task_id}\ncursor: {self.cursor}\n{self.next}"])


def describe_needs(needs: Sequence[Attention], organization: str, task_id: str, tokens: int) -> list[Need]:
    """What needs somebody, sharing ``tokens`` among them; what is cut says where the whole is."""
    whole = [_Whole.of(need) for need in needs]

    def describe(room: int) -> list[Need]:
        return [_need(need, organization, task_id, room // len(needs)) for need in whole]

    return _within(tokens, describe, needs_cost)


def needs_cost(needs: Sequence[Need]) -> int:
    """Tokens that the needs take in a result's text or in its structured content, whichever is more."""
    texts = "".join(need.text() for need in needs)
    return max(estimate_tokens(texts), sum(_json_cost(n.model_dump(exclude_none=True)) for n in needs))


def fit_events(
    events: Iterable[Event], needs: Sequence[Attention], organization: str, task_id: str, tokens: int
) -> tuple[list[str], int, str | None]:
    """The newest events' lines that fit, how many older ones were left out, and a note that says so."""
    quoted = {need.message for need in needs if need.kind in _QUOTING}
    untold = [e for e in events if not (isinstance(e.body, AssistantMessage) and e.body.content in quoted)]
    lines = _within(tokens, lambda room: event_lines(untold, room), lambda made: _json_cost(made.lines))
    if not lines.omitted:
        return list(lines.lines), 0, None
    where = transcript_uri(organization, task_id)
    return list(lines.lines), lines.omitted, f"[{lines.omitted} earlier events left out; read {where}]"


def next_step(needs: Sequence[Attention], *, running: bool = True) -> str:
    """What the caller should do now; ``running`` is what the API says where nothing is needed."""
    if not needs and not running:
        return 'Neo is idle and asks for nothing; respond with action "message" to go on.'
    if not needs:
        return "Neo is still working: call wait_for_events again with this cursor."
    kinds = {need.kind for need in needs}
    if kinds & {AttentionKind.APPROVAL, AttentionKind.PLAN}:
        return "A person decides: show them what is asked, respond, then wait_for_events with this cursor."
    if kinds & {AttentionKind.QUESTION, AttentionKind.LOCAL_TOOLS}:
        return "Respond, then call wait_for_events with this cursor."
    return "Neo has stopped; nothing happens until somebody responds."


def last_message(state: TaskState, needs: Sequence[Attention], tokens: int, rest: str) -> str | None:
    """Neo's last words, unless what needs attention already quotes them."""
    message = clean(state.last_message)
    if not message or any(clean(need.message) == message for need in needs):
        return None
    return _within(tokens, lambda room: cut(message, room, rest), _json_cost)


def _within(tokens: int, make: Callable[[int], _T], cost: Callable[[_T], int]) -> _T:
    """What ``make`` makes of ``tokens``, or of less where the result costs more: JSON escapes take room."""
    made, room = make(tokens), tokens
    while (spent := cost(made)) > tokens and room > _LEAST_TOKENS:
        room = room * tokens // spent if spent < 2 * tokens else room // 2
        made = make(room)
    return made


def _json_cost(value: object) -> int:
    return estimate_tokens(json.dumps(value, ensure_ascii=False))


@dataclass(frozen=True, slots=True)
class _Whole:
    """What needs somebody, cleaned and uncut: making it of a large diff is worth doing once."""

    kind: AttentionKind
    request: UserApprovalRequest | None
    message: str
    plan: str
    diff: str
    changed_files: list[str]
    calls: tuple[ToolCall, ...]

    @classmethod
    def of(cls, need: Attention) -> "_Whole":
        context = need.request.context if need.request else None
        files = (context.git_diff if context else None) or {}
        changes = [str(change) for change in file_changes(files)]
        if len(changes) > _MOST_FILES:
            changes[_MOST_FILES:] = [f"and {len(changes) - _MOST_FILES} more files"]
        return cls(
            need.kind,
            need.request,
            clean(need.message),
            clean(context.plan_description or "") if context else "",
            "\n".join(f"{clean(name)}\n{clean(patch)}" for name, patch in files.items()),
            changes,
            need.calls,
        )


def _need(need: _Whole, organization: str, task_id: str, tokens: int) -> Need:
    rest = f"read {transcript_uri(organization, task_id)}"
    part = max(tokens // 3 if need.request else tokens // 2 if need.calls else tokens, _LEAST_TOKENS)
    message, reply = cut(need.message, part, rest), _HOW_TO_REPLY[need.kind]
    if need.calls:
        calls = _local_calls(need.calls, organization, task_id, part)
        return Need(kind=need.kind, message=message, calls=calls, reply=reply)
    request = need.request
    if request is None:
        return Need(kind=need.kind, message=message, reply=reply)
    tool = request.context.tool_name if request.context else None
    return Need(
        kind=need.kind,
        message=message,
        request_id=request.id,
        tool=clean(tool) if tool else None,
        sensitivity=clean(request.sensitivity) if request.sensitivity else None,
        plan=cut(need.plan, part, rest) if need.plan else None,
        changed_files=need.changed_files or None,
        diff=cut(need.diff, part, rest) if need.diff else None,
        reply=f"{reply}, request_id {request.id}",
    )


def _exact_json(value: object) -> str:
    """JSON that means exactly ``value``, with escapes in place of anything that a reader could not see."""
    text = json.dumps(value, ensure_ascii=False)
    return text if clean(text) == text else json.dumps(value)


def _local_calls(calls: Sequence[ToolCall], organization: str, task_id: str, tokens: int) -> list[LocalCall]:
    rest = f"read {events_uri(organization, task_id)}"
    each = max(tokens // len(calls), _LEAST_TOKENS)
    return [
        LocalCall(
            tool_call_id=call.id,
            name=call.name,
            arguments=cut(_exact_json(call.args), each, rest),
        )
        for call in calls
    ]
