"""Events as short lines for a model, and texts cut to a budget.

A budget is counted in estimated tokens, three UTF-8 bytes each: more than models need for prose and code.
What is cut says so, and where the whole is.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from neo_mcp.core.attention import first_line, request_kind
from neo_mcp.core.sanitize import clean
from neo_mcp.core.state import TODO_TOOL, read_todos
from neo_mcp.wire import (
    AssistantMessage,
    AwaitingApprovals,
    Cancelled,
    ChangeEntities,
    ContextCompression,
    EntityDiff,
    ErrorEvent,
    Event,
    SetTaskName,
    ToolCall,
    ToolResponse,
    ToolResults,
    UnknownBody,
    Unreadable,
    UserApprovalRequest,
    UserCancel,
    UserConfirmation,
    UserMessage,
    WarningEvent,
    describe,
)

_BYTES_PER_TOKEN = 3
_MESSAGE_LIMIT = 1500
_EXCERPT_LIMIT = 240


def estimate_tokens(text: str) -> int:
    """A conservative estimate of what ``text`` costs a model."""
    return -(-len(text.encode("utf-8", "replace")) // _BYTES_PER_TOKEN)


def cut(text: str, tokens: int, rest: str) -> str:
    """``text`` within ``tokens``; when cut, a note says how much is missing and that ``rest`` has it."""
    if estimate_tokens(text) <= tokens:
        return text
    note = f"\n[cut: {{}} more characters; {rest}]"
    room = max(tokens - estimate_tokens(note) - 3, 0) * _BYTES_PER_TOKEN
    kept = text.encode("utf-8", "replace")[:room].decode("utf-8", "ignore")
    return kept + note.format(len(text) - len(kept))


@dataclass(frozen=True, slots=True)
class Lines:
    """Events as lines, oldest first, and how many older ones were left out for want of room."""

    lines: tuple[str, ...]
    omitted: int


def event_lines(events: Iterable[Event], tokens: int) -> Lines:
    """The newest ``events`` that fit into ``tokens``, one line each where there is something to show."""
    rendered = [line for line in (event_line(event) for event in events) if line]
    kept: list[str] = []
    for line in reversed(rendered):
        tokens -= estimate_tokens(line) + 2
        if tokens < 0:
            break
        kept.append(line)
    return Lines(tuple(reversed(kept)), len(rendered) - len(kept))


def event_line(event: Event) -> str:  # noqa: C901, PLR0911, PLR0912 - flat, one arm per event type
    """One event in short; empty where it says nothing that another event does not say better."""
    body = event.body
    match body:
        case UserMessage():
            return f"user: {_shorten(body.content)}" + _entities(body.entity_diff)
        case AssistantMessage():
            return _assistant_line(body)
        case ToolResponse():
            return _result_line(body.name, body.content, is_error=body.is_error)
        case ToolResults():
            rows = (_result_line(r.name, r.content, is_error=r.is_error) for r in body.tool_results)
            return "\n".join(f"user ran {row}" for row in rows)
        case UserApprovalRequest():
            return f"{request_kind(body)} requested ({body.id}): {first_line(clean(body.message))}"
        case UserConfirmation():
            verb = "approved" if body.ok else "declined or answered"
            by = " automatically" if event.is_synthetic else ""
            said = f": {_shorten(body.instructions)}" if body.instructions else ""
            return f"{body.approval_request_id} {verb}{by}{said}"
        case UserCancel():
            return "user: asked Neo to stop"
        case AwaitingApprovals():
            return "neo: cannot take input while an approval is pending"
        case ErrorEvent():
            return f"error: {_shorten(body.message)}"
        case WarningEvent():
            return f"warning: {_shorten(body.message)}"
        case Cancelled():
            return "cancelled"
        case SetTaskName():
            return f"task renamed: {first_line(clean(body.name))}"
        case ChangeEntities():
            return f"context changed:{_entities(body.changes)}"
        case ContextCompression():
            return f"context {body.status}" if body.status == "compressed" else ""
        case UnknownBody():
            extra = {key: value for key, value in (body.model_extra or {}).items() if key != "type"}
            return f"{body.type}: {_excerpt(extra)}"
        case Unreadable():
            return f"[an event could not be read: {body.reason}]"
        case _:
            return ""


def call_line(call: ToolCall) -> str:
    """A tool call in short, such as ``pulumi__preview(stack="prod")``."""
    args = ", ".join(f"{key}={_excerpt(value, 80)}" for key, value in call.args.items())
    return clean(f"{call.name}({args})")


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file of a diff: its name and how many lines come and go."""

    file: str
    added: int
    removed: int

    def __str__(self) -> str:
        return f"{self.file} +{self.added} -{self.removed}"


def file_changes(diff: Mapping[str, str] | None) -> tuple[FileChange, ...]:
    """Which files a diff changes, and by how much."""
    return tuple(
        FileChange(
            clean(name),
            sum(line.startswith("+") and not line.startswith("+++") for line in patch.splitlines()),
            sum(line.startswith("-") and not line.startswith("---") for line in patch.splitlines()),
        )
        for name, patch in (diff or {}).items()
    )


def _assistant_line(message: AssistantMessage) -> str:
    rows: list[str] = []
    if message.content.strip():
        label = "neo (final)" if message.is_final else "neo"
        rows.append(f"{label}: {_shorten(message.content)}")
    for call in message.tool_calls:
        if call.name == TODO_TOOL:
            rows.append(_todo_line(call))
        else:
            where = f" [to be run by: {call.execution_mode}]" if call.runs_elsewhere else ""
            rows.append(f"call {call_line(call)}{where}")
    return "\n".join(rows)


def _todo_line(call: ToolCall) -> str:
    marks = {"completed": "x", "in_progress": ">"}
    items = (f"[{marks.get(todo.status, ' ')}] {first_line(todo.content, 60)}" for todo in read_todos(call))
    return clean("to-do: " + " ".join(items))


def _result_line(name: str, content: object, *, is_error: bool) -> str:
    text = content_text(content)
    size = f" ({len(text):,} characters)" if len(text) > _EXCERPT_LIMIT else ""
    outcome = "failed" if is_error else "ok"
    return f"{clean(name)} {outcome}{size}: {_excerpt(text)}"


def _shorten(text: str) -> str:
    text = clean(text).strip()
    if len(text) <= _MESSAGE_LIMIT:
        return text
    return f"{text[:_MESSAGE_LIMIT]}… [{len(text) - _MESSAGE_LIMIT:,} more characters]"


def _excerpt(value: object, limit: int = _EXCERPT_LIMIT) -> str:
    text = " ".join(clean(content_text(value)[: limit * 4]).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def content_text(content: Any) -> str:  # noqa: ANN401 - a tool's result is any JSON
    """A tool's result as text: its one text field where it is that simple, else JSON."""
    match content:
        case None:
            return ""
        case str():
            return content
        case {"text": str(text)} | {"output": str(text)} | {"content": str(text)} | {"result": str(text)} if (
            len(content) == 1
        ):
            return text
        case _:
            return json.dumps(content, ensure_ascii=False, default=str)


def _entities(diff: EntityDiff | None) -> str:
    if diff is None:
        return ""
    changes = [f"+{describe(e)}" for e in diff.add] + [f"-{describe(e)}" for e in diff.remove]
    return clean(" [" + ", ".join(changes) + "]") if changes else ""
