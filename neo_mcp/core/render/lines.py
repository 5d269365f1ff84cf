"""Events as short lines for a model, and texts cut to a budget.

A budget is counted in estimated tokens, three UTF-8 bytes each: more than models need for prose and code. A
cut text says so, and where the whole is.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, assert_never

from neo_mcp.core.attention import request_kind
from neo_mcp.core.masking import masked
from neo_mcp.core.sanitize import Tally, named, raw_head
from neo_mcp.core.todos import TODO_TOOL, read_todos
from neo_mcp.hidden_text import first_characters
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
from neo_mcp.wire.events import NoticeBody, PersonBody, StrangeBody, WorkBody

_BYTES_PER_TOKEN = 3
_MESSAGE_LIMIT = 1500
_EXCERPT_LIMIT = 240
_EVENT_LIMIT = 4000
_ARGUMENT_LIMIT = 80
_NAME_LIMIT = 200
_ITEMS = 12

_BLOCK = 2000
"""Characters of a text that are processed at a time."""

_JSON = json.JSONEncoder(ensure_ascii=False, default=str)


def estimate_tokens(text: str) -> int:
    """A conservative estimate of the tokens that ``text`` takes in a model."""
    return -(-len(text.encode("utf-8", "replace")) // _BYTES_PER_TOKEN)


def cut(text: str, tokens: int, rest: str) -> str:
    """Cut ``text`` to ``tokens``; a note says how much is missing and that ``rest`` has it."""
    budget = max(tokens, 0) * _BYTES_PER_TOKEN
    if len(text) <= budget and estimate_tokens(text) <= tokens:
        return text
    # The note for a text of which nothing is left is the longest one.
    available = budget - len(f"\n{cut_note(text, rest)}".encode("utf-8", "replace"))
    if available < 0:
        note = f"[cut: {len(text)} more characters]"
        return note if len(note) <= budget else ""
    shown = first_bytes(text, available)
    return f"{shown}\n{cut_note(text[len(shown) :], rest)}"


def fitting(text: str, tokens: int) -> str:
    """The longest beginning of ``text`` that fits into ``tokens``."""
    return first_bytes(text, max(tokens, 0) * _BYTES_PER_TOKEN)


def cut_note(missing: str, rest: str) -> str:
    """A note that says how much of a text is missing, and that ``rest`` has it."""
    lines = missing.count("\n")
    extent = f"{len(missing)} more characters" + (f", {lines} lines" if lines else "")
    return f"[cut: {extent}; {rest}]"


def first_bytes(text: str, limit: int) -> str:
    """The first characters of clean ``text`` that take at most ``limit`` bytes."""
    fits = text[:limit].encode("utf-8", "replace")[:limit].decode("utf-8", "ignore")
    return first_characters(text, len(fits))


@dataclass(frozen=True, slots=True)
class Lines:
    """Events as lines, oldest first.

    Attributes:
        omitted: How many older events did not fit.
        removed: How many invisible characters and terminal sequences were removed from the lines.
    """

    lines: tuple[str, ...]
    omitted: int
    removed: int = 0


def question_ids(events: Iterable[Event]) -> frozenset[str]:
    """Ids of the requests among the events that are questions."""
    bodies = (event.body for event in events)
    return frozenset(body.id for body in bodies if isinstance(body, UserApprovalRequest) and body.is_question)


def event_lines(events: Sequence[Event], tokens: int) -> Lines:
    """The most recent ``events`` that fit into ``tokens``, one line each; silent ones are left out.

    Reads backwards from the last event and no further than the budget. The last line is cut rather than left
    out.
    """
    lines: list[str] = []
    removed = 0
    questions = question_ids(events)
    for index in range(len(events) - 1, -1, -1):
        tally = Tally()
        line = event_line(events[index], tally, questions)
        if not line:
            continue
        shown = line if lines else _cut_event(line, tokens - 2)
        tokens -= estimate_tokens(shown) + 2
        if tokens < 0 or not shown:
            return Lines(tuple(reversed(lines)), index + 1, removed)
        lines.append(shown)
        removed += tally.removed
    return Lines(tuple(reversed(lines)), 0, removed)


def event_line(event: Event, tally: Tally | None = None, questions: Collection[str] = ()) -> str:
    """One event in short; empty if other events report the same better.

    Only its first line begins at the margin, with a label for the kind of event.

    Args:
        event: The event.
        tally: Counts what is removed from it.
        questions: Ids of requests that are known to be questions.
    """
    return _limit(_event_line(event, tally or Tally(), questions), _EVENT_LIMIT)


def decision_words(event: Event, body: UserConfirmation, questions: Collection[str]) -> str:
    """The decision on a request, by a person or by the service itself."""
    # Only a question is answered in words. The service also closes requests of a cancelled turn, without any.
    is_answer = body.approval_request_id in questions or (not body.ok and bool(body.instructions))
    if event.is_synthetic and is_answer:
        return "answered automatically"
    return ("approved" if body.ok else "declined or answered") + (
        " automatically" if event.is_synthetic else ""
    )


def _decision_line(event: Event, body: UserConfirmation, tally: Tally, questions: Collection[str]) -> str:
    reply = f": {_shorten(body.instructions, tally)}" if body.instructions else ""
    return f"{decision_words(event, body, questions)} {named(body.approval_request_id)}{reply}"


def _cut_event(line: str, tokens: int) -> str:
    """Like :func:`cut`; the note is indented like all but an event's first line."""
    return cut(line, tokens - 1, "the transcript has the whole").replace("\n[cut: ", "\n  [cut: ")


