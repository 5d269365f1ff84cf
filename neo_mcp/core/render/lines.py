"""Events as short lines, and texts cut to a budget.

A line is a value until it is shown: a terminal colours it by its kind, the tools put its text into results.
A budget is counted in estimated tokens, three UTF-8 bytes each: more than models need for prose and code. A
cut text ends with a note on what is missing and where to find it.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import assert_never

from neo_mcp.core.attention import request_kind
from neo_mcp.core.effort import Effort
from neo_mcp.core.masking import masked
from neo_mcp.core.render.content import content_head, head_of, pieces_of
from neo_mcp.core.sanitize import Tally, named
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
_DECISIONS = {True: "approved", False: "declined or answered"}


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


class LineKind(StrEnum):
    """The subject of a line."""

    NEO = "neo"
    USER = "user"
    CALL = "call"
    TODO = "to-do"
    REQUEST = "request"
    ERROR = "error"
    WARNING = "warning"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Line:
    """A line about an event; as text, only its label begins at the margin.

    Attributes:
        kind: Its subject.
        label: Our own words; a foreign name in them is quoted.
        text: Foreign words, clean and within bounds, if there are any.
    """

    kind: LineKind
    label: str
    text: str | None = None

    def __str__(self) -> str:
        if self.text is None:
            return self.label
        indented = self.text.replace("\n", "\n  ")
        return f"{self.label}: {indented}"


@dataclass(frozen=True, slots=True)
class Lines:
    """The text of events, oldest first.

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
    """:func:`lines_of` an event as text; only its first line begins at the margin."""
    return _limit("\n ".join(map(str, lines_of(event, tally, questions))), _EVENT_LIMIT)


def lines_of(event: Event, tally: Tally | None = None, questions: Collection[str] = ()) -> list[Line]:
    """Return an event's lines; empty if other events already report it.

    Args:
        event: The event.
        tally: Counts what is removed from it.
        questions: Ids of requests that are known to be questions.
    """
    body, tally = event.body, tally or Tally()
    if isinstance(body, WorkBody):
        return _work_lines(body, tally)
    if isinstance(body, PersonBody):
        return _person_lines(event, body, tally, questions)
    if isinstance(body, NoticeBody):
        line = _notice_line(body, tally)
        return [line] if line else []
    return [_fallback_line(body, tally)]


def decision_words(event: Event, body: UserConfirmation, questions: Collection[str]) -> tuple[str, str]:
    """The decision on a request, and how it was made if not by a person."""
    # Only a question is answered in words. The service also closes requests of a cancelled turn, without any.
    is_answer = body.approval_request_id in questions or (not body.ok and bool(body.instructions))
    if event.is_synthetic:
        return "answered" if is_answer else _DECISIONS[body.ok], " automatically"
    return _DECISIONS[body.ok], ""


def _cut_event(line: str, tokens: int) -> str:
    """Like :func:`cut`; the note is indented like all but an event's first line."""
    return cut(line, tokens - 1, "the full text is in the transcript").replace("\n[cut: ", "\n  [cut: ")


def _person_lines(event: Event, body: PersonBody, tally: Tally, questions: Collection[str]) -> list[Line]:
    match body:
        case UserMessage():
            parts = [_shorten(body.content, tally), _entities(body.entity_diff, tally)]
            return [Line(LineKind.USER, "user", " ".join(filter(None, parts)))]
        case UserConfirmation():
            label = f"{''.join(decision_words(event, body, questions))} {named(body.approval_request_id)}"
            words = _shorten(body.instructions, tally) if body.instructions else None
            return [Line(LineKind.OTHER, label, words)]
        case ToolResults():
            results = [
                _result_line(result.name, result.content, tally, is_error=result.is_error, by="user ")
                for result in body.tool_results[:_ITEMS]
            ]
            return [*results, *_others(body.tool_results, "results")]
        case UserCancel():
            return [Line(LineKind.USER, "user: asked Neo to stop")]
        case _:
            assert_never(body)


def _work_lines(body: WorkBody, tally: Tally) -> list[Line]:
    match body:
        case AssistantMessage():
            return _assistant_lines(body, tally)
        case ToolResponse() if body.name != TODO_TOOL:
            return [_result_line(body.name, body.content, tally, is_error=body.is_error)]
        case UserApprovalRequest():
            label = f"{request_kind(body)} requested ({named(body.id)})"
            return [Line(LineKind.REQUEST, label, tally.one_line(body.message))]
        case ExecToolCallProgress(tool_call_id="", name=str(name)) if name and body.words:
            return [Line(LineKind.OTHER, f"progress of {named(name)}", _excerpt(body.words, tally))]
        case ExecToolCall() | ExecToolCallProgress() | ToolResponse():
            # Shown in the current activity; a to-do list is shown with its call.
            return []
        case _:
            assert_never(body)


