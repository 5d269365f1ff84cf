"""Results of the tools: their fields, and how they read as text.

The content is chosen, within a budget, in :mod:`neo_mcp.service.budget`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from pydantic import BaseModel, Field, PlainSerializer, SerializationInfo, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema

from neo_mcp.core.attention import AttentionKind
from neo_mcp.core.render.lines import first_bytes
from neo_mcp.core.sanitize import clean, named, one_line, quoted
from neo_mcp.core.summary import TaskSummary
from neo_mcp.hints import LIBRARY, NextStep, to_text
from neo_mcp.service.rendered import Frame, Result
from neo_mcp.wire import Entity, Task, describe

_MAX_ENTITIES = 12
_MAX_ACTIVITY = 1000
MAX_ERROR_BYTES = 1500
"""Maximum bytes of an error's text: the smallest budget."""

_MAX_GAP = 60


def _worded(step: NextStep, info: SerializationInfo) -> str:
    return to_text(step, info.context or LIBRARY)


if TYPE_CHECKING:
    Next: TypeAlias = NextStep
else:
    # Pydantic has no schema for a type that contains itself.
    Next = Annotated[Any, PlainSerializer(_worded), WithJsonSchema({"type": "string"})]
"""The step after a result, worded when the result is."""


class LocalCall(BaseModel):
    """A tool call for the host to run.

    Attributes:
        arguments: JSON text; empty once the result is stored, as nothing is left to run.
        stored: Whether the result is stored and waits for those of the other calls.
        note: Why the host must not run it.
    """

    tool_call_id: str
    name: str
    arguments: str
    stored: bool | None = None
    note: str | None = None

    def text(self) -> str:
        """The call as text."""
        what = f"[{self.note}]" if self.note else "[result stored]" if self.stored else self.arguments
        return f"- {named(self.tool_call_id)}: {named(self.name)} {what}"


CallsInShort = Annotated[list[LocalCall], WithJsonSchema({"type": "array", "items": {"type": "object"}})]


class Need(BaseModel):
    """One thing that needs attention."""

    kind: AttentionKind
    message: str
    request_id: str | None = None
    options: list[str] | None = None
    tool: str | None = None
    sensitivity: str | None = None
    plan: str | None = None
    changed_files: list[str] | None = None
    diff: str | None = None
    calls: CallsInShort | None = None
    reply: Next
    reported: SkipJsonSchema[bool | None] = None
    """True if an earlier result had it already, so that it may be shortened."""
    removed: SkipJsonSchema[int] = Field(default=0, exclude=True)
    """Number of invisible characters and terminal sequences that were removed; a note reports their sum."""

    def words(self, frame: Frame) -> str:
        """The need as text."""
        facts = [self.request_id, self.sensitivity, self.tool]
        about = ", ".join(named(fact) for fact in facts if fact)
        title = f"## {str(self.kind).replace('_', ' ').upper()}" + (f" ({about})" if about else "")
        title += ", reported before" if self.reported else ""
        lines = [title, *([frame.around(body)] if (body := self.body()) else [])]
        return "\n".join([*lines, f"To reply: {frame.step(self.reply)}."])

    def body(self) -> str:
        """The subject of the need, including all that a person has to see before they decide."""
        parts = [self.message] if self.message else []
        parts += [f"Plan:\n{self.plan}"] if self.plan else []
        parts += ["Options: " + ", ".join(map(quoted, self.options))] if self.options else []
        parts += ["Changes: " + "; ".join(self.changed_files)] if self.changed_files else []
        parts += [self.diff] if self.diff else []
        parts += [call.text() for call in self.calls or ()]
        return "\n".join(parts)


NeedsInShort = Annotated[list[Need], WithJsonSchema({"type": "array", "items": {"type": "object"}})]
"""Needs whose full shape wait_for_events declares: tool definitions cost tokens in every conversation."""

FactsInShort = Annotated["TaskFacts", WithJsonSchema({"type": "object"})]
"""Facts in short, for the same reason: their names are self-explanatory."""

RowsInShort = Annotated[list["TaskRow"], WithJsonSchema({"type": "array", "items": {"type": "object"}})]
"""Rows in short, for the same reason."""


NewsOfOne = Annotated["TaskNews", WithJsonSchema({"type": "object"})]
"""The news of a task, in the shape that wait_for_events declares."""


class CreatedResult(Result):
    """Result of create_task; with ``news`` if it waited."""

    task_id: str
    organization: str
    url: str
    cursor: str
    warnings: list[str] | None = None
    news: NewsOfOne | None = None
    note: SkipJsonSchema[str | None] = None
    next: Next

    def with_news(self, waited: "WaitResult") -> "CreatedResult":
        """Return a copy with the news of a wait."""
        # Not dumped, which would put next steps into words.
        news = TaskNews(**dict(waited) | {"task_id": None})
        return self.model_copy(update={"news": news, "cursor": waited.cursor, "next": waited.next})

    def words(self, frame: Frame) -> str:
        """The result as text."""
        lines = [f"Task {self.task_id} started in {self.organization}: {self.url}", *(self.warnings or ())]
        lines += filter(None, [self.note])
        lines += [self.news.words(frame)] if self.news else []
        return "\n".join([*lines, f"cursor: {self.cursor}", frame.step(self.next)])