def _event_line(event: Event, tally: Tally, questions: Collection[str]) -> str:
    body = event.body
    if isinstance(body, WorkBody):
        return _work_line(body, tally)
    if isinstance(body, PersonBody):
        return _person_line(event, body, tally, questions)
    if isinstance(body, NoticeBody):
        return _notice_line(body, tally)
    return _strange_line(body, tally)


def _person_line(event: Event, body: PersonBody, tally: Tally, questions: Collection[str]) -> str:
    match body:
        case UserMessage():
            return f"user: {_shorten(body.content, tally)}" + _entities(body.entity_diff, tally)
        case UserConfirmation():
            return _decision_line(event, body, tally, questions)
        case ToolResults():
            rows = [
                f"user {_result_line(result.name, result.content, tally, is_error=result.is_error)}"
                for result in body.tool_results[:_ITEMS]
            ]
            return "\n ".join([*rows, *_more(body.tool_results, "results")])
        case UserCancel():
            return "user: asked Neo to stop"
        case _:
            assert_never(body)


def _work_line(body: WorkBody, tally: Tally) -> str:
    match body:
        case AssistantMessage():
            return _assistant_line(body, tally)
        case ToolResponse() if body.name != TODO_TOOL:
            return _result_line(body.name, body.content, tally, is_error=body.is_error)
        case UserApprovalRequest():
            return f"{request_kind(body)} requested ({named(body.id)}): {tally.one_line(body.message)}"
        case ExecToolCallProgress(tool_call_id="", name=str(name)) if name and body.words:
            return f"progress of {named(name)}: {_excerpt(body.words, tally)}"
        case ExecToolCall() | ExecToolCallProgress() | ToolResponse():
            # They show in the current activity, and a to-do list in the call.
            return ""
        case _:
            assert_never(body)


def _notice_line(body: NoticeBody, tally: Tally) -> str:
    match body:
        case AwaitingApprovals():
            line = "neo: cannot take input while an approval is pending"
        case ErrorEvent():
            line = f"error: {_shorten(body.message, tally)}"
        case WarningEvent():
            line = f"warning: {_shorten(body.message, tally)}"
        case Cancelled():
            line = "cancelled"
        case SetTaskName():
            line = f"task renamed: {tally.one_line(body.name)}"
        case ChangeEntities():
            line = f"context changed:{_entities(body.changes, tally)}"
        case ContextCompression():
            line = f"context {body.status}" if body.status == "compressed" else ""
        case ProvidePulumiAccessToken():
            # A secret of the service's own, which must not be shown.
            line = ""
        case _:
            assert_never(body)
    return line


def _strange_line(body: StrangeBody, tally: Tally) -> str:
    if isinstance(body, UnknownBody):
        return f"event {named(body.type)}: {_excerpt(body.model_extra, tally)}"
    return f"[an event could not be read: {tally.one_line(body.reason)}]"


def call_line(call: ToolCall, tally: Tally | None = None) -> str:
    """A tool call in short, such as ``pulumi__preview(stack=prod)``."""
    tally = tally or Tally()
    args = [_argument(key, value, tally) for key, value in islice(masked(call.args).items(), _ITEMS)]
    args += ["…"] if len(call.args) > _ITEMS else []
    return f"{named(call.name)}({', '.join(args)})"


def _argument(key: str, value: object, tally: Tally) -> str:
    # In one piece: beside its name, a secret is recognised.
    name = tally.one_line(key, 40)
    shown, _ = _head(value, _ARGUMENT_LIMIT * 4)
    return tally.one_line(f"{name}={shown}", len(name) + 1 + _ARGUMENT_LIMIT)


def _assistant_line(message: AssistantMessage, tally: Tally) -> str:
    rows: list[str] = []
    if message.content.strip():
        label = "neo (final)" if message.is_final else "neo"
        rows.append(f"{label}: {_shorten(message.content, tally)}")
    for call in message.tool_calls[:_ITEMS]:
        if call.name == TODO_TOOL:
            rows.append(_todo_line(call, tally))
        else:
            where = f" [to be run by: {named(str(call.execution_mode))}]" if call.runs_elsewhere else ""
            rows.append(f"call {call_line(call, tally)}{where}")
    return "\n ".join([*rows, *_more(message.tool_calls, "calls")])