def _notice_line(body: NoticeBody, tally: Tally) -> Line | None:
    line: Line | None = None
    match body:
        case AwaitingApprovals():
            line = Line(LineKind.NEO, "neo: cannot take input while an approval is pending")
        case ErrorEvent():
            line = Line(LineKind.ERROR, "error", _shorten(body.message, tally))
        case WarningEvent():
            line = Line(LineKind.WARNING, "warning", _shorten(body.message, tally))
        case Cancelled():
            line = Line(LineKind.OTHER, "cancelled")
        case SetTaskName():
            line = Line(LineKind.OTHER, "task renamed", tally.one_line(body.name))
        case ChangeEntities():
            line = Line(LineKind.OTHER, "context changed", _entities(body.changes, tally))
        case ContextCompression() if body.status == "compressed":
            line = Line(LineKind.OTHER, "context compressed")
        case ContextCompression() | ProvidePulumiAccessToken():
            # The token is a secret of the service's own, which must not be shown.
            pass
        case _:
            assert_never(body)
    return line


def _fallback_line(body: StrangeBody, tally: Tally) -> Line:
    if isinstance(body, UnknownBody):
        return Line(LineKind.OTHER, f"event {named(body.type)}", _excerpt(body.model_extra, tally))
    return Line(LineKind.OTHER, f"[an event could not be read: {tally.one_line(body.reason)}]")


def call_line(call: ToolCall, tally: Tally | None = None) -> str:
    """A tool call in short, such as ``pulumi__preview(stack=prod)``."""
    tally = tally or Tally()
    shown = masked(call.args, Effort.for_head(_ITEMS * _ARGUMENT_LIMIT))
    args = [_argument(key, value, tally) for key, value in islice(shown.items(), _ITEMS)]
    args += ["…"] if len(call.args) > _ITEMS else []
    return f"{named(call.name)}({', '.join(args)})"


def _argument(key: str, value: object, tally: Tally) -> str:
    # Name and value together: a secret is recognised by its name.
    name = tally.one_line(key, 40)
    shown, _ = head_of(value, _ARGUMENT_LIMIT * 4)
    return tally.one_line(f"{name}={shown}", len(name) + 1 + _ARGUMENT_LIMIT)


def _assistant_lines(message: AssistantMessage, tally: Tally) -> list[Line]:
    lines: list[Line] = []
    if message.content.strip():
        label = "neo (final)" if message.is_final else "neo"
        lines.append(Line(LineKind.NEO, label, _shorten(message.content, tally)))
    lines += [_called_line(call, tally) for call in message.tool_calls[:_ITEMS]]
    return [*lines, *_others(message.tool_calls, "calls")]


def _called_line(call: ToolCall, tally: Tally) -> Line:
    if call.name == TODO_TOOL:
        return Line(LineKind.TODO, "to-do", _todos(call, tally))
    where = f" [to be run by: {named(str(call.execution_mode))}]" if call.runs_elsewhere else ""
    return Line(LineKind.CALL, f"call {call_line(call, tally)}{where}")


def _todos(call: ToolCall, tally: Tally) -> str:
    marks = {"completed": "x", "in_progress": ">"}
    todos = read_todos(call)
    items = [f"[{marks.get(todo.status, ' ')}] {tally.one_line(todo.content, 60)}" for todo in todos[:_ITEMS]]
    return ", ".join([*items, *_more(todos, "items")])


def _result_line(name: str, content: object, tally: Tally, *, is_error: bool, by: str = "") -> Line:
    text, is_whole = content_head(content, _MESSAGE_LIMIT)
    size = f" ({_length(content, text, is_whole=is_whole)} characters)" if len(text) > _EXCERPT_LIMIT else ""
    label = f"{by}ran {named(name)} {'failed' if is_error else 'ok'}{size}"
    return Line(LineKind.OTHER, label, tally.one_line(text, _EXCERPT_LIMIT))


def _length(content: object, head: str, *, is_whole: bool) -> str:
    """The length of the text of ``content``, as far as it is known without joining many pieces."""
    if is_whole:
        return f"{len(head):,}"
    first = next(pieces_of(content), "")
    return f"{len(first):,}" if len(first) >= len(head) else f"over {_MESSAGE_LIMIT:,}"


def _limit(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    shown = first_characters(text, limit)
    return f"{shown}… [{len(text) - len(shown):,} more characters]"


def _shorten(text: str, tally: Tally) -> str:
    """Shorten prose to the message limit."""
    shown, is_whole = tally.head(text.strip(), _MESSAGE_LIMIT)
    head = first_characters(shown, _MESSAGE_LIMIT)
    # Text beyond the head was not sanitised: count its original length.
    more = len(shown) - len(head) if is_whole else len(text) - len(head)
    return head + (f"… [{more:,} more characters]" if more else "")


def _excerpt(value: object, tally: Tally) -> str:
    return tally.one_line(content_head(value, _EXCERPT_LIMIT * 4)[0], _EXCERPT_LIMIT)


def _more(items: Sequence[object], what: str) -> list[str]:
    return [f"… and {len(items) - _ITEMS} more {what}"] if len(items) > _ITEMS else []


def _others(items: Sequence[object], what: str) -> list[Line]:
    return [Line(LineKind.OTHER, words) for words in _more(items, what)]


def _entities(diff: EntityDiff | None, tally: Tally) -> str:
    if diff is None:
        return ""
    changes = [("+", entity) for entity in diff.add] + [("-", entity) for entity in diff.remove]
    shown = [sign + tally.one_line(describe(entity), _NAME_LIMIT) for sign, entity in changes[:_ITEMS]]
    return f"[{', '.join([*shown, *_more(changes, 'entities')])}]" if changes else ""
