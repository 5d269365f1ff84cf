"""A task's transcript as readable Markdown.

Messages and tool results are in a quotation, a code block, or code within a line, none of which they can
close: a heading or a turn in them cannot be taken for one of the transcript's own.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from typing import assert_never

from neo_mcp.core.attention import request_kind
from neo_mcp.core.links import plain_markdown, safe_markdown
from neo_mcp.core.render.content import content_head
from neo_mcp.core.render.lines import call_line, decision_words, question_ids
from neo_mcp.core.sanitize import Tally, cut, quotation, removed_note
from neo_mcp.core.state import fold
from neo_mcp.core.times import all_dated
from neo_mcp.core.todos import TODO_TOOL, read_todos
from neo_mcp.wire import (
    AssistantMessage,
    AwaitingApprovals,
    Cancelled,
    ChangeEntities,
    ContextCompression,
    ErrorEvent,
    Event,
    ExecToolCall,
    ExecToolCallProgress,
    ProvidePulumiAccessToken,
    SetTaskName,
    Task,
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
from neo_mcp.wire.events import NoticeBody, PersonBody, StrangeBody, WorkBody

_OUTPUT_LINES = 40
_WIDTH = 400
_OUTPUT_LIMIT = 2 * _OUTPUT_LINES * _WIDTH
_BACKTICKS = re.compile(r"`+")
_CLOCK = re.compile(r".{10}T(\d\d:\d\d)", re.ASCII)


def transcript(task: Task, events: Iterable[Event], *, url: str) -> str:
    """The whole conversation, oldest first, under a heading that names the task."""
    tally = Tally()
    events = list(events)
    is_planning = task.plan_mode and not fold(events).plan_accepted
    title = heading(task, url=url, tally=tally, is_planning=is_planning)
    blocks = [title, *conversation(events, tally)]
    blocks += [f"*{removed_note(tally.removed)}*"] if tally.removed else []
    return "\n\n".join(blocks) + "\n"


def heading(task: Task, *, url: str, tally: Tally | None = None, is_planning: bool | None = None) -> str:
    """Name, status, settings and entities of a task.

    Args:
        task: The task.
        url: Its web page.
        tally: Counts what is removed from it.
        is_planning: Whether plan mode still holds; ``None`` to use the task's own setting, which is how it
            started.
    """
    tally = tally or Tally()
    settings = [str(task.status), f"approval mode {task.approval_mode}" if task.approval_mode else ""]
    settings += ["plan mode"] if (task.plan_mode if is_planning is None else is_planning) else []
    settings += ["read-only"] if task.permission_mode == "read-only" else []
    state = " · ".join(_plain(part, tally) for part in settings if part)
    about = _listed((describe(entity) for entity in task.entities), tally)
    lines = [
        f"# {_plain(task.name, tally) or _plain(task.id, tally)}",
        f"Task {code(task.id)} · {state} · started {_plain(task.created_at, tally)}",
        *([f"About: {about}"] if about else []),
        f"Web page: <{url}>",
    ]
    return "\n\n".join(lines)


def conversation(events: Iterable[Event], tally: Tally | None = None) -> Iterator[str]:
    """One Markdown block per event that has something to show."""
    questions: set[str] = set()
    for event in all_dated(events):
        questions |= question_ids([event])
        block = event_block(event, tally, questions)
        if block:
            yield block


def event_block(event: Event, tally: Tally | None = None, questions: Collection[str] = ()) -> str:
    """One event as Markdown; empty if there is nothing to show.

    Args:
        event: The event.
        tally: Counts what is removed from it.
        questions: Ids of requests that are known to be questions.
    """
    body, tally = event.body, tally or Tally()
    if isinstance(body, WorkBody):
        return _work_block(event, body, tally)
    if isinstance(body, PersonBody):
        return _person_block(event, body, tally, questions)
    if isinstance(body, NoticeBody):
        return _notice_block(body, tally)
    return _strange_block(body, tally)


def _person_block(event: Event, body: PersonBody, tally: Tally, questions: Collection[str]) -> str:
    match body:
        case UserMessage():
            return f"{_who('You', event)}\n\n{_quoted(body.content, tally)}"
        case ToolResults():
            rows = (_result_block(r.name, r.content, tally, is_error=r.is_error) for r in body.tool_results)
            return "\n\n".join([f"{_who('You', event)} ran the tools Neo asked for", *rows])
        case UserConfirmation():
            words, automatically = decision_words(event, body, questions)
            answer = f"**{words.capitalize()}**{automatically}"
            reply = f"\n\n{_quoted(body.instructions, tally)}" if body.instructions else ""
            return f"{answer} ({code(body.approval_request_id)}){reply}"
        case UserCancel():
            return f"{_who('You', event)} asked Neo to stop"
        case _:
            assert_never(body)


def _work_block(event: Event, body: WorkBody, tally: Tally) -> str:
    match body:
        case AssistantMessage():
            return _assistant_block(event, body, tally)
        case ToolResponse() if body.name != TODO_TOOL:
            return _result_block(body.name, body.content, tally, is_error=body.is_error)
        case UserApprovalRequest():
            return _request_block(body, tally)
        case ExecToolCall() | ExecToolCallProgress() | ToolResponse():
            # The call itself is shown, with a to-do list in it.
            return ""
        case _:
            assert_never(body)


def _notice_block(body: NoticeBody, tally: Tally) -> str:
    match body:
        case ErrorEvent():
            block = f"**Error**\n\n{_quoted(body.message, tally)}"
        case WarningEvent():
            block = f"**Warning**\n\n{_quoted(body.message, tally)}"
        case Cancelled():
            block = "**Cancelled**"
        case SetTaskName():
            block = f"*Task renamed to* {code(body.name, tally)}"
        case ChangeEntities():
            changes = [("+", entity) for entity in body.changes.add]
            changes += [("-", entity) for entity in body.changes.remove]
            block = f"*Context:* {_listed((f'{sign} {describe(entity)}' for sign, entity in changes), tally)}"
        case ContextCompression():
            block = f"*Context* {code(body.status, tally)}"
        case AwaitingApprovals() | ProvidePulumiAccessToken():
            # The requests themselves are shown; the service's own secret must not be.
            block = ""
        case _:
            assert_never(body)
    return block


def _strange_block(body: StrangeBody, tally: Tally) -> str:
    if isinstance(body, UnknownBody):
        return f"*Event* {code(body.type, tally)}\n\n{fenced(_output(body.model_extra, tally), 'json')}"
    return f"*An event could not be read:* {code(body.reason, tally)}"


def _quoted(text: str, tally: Tally) -> str:
    """A message's Markdown as a quotation, without images and unsafe links."""
    # In its final position: code at the margin may not be code behind a mark.
    return safe_markdown(quotation(tally.clean(text)))


