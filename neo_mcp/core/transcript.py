"""A task's transcript as Markdown that a person enjoys reading."""

import re
from collections.abc import Iterable, Iterator

from neo_mcp.core.attention import request_kind
from neo_mcp.core.render import call_line, content_head
from neo_mcp.core.sanitize import clean, one_line
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
_OUTPUT_LIMIT = 2 * _OUTPUT_LINES * _WIDTH
_BACKTICKS = re.compile(r"`+")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")


def transcript(task: Task, events: Iterable[Event], *, url: str) -> str:
    """The whole conversation, oldest first, under a heading that says which task it is."""
    return "\n\n".join([heading(task, url=url), *conversation(events)]) + "\n"


def heading(task: Task, *, url: str) -> str:
    """Name, status, settings and entities of a task."""
    settings = [str(task.status), f"approval mode {task.approval_mode}" if task.approval_mode else ""]
    settings += ["plan mode"] if task.plan_mode else []
    settings += ["read-only"] if task.permission_mode == "read-only" else []
    state = " · ".join(part for part in settings if part)
    about = ", ".join(one_line(describe(entity)) for entity in task.entities)
    lines = [
        f"# {one_line(task.name) or task.id}",
        f"Task {code(task.id)} · {state} · started {one_line(task.created_at)}",
        *([f"About: {about}"] if about else []),
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
        case ToolResponse(name=name) if name == TODO_TOOL:
            return ""
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
            return f"{answer}{by} ({code(body.approval_request_id)}){said}"
        case UserCancel():
            return f"{_who('You', body.timestamp)} asked Neo to stop"
        case ErrorEvent():
            return f"**Error**\n\n{_quote(body.message)}"
        case WarningEvent():
            return f"**Warning**\n\n{_quote(body.message)}"
        case Cancelled():
            return "**Cancelled**"
        case SetTaskName():
            return f"*Task renamed to {one_line(body.name)}*"
        case ChangeEntities():
            added = [f"+ {one_line(describe(entity))}" for entity in body.changes.add]
            removed = [f"- {one_line(describe(entity))}" for entity in body.changes.remove]
            return f"*Context: {', '.join(added + removed)}*"
        case ContextCompression():
            return f"*Context {one_line(body.status)}*"
        case UnknownBody():
            return f"*{one_line(body.type)}*\n\n{fenced(_output(body.model_extra), 'json')}"
        case Unreadable():
            return f"*An event could not be read: {one_line(body.reason)}*"
        case _:
            return ""


def fenced(text: str, language: str = "") -> str:
    """``text`` as a code block that nothing inside it can close."""
    text = clean(text).rstrip()
    fence = "`" * max(_longest_run(text) + 1, 3)
    return f"{fence}{language}\n{text}\n{fence}"


def prose(markdown: str) -> str:
    """``markdown`` with a code block that it leaves open closed, so that it cannot take in what follows."""
    markdown = clean(markdown).strip()
    opened = ""
    for line in markdown.split("\n"):
        match = _FENCE.match(line)
        if match is None:
            continue
        fence, rest = match.groups()
        if not opened:
            # Backticks after backticks make code within a line, not a block.
            opened = "" if fence[0] == "`" and "`" in rest else fence
        elif fence.startswith(opened) and not rest.strip():
            opened = ""
    return f"{markdown}\n{opened}" if opened else markdown


def code(text: str) -> str:
    """``text`` as code within a line, which nothing inside it can close."""
    text = one_line(text, _WIDTH)
    mark = "`" * (_longest_run(text) + 1)
    # The spaces are no part of it; they keep its own backticks from the marks.
    return f"{mark} {text} {mark}" if "`" in text or not text else f"{mark}{text}{mark}"


def _longest_run(text: str) -> int:
    return max(map(len, _BACKTICKS.findall(text)), default=0)


def _who(name: str, timestamp: str) -> str:
    clock = one_line(timestamp[11:16])
    return f"**{name}**" + (f" · {clock}" if clock else "")


def _quote(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in clean(text).strip().splitlines())


def _assistant_block(message: AssistantMessage) -> str:
    blocks: list[str] = []
    if message.content.strip():
        blocks.append(f"{_who('Neo', message.timestamp)}\n\n{prose(message.content)}")
    blocks += [_call_block(call) for call in message.tool_calls]
    return "\n\n".join(blocks)


def _call_block(call: ToolCall) -> str:
    if call.name != TODO_TOOL:
        return f"▸ {code(call_line(call))}"
    return "\n".join(
        f"- [{'x' if todo.status == 'completed' else ' '}] {one_line(todo.content)}"
        + (" *(now)*" if todo.status == "in_progress" else "")
        for todo in read_todos(call)
    )


def _result_block(name: str, content: object, *, is_error: bool) -> str:
    title = f"◂ {code(name)} {'failed' if is_error else 'finished'}"
    shown = _output(content)
    return f"{title}\n\n{fenced(shown)}" if shown else title


def _output(content: object) -> str:
    """The first lines of a tool's result; costs no more for a longer one."""
    head = content_head(content, _OUTPUT_LIMIT)
    lines = clean(head[:_OUTPUT_LIMIT]).rstrip().split("\n")
    shown = [line if len(line) <= _WIDTH else line[:_WIDTH] + "…" for line in lines[:_OUTPUT_LINES]]
    if len(head) > _OUTPUT_LIMIT:
        shown.append(f"… and more: the result is over {_OUTPUT_LIMIT:,} characters")
    elif len(lines) > _OUTPUT_LINES:
        shown.append(f"… {len(lines) - _OUTPUT_LINES:,} more lines")
    return "\n".join(shown)


def _request_block(request: UserApprovalRequest) -> str:
    kind = str(request_kind(request)).capitalize()
    sensitivity = f" · {one_line(request.sensitivity)}" if request.sensitivity else ""
    blocks = [f"**{kind} requested**{sensitivity} ({code(request.id)})\n\n{_quote(request.message)}"]
    if request.context is not None:
        if request.context.plan_description:
            blocks.append(prose(request.context.plan_description))
        for file, patch in (request.context.git_diff or {}).items():
            blocks.append(f"{code(file)}\n\n{fenced(patch, 'diff')}")
    return "\n\n".join(blocks)