class RespondedResult(Result):
    """Result of respond."""

    task_id: str
    sent: str
    claim: SkipJsonSchema[str | None] = None
    note: SkipJsonSchema[str | None] = None
    next: Next

    def words(self, frame: Frame) -> str:
        """The result as text."""
        claim = [f"claim: {self.claim}"] if self.claim else []
        lines = [self.sent, *filter(None, [self.note]), f"task_id: {self.task_id}", *claim]
        return "\n".join([*lines, frame.step(self.next)])


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
    def of(cls, task: Task, organization: str, url: str, *, plan_accepted: bool = False) -> "TaskFacts":
        """The facts of ``task`` that a caller may need; plan mode ends with the accepted plan."""
        summary = TaskSummary.of(task, plan_accepted=plan_accepted)
        used, window = summary.context_tokens, summary.window_tokens
        return cls(
            **summary._asdict(),
            organization=organization,
            url=url,
            entities=_named(task.entities) or None,
            context_used=f"{used:,} of {window:,} tokens" if used and window else None,
        )

    def words(self, _: Frame) -> str:
        """The facts as text."""
        facts = self.model_dump(exclude_none=True, exclude={"name", "task_id"})
        lines = (f"{key}: {_fact(key, value)}" for key, value in facts.items())
        title = quoted(self.name) if self.name else self.task_id
        return "\n".join([f"# {title}", f"task_id: {self.task_id}", *lines])


_OURS = frozenset({"url", "organization", "context_used"})
"""Facts with values that are not the API's own."""


def _fact(key: str, value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(quoted, value))
    if value is True:
        return "yes"
    return named(value) if isinstance(value, str) and key not in _OURS else str(value)


def _named(entities: Sequence[Entity]) -> list[str]:
    names = [one_line(describe(entity)) for entity in entities[:_MAX_ENTITIES]]
    more = len(entities) - len(names)
    return [*names, f"and {more} more"] if more else names


class UpdatedResult(Result):
    """Result of update_task."""

    task: FactsInShort
    note: SkipJsonSchema[str | None] = None

    def words(self, frame: Frame) -> str:
        """The result as text."""
        return "\n\n".join([*filter(None, [self.note]), self.task.words(frame)])


class TaskResult(Result):
    """Result of get_task."""

    task: FactsInShort
    needs: NeedsInShort
    activity: str
    last_message: str | None = None
    note: str | None = None
    cursor: str
    next: Next

    def words(self, frame: Frame) -> str:
        """The result as text."""
        parts = [self.note] if self.note else []
        parts += [self.task.words(frame), f"activity: {quoted(self.activity, _MAX_ACTIVITY)}"]
        parts += [f"Neo's last message:\n{frame.around(self.last_message)}"] if self.last_message else []
        parts += [need.words(frame) for need in self.needs]
        return "\n\n".join([*parts, f"cursor: {self.cursor}\n{frame.step(self.next)}"])


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
    tasks: RowsInShort
    next_cursor: str | None = None
    note: str | None = None

    def words(self, _: Frame) -> str:
        """The result as text."""
        count = len(self.tasks)
        head = f"{count} {'task' if count == 1 else 'tasks'} in {self.organization}"
        lines = [*filter(None, [self.note]), head]
        lines += [
            f"- {named(row.task_id)} [{named(row.status)}] {quoted(row.name)} ({named(row.created_at)})"
            for row in self.tasks
        ]
        lines += [f"next_cursor: {self.next_cursor}"] if self.next_cursor else []
        return "\n".join(lines)


class TaskNews(Result):
    """The news of one task in a wait's result."""

    task_id: str | None = None
    matched: bool
    needs: list[Need] | None = None
    activity: str | None = None
    events: list[str] | None = None
    omitted: int | None = None
    note: str | None = None

    def words(self, frame: Frame) -> str:
        """The news as text."""
        parts = [self.note] if self.note else []
        parts += [frame.around("\n".join(self.events))] if self.events else []
        parts += [need.words(frame) for need in self.needs or ()]
        if self.activity and not self.needs:
            parts.append(f"activity: {quoted(self.activity, _MAX_ACTIVITY)}")
        parts += [f"task_id: {self.task_id}"] if self.task_id else []
        return "\n\n".join(parts)


NewsInShort = Annotated[list[TaskNews], WithJsonSchema({"type": "array", "items": {"type": "object"}})]
"""The news of several tasks, each in the shape of a single task's news at the top level."""


class WaitResult(TaskNews):
    """Result of wait_for_events: the news of the one task, or of each of several."""

    tasks: NewsInShort | None = None
    cursor: str
    next: Next

    def words(self, frame: Frame) -> str:
        """The result as text."""
        news = [super().words(frame), *(_titled(task, frame) for task in self.tasks or ())]
        return "\n".join(["\n\n".join(filter(None, news)), f"cursor: {self.cursor}", frame.step(self.next)])


def error_words(text: str) -> str:
    """An error's text, cleaned and within bounds: it is cut before the next step."""
    text = clean(text)
    size = len(text.encode("utf-8", "replace"))
    if size <= MAX_ERROR_BYTES:
        return text
    part = (MAX_ERROR_BYTES - _MAX_GAP) // 2
    begin = first_bytes(text, part)
    end = text.encode("utf-8", "replace")[-part:].decode("utf-8", "ignore")
    return f"{begin}… [{len(text) - len(begin) - len(end):,} characters left out] …{end}"


def _titled(news: TaskNews, frame: Frame) -> str:
    return f"# Task {news.task_id}{' matched' if news.matched else ''}\n{news.words(frame)}"