def _plain(text: str, tally: Tally) -> str:
    return plain_markdown(tally.one_line(text))


def _listed(names: Iterable[str], tally: Tally) -> str:
    return ", ".join(code(name, tally) for name in names)


def fenced(text: str, language: str = "") -> str:
    """Clean ``text`` as a code block that nothing inside it can close."""
    text = text.rstrip()
    fence = "`" * max(_backtick_run(text) + 1, 3)
    return f"{fence}{language}\n{text}\n{fence}"


def code(text: str, tally: Tally | None = None) -> str:
    """``text`` as code within a line, which nothing inside it can close."""
    text = (tally or Tally()).one_line(text, _WIDTH)
    mark = "`" * (_backtick_run(text) + 1)
    # The spaces are not part of it; they separate its own backticks from the marks.
    return f"{mark} {text} {mark}" if "`" in text or not text else f"{mark}{text}{mark}"


def _backtick_run(text: str) -> int:
    return max(map(len, _BACKTICKS.findall(text)), default=0)


def _who(name: str, event: Event) -> str:
    clock = _CLOCK.match(event.body.timestamp)
    about = "about " if event.timestamp_estimated else ""
    return f"**{name}**" + (f" · {about}{clock[1]}" if clock else "")


def _assistant_block(event: Event, message: AssistantMessage, tally: Tally) -> str:
    blocks: list[str] = []
    if message.content.strip():
        blocks.append(f"{_who('Neo', event)}\n\n{_quoted(message.content, tally)}")
    blocks += [_call_block(call, tally) for call in message.tool_calls]
    return "\n\n".join(blocks)


def _call_block(call: ToolCall, tally: Tally) -> str:
    if call.name != TODO_TOOL:
        return f"▸ {code(call_line(call, tally))}"
    return "\n".join(
        f"- [{'x' if todo.status == 'completed' else ' '}] {_plain(todo.content, tally)}"
        + (" *(now)*" if todo.status == "in_progress" else "")
        for todo in read_todos(call)
    )


def _result_block(name: str, content: object, tally: Tally, *, is_error: bool) -> str:
    title = f"◂ {code(name, tally)} {'failed' if is_error else 'finished'}"
    shown = _output(content, tally)
    return f"{title}\n\n{fenced(shown)}" if shown else title


def _output(content: object, tally: Tally) -> str:
    """The first lines of a tool's result; the cost does not grow with its length."""
    text, is_whole = content_head(content, _OUTPUT_LIMIT)
    cleaned, is_all = tally.head(text, _OUTPUT_LIMIT)
    lines = cleaned.rstrip().split("\n")
    shown = [cut(line, _WIDTH + 1) for line in lines[:_OUTPUT_LINES]]
    if not (is_whole and is_all):
        shown.append(f"… and more: the result is over {_OUTPUT_LIMIT:,} characters")
    elif len(lines) > _OUTPUT_LINES:
        shown.append(f"… {len(lines) - _OUTPUT_LINES:,} more lines")
    return "\n".join(shown)


def _request_block(request: UserApprovalRequest, tally: Tally) -> str:
    kind = str(request_kind(request)).capitalize()
    sensitivity = f" · {_plain(request.sensitivity, tally)}" if request.sensitivity else ""
    blocks = [f"**{kind} requested**{sensitivity} ({code(request.id)})\n\n{_quoted(request.message, tally)}"]
    if request.context is not None:
        if request.context.plan_description:
            blocks.append(_quoted(request.context.plan_description, tally))
        for file, patch in (request.context.git_diff or {}).items():
            blocks.append(f"{code(file, tally)}\n\n{fenced(tally.clean(patch), 'diff')}")
    return "\n\n".join(blocks)
