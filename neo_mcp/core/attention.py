"""Decide from a task's state what needs attention, and otherwise what Neo is doing."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from neo_mcp.core.sanitize import Tally, named, one_line
from neo_mcp.core.state import TaskState, Turn
from neo_mcp.core.times import since_words
from neo_mcp.wire import (
    ApprovalMode,
    Sensitivity,
    TaskSource,
    TaskStatus,
    ToolCall,
    UserApprovalRequest,
)
from neo_mcp.wire.events import is_question_tool

RESOLVE_SECONDS = 2.0
"""Seconds that the service gets to answer a request itself, in the modes in which it does."""


class AttentionKind(StrEnum):
    """The reason why a task needs attention."""

    APPROVAL = "approval"
    PLAN = "plan"
    QUESTION = "question"
    LOCAL_TOOLS = "local_tools"
    TURN_ENDED = "turn_ended"
    ERROR = "error"
    CANCELLED = "cancelled"
    STALLED = "stalled"


MAX_OPTIONS = 20
"""Maximum number of answers to a question that are shown."""

MAX_OPTION = 200
"""Maximum characters of one of them."""

OVER = frozenset(
    {AttentionKind.TURN_ENDED, AttentionKind.ERROR, AttentionKind.CANCELLED, AttentionKind.STALLED}
)
"""The kinds that mean that the turn is over."""


@dataclass(frozen=True, slots=True)
class Attention:
    """One thing that needs attention.

    Attributes:
        message: The question, or Neo's last message.
        request: The request to answer, for an approval, a plan or a question.
        elsewhere: Those of the calls that another client has announced to run, with the time, if known.
        runs_by_client: Whether the client that created the task runs such calls by itself while attached.
        calls: For local tools, the calls of the batch that have no result, including those that others run.
        source: Id of the event since which it holds unchanged.
    """

    kind: AttentionKind
    message: str
    request: UserApprovalRequest | None = None
    calls: tuple[ToolCall, ...] = ()
    source: str = ""
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    runs_by_client: bool = False


def attention(
    state: TaskState, *, at_rest: str = "", announced_here: Collection[str] = (), task_source: str = ""
) -> tuple[Attention, ...]:
    """List what needs attention now, most pressing first; empty while Neo works by itself.

    Args:
        state: The task's state.
        at_rest: The task's status if the API says that nothing runs: a turn without a closing event is over
            all the same. The first generation has no such events; in the second, something went wrong.
        announced_here: Ids of local calls that were announced from here, to send their results.
        task_source: The task's source, if known.
    """
    needs = [
        Attention(
            request_kind(request, call_of(state, request)),
            request.message,
            request,
            source=state.asked_in.get(request.id, ""),
        )
        for request in state.pending_approvals
    ]
    if open_calls(state, announced_here):
        needs.append(
            Attention(
                AttentionKind.LOCAL_TOOLS,
                state.last_message,
                calls=tuple(state.local_calls.values()),
                elsewhere=calls_elsewhere(state, announced_here),
                source=state.asked_by,
                runs_by_client=task_source == TaskSource.CLI,
            )
        )
    if not needs and not state.local_calls and (unlisted := unlisted_words(state)):
        needs = [Attention(AttentionKind.STALLED, unlisted, source=state.asked_by)]
    if needs or state.local_calls:
        return tuple(needs)
    ended_by = state.ended_by
    match state.turn:
        case Turn.ENDED:
            words = state.final_message or state.last_message
            return (Attention(AttentionKind.TURN_ENDED, words, source=ended_by),)
        case Turn.FAILED:
            words = state.error or "Neo reported an error."
            return (Attention(AttentionKind.ERROR, words, source=ended_by),)
        case Turn.CANCELLED:
            return (Attention(AttentionKind.CANCELLED, state.last_message, source=ended_by),)
        case Turn.RUNNING if at_rest:
            # No event says so: it is known as of the last one.
            kind = _AT_REST.get(at_rest, AttentionKind.STALLED)
            return (Attention(kind, state.last_message, source=state.last_event_id),)
        case Turn.RUNNING | Turn.NOT_STARTED:
            return ()


_AT_REST: dict[str, AttentionKind] = {
    TaskStatus.COMPLETED: AttentionKind.TURN_ENDED,
    TaskStatus.FAILED: AttentionKind.ERROR,
}


def unlisted_words(state: TaskState) -> str:
    """Report pending items beyond those that are stored; empty if there are none."""
    requests, calls = state.unlisted, state.unlisted_calls
    parts = [f"{requests} more requests"] if requests else []
    parts += [f"{calls} more local tool calls"] if calls else []
    more = " and ".join(parts)
    return f"Neo waits for {more} than are listed here: its page has them." if parts else ""


def open_calls(state: TaskState, announced_here: Collection[str] = ()) -> tuple[ToolCall, ...]:
    """The local calls that no other client has announced to run."""
    elsewhere = calls_elsewhere(state, announced_here)
    return tuple(call for call_id, call in state.local_calls.items() if call_id not in elsewhere)


def calls_elsewhere(state: TaskState, announced_here: Collection[str] = ()) -> dict[str, str]:
    """Ids of the local calls that another client has announced to run, with the time, if known."""
    return {
        call_id: state.announced[call_id].at
        for call_id in state.local_calls
        if call_id in state.announced and call_id not in announced_here
    }


def turn_is_over(state: TaskState) -> bool:
    """True if the turn ended, failed or was cancelled, with nothing pending."""
    return any(need.kind in OVER for need in attention(state))


def call_of(state: TaskState, request: UserApprovalRequest) -> ToolCall | None:
    """The tool call that waits for the answer to ``request``, if the request names a known one."""
    call_id = request.context.tool_call_id if request.context else None
    return state.calls.get(call_id) if call_id else None


def request_kind(request: UserApprovalRequest, call: ToolCall | None = None) -> AttentionKind:
    """The kind of a request: a question, a plan to accept, or an approval.

    Args:
        request: The request.
        call: The tool call that waits for it. A request may name another tool than the one that was called:
            it is a question if either is the question tool, as an answer carries the user's own words.
    """
    if request.is_question or (call is not None and is_question_tool(call.name)):
        return AttentionKind.QUESTION
    return AttentionKind.PLAN if request.is_plan else AttentionKind.APPROVAL


def options_of(request: UserApprovalRequest) -> tuple[str, ...]:
    """The answers that Neo suggests for a question, each on one line."""
    labels = (one_line(label, MAX_OPTION) for label in request.buttons[:MAX_OPTIONS])
    return tuple(dict.fromkeys(filter(None, labels)))


def may_resolve_itself(request: UserApprovalRequest, mode: str | None) -> bool:
    """True if the service may answer ``request`` without a person, by the task's approval mode.

    True also if the mode is not known yet; a task without one belongs to a service that has no modes.
    """
    if not mode or mode == ApprovalMode.MANUAL:
        return False
    return not (mode == ApprovalMode.BALANCED and request.sensitivity == Sensitivity.SENSITIVE)


def activity(state: TaskState) -> str:
    """The to-do item, the running tools, or Neo's last message, in one line.

    Anything but a plain word is quoted, so that it cannot pass for the rest of the line.
    """
    parts: list[str] = []
    done = sum(todo.status == "completed" for todo in state.todos)
    current = next((todo.content for todo in state.todos if todo.status == "in_progress"), "")
    if state.todos:
        parts.append(
            f"to-do {done} of {len(state.todos)} done" + (f", now: {_name(current)}" if current else "")
        )
    parts += [
        f"{_runner(state, call_id)} {_name(tool.name)}"
        + (f" ({_name(tool.progress)})" if tool.progress else "")
        for call_id, tool in list(state.tools.items())[-3:]
    ]
    if not parts and state.last_message:
        parts.append(_name(first_line(state.last_message)))
    return "; ".join(parts) or ("working" if state.turn is Turn.RUNNING else str(state.turn))


def _name(text: str) -> str:
    return named(one_line(text))


def _runner(state: TaskState, call_id: str) -> str:
    announced = state.announced.get(call_id)
    if announced is None:
        return "running"
    since = since_words(announced.at)
    return f"a client,{since}, runs" if since else "a client runs"


def first_line(text: str, limit: int = 160) -> str:
    """The first line with words in it, cleaned and cut to ``limit`` characters."""
    # Cleaned before it is split: a line end may be part of a terminal sequence.
    shown, _ = Tally().head(text.lstrip(), 4 * limit)
    return next(filter(None, (one_line(line, limit) for line in shown.split("\n"))), "")
