"""A task's transcript as Markdown that a person enjoys reading."""

import re
from collections.abc import Iterable, Iterator

from neo_mcp.core.attention import request_kind
from neo_mcp.core.render import call_line, content_text
from neo_mcp.core.sanitize import clean
from neo_mcp.core.state import TODO_TOOL, read_todos
from neo_mcp.wire import (
    AssistantMessage,
    Cancelled,
    ChangeEntities,
    ContextCompression,
    ErrorEvent,
    Event,
    SetTaskName,
    Task,
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

_OUTPUT_LINES = 40
_WIDTH = 400
_FENCES = re.compile(r"`{3,}|~{3,}")


def transcript(task: Task, events: Iterable[Event], *, url: str) -> str:
    """The whole conversation, oldest first, under a heading that says which task it is."""
    return "\n\n".join([heading(task, url=url), *conversation(events)]) + "\n"


def heading(task: Task, *, url: str) -> str:
    """Name, status, settings and entities of a task."""
    settings = [str(task.status), f"approval mode {task.approval_mode}" if task.approval_mode else ""]
    settings += ["plan mode"] if task.plan_mode else []
    settings += ["read-only"] if task.permission_mode == "read-only" else []
    about = ", ".join(describe(entity) for entity in task.entities)
    lines = [
        f"# {clean(task.name) or task.id}",
        f"Task `{task.id}` · {' · '.join(part for part in settings if part)} · started {task.created_at}",
        *([f"About: {clean(about)}"] if about else []),
        f"Web page: <{url}>",
    ]
    return "\n\n".join(lines)


def conversation(events: Iterable[Event]) -> Iterator[str]:
    """One Markdown block per event that has something to show."""
    for event in events:
        block = event_block(event)
        if block:
            yield block


def event_block(event: Event) -> str:  # noqa: C901, PLR0911, PLR0912 - flat, one arm per event type
    """One event as Markdown; empty where there is nothing to show."""
    body = event.body
    match body:
        case UserMessage():
            return f"{_who('You', body.timestamp)}\n\n{_quote(body.content)}"
        case AssistantMessage():
            return _assistant_block(body)
        case ToolResponse():
            return _result_block(body.name, body.content, is_error=body.is_error)
        case ToolResults():
            rows = (_result_block(r.name, r.content, is_error=r.is_error) for r in body.tool_results)
            return "\n\n".join([f"{_who('You', body.timestamp)} ran the tools Neo asked for", *rows])
        case UserApprovalRequest():
            return _request_block(body)
        case UserConfirmation():
            answer = "**Approved**" if body.ok else "**Declined or answered**"
            by = " automatically" if event.is_synthetic else ""
            said = f"\n\n{_quote(body.instructions)}" if body.instructions else ""
            return f"{answer}{by} (`{body.approval_request_id}`){said}"
        case UserCancel():
            return f"{_who('You', body.timestamp)} asked Neo to stop"
        case ErrorEvent():
            return f"**Error**: {clean(body.message)}"
        case WarningEvent():
            return f"**Warning**: {clean(body.message)}"
        case Cancelled():
            return "**Cancelled**"
        case SetTaskName():
            return f"*Task renamed to {clean(body.name)}*"
        case ChangeEntities():
            added = [f"+ {describe(entity)}" for entity in body.changes.add]
            removed = [f"- {describe(entity)}" for entity in body.changes.remove]
            return f"*Context: {clean(', '.join(added + removed))}*"
        case ContextCompression():
            return f"*Context {body.status}*"
        case UnknownBody():
            extra = {key: value for key, value in (body.model_extra or {}).items() if key != "type"}
            return f"*{clean(body.type)}*\n\n{fenced(content_text(extra), 'json')}"
        case Unreadable():
            return f"*An event could not be read: {body.reason}*"
        case _:
            return ""


def fenced(text: str, language: str = "") -> str:
    """``text`` as a code block that nothing inside it can close."""
    text = clean(text).rstrip()
    longest = max((len(run) for run in _FENCES.findall(text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _who(name: str, timestamp: str) -> str:
    clock = timestamp[11:16]
    return f"**{name}**" + (f" · {clock}" if clock else "")


def _quote(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in clean(text).strip().splitlines())


def _assistant_block(message: AssistantMessage) -> str:
    blocks: list[str] = []
    if message.content.strip():
        blocks.append(f"{_who('Neo', message.timestamp)}\n\n{clean(message.content).strip()}")
    blocks += [_call_block(call) for call in message.tool_calls]
    return "\n\n".join(blocks)


def _call_block(call: ToolCall) -> str:
    if call.name != TODO_TOOL:
        return f"▸ `{call_line(call)}`"
    return "\n".join(
        f"- [{'x' if todo.status == 'completed' else ' '}] {clean(todo.content)}"
        + (" *(now)*" if todo.status == "in_progress" else "")
        for todo in read_todos(call)
    )


def _result_block(name: str, content: object, *, is_error: bool) -> str:
    lines = clean(content_text(content)).rstrip().splitlines()
    shown = [line if len(line) <= _WIDTH else line[:_WIDTH] + "…" for line in lines[:_OUTPUT_LINES]]
    if len(lines) > _OUTPUT_LINES:
        shown.append(f"… {len(lines) - _OUTPUT_LINES:,} more lines")
    title = f"◂ `{clean(name)}` {'failed' if is_error else 'finished'}"
    return f"{title}\n\n{fenced(chr(10).join(shown))}" if shown else title


def _request_block(request: UserApprovalRequest) -> str:
    kind = str(request_kind(request)).capitalize()
    sensitivity = f" · {request.sensitivity}" if request.sensitivity else ""
    blocks = [f"**{kind} requested**{sensitivity} (`{request.id}`)\n\n{_quote(request.message)}"]
    if request.context is not None:
        if request.context.plan_description:
            blocks.append(clean(request.context.plan_description).strip())
        for file, patch in (request.context.git_diff or {}).items():
            blocks.append(f"`{clean(file)}`\n\n{fenced(patch, 'diff')}")
    return "\n\n".join(blocks)