def _todo_line(call: ToolCall, tally: Tally) -> str:
    marks = {"completed": "x", "in_progress": ">"}
    todos = read_todos(call)
    items = [f"[{marks.get(todo.status, ' ')}] {tally.one_line(todo.content, 60)}" for todo in todos[:_ITEMS]]
    return " ".join(["to-do:", *items, *_more(todos, "items")])


def _result_line(name: str, content: object, tally: Tally, *, is_error: bool) -> str:
    text, is_whole = content_head(content, _MESSAGE_LIMIT)
    size = f" ({_length(content, text, is_whole=is_whole)} characters)" if len(text) > _EXCERPT_LIMIT else ""
    status = "failed" if is_error else "ok"
    return f"ran {named(name)} {status}{size}: {tally.one_line(text, _EXCERPT_LIMIT)}"


def _length(content: object, head: str, *, is_whole: bool) -> str:
    """The length of the text of ``content``, as far as it is known without joining many pieces."""
    if is_whole:
        return f"{len(head):,}"
    first = next(_pieces(content), "")
    return f"{len(first):,}" if len(first) >= len(head) else f"over {_MESSAGE_LIMIT:,}"


def _limit(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    shown = first_characters(text, limit)
    return f"{shown}… [{len(text) - len(shown):,} more characters]"


def _shorten(text: str, tally: Tally) -> str:
    """Prose within bounds, indented after its first line: no line of it can pass for an event's."""
    shown, is_whole = tally.head(text.strip(), _MESSAGE_LIMIT)
    head = first_characters(shown, _MESSAGE_LIMIT)
    # The part that is not read is counted as received.
    more = len(shown) - len(head) if is_whole else len(text) - len(head)
    return head.replace("\n", "\n  ") + (f"… [{more:,} more characters]" if more else "")


def _excerpt(value: object, tally: Tally) -> str:
    return tally.one_line(content_head(value, _EXCERPT_LIMIT * 4)[0], _EXCERPT_LIMIT)


def _more(items: Sequence[object], what: str) -> list[str]:
    return [f"… and {len(items) - _ITEMS} more {what}"] if len(items) > _ITEMS else []


def content_head(content: Any, limit: int) -> tuple[str, bool]:  # noqa: ANN401 - a tool's result is any JSON
    """The beginning of :func:`content_text`, and whether it is all of it.

    Args:
        content: Any JSON.
        limit: Minimum number of characters to show, if there are as many.
    """
    return _head(masked(content), limit)


def _head(content: Any, limit: int) -> tuple[str, bool]:  # noqa: ANN401 - as above
    if isinstance(content, str) and len(content) <= limit:
        return content, True
    blocks: list[str] = []
    size, enough = 0, limit + _BLOCK
    for block in _blocks(content):
        blocks.append(block)
        size += len(block)
        if size > enough:
            text = "".join(blocks)
            head = raw_head(text, limit)
            if head is not text:
                return head, False
            # Most of it shows nothing.
            blocks, enough = [text], 8 * size
    return "".join(blocks), True


def _blocks(content: Any) -> Iterator[str]:  # noqa: ANN401 - a tool's result is any JSON
    for piece in _pieces(content):
        for start in range(0, len(piece), _BLOCK):
            yield piece[start : start + _BLOCK]


def content_text(content: Any) -> str:  # noqa: ANN401 - a tool's result is any JSON
    """A tool's result as readable text: text as it is, fields by name, else JSON."""
    return "".join(_pieces(masked(content)))


def _pieces(content: Any) -> Iterator[str]:  # noqa: ANN401 - a tool's result is any JSON
    match content:
        case None:
            pass
        case str():
            yield content
        case (
            {"text": str(text)}
            | {"output": str(text)}
            | {"content": str(text)}
            | {"result": str(text)}
            | {"diff": str(text)}
            | {"stdout": str(text)}
        ) if len(content) == 1:
            yield text
        case dict() if _is_a_form_of_texts(content):
            for key, value in content.items():
                text = value if isinstance(value, str) else _JSON.encode(value)
                yield f"{key}:\n" if "\n" in text else f"{key}: "
                yield text
                yield "" if text.endswith("\n") else "\n"
        case _:
            yield from _JSON.iterencode(content)


def _is_a_form_of_texts(content: dict[str, Any]) -> bool:
    """True if JSON would hide the lines of a text among plain fields, as in a command's output."""
    values = content.values()
    if any(isinstance(value, dict | list) for value in values):
        return False
    return any(isinstance(value, str) and "\n" in value for value in values)


def _entities(diff: EntityDiff | None, tally: Tally) -> str:
    if diff is None:
        return ""
    changes = [("+", entity) for entity in diff.add] + [("-", entity) for entity in diff.remove]
    shown = [sign + tally.one_line(describe(entity), _NAME_LIMIT) for sign, entity in changes[:_ITEMS]]
    return f" [{', '.join([*shown, *_more(changes, 'entities')])}]" if changes else ""
