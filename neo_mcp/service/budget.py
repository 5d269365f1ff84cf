"""Fit events and pending requests into a result's token budget.

Text and structured content of a result share its budget, half each. All text from Neo is cleaned here; a cut
text says so, and where the whole is.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from neo_mcp.core.attention import Attention, AttentionKind, options_of, unlisted_words
from neo_mcp.core.render.file_changes import file_changes
from neo_mcp.core.render.lines import cut, estimate_tokens, event_lines, fitting
from neo_mcp.core.sanitize import Tally, clean, one_line, removed_note
from neo_mcp.core.state import TaskState
from neo_mcp.hints import Hint, NextStep, Wording
from neo_mcp.service.budget_calls import HOW_TO_RUN, AskedCalls
from neo_mcp.service.rendered import Frame
from neo_mcp.service.results import Need, TaskFacts, TaskNews
from neo_mcp.service.uris import events_uri, transcript_uri
from neo_mcp.service.writes.local_results import Progress
from neo_mcp.watch import Since
from neo_mcp.wire import AssistantMessage, Event, UserApprovalRequest

_HOW_TO_REPLY: Mapping[AttentionKind, NextStep] = {
    AttentionKind.APPROVAL: Hint.REPLY_TO_REQUEST,
    AttentionKind.PLAN: Hint.REPLY_TO_REQUEST,
    AttentionKind.QUESTION: Hint.REPLY_TO_QUESTION,
    AttentionKind.LOCAL_TOOLS: HOW_TO_RUN,
    AttentionKind.TURN_ENDED: ("the turn is over; ", Hint.SEND_MESSAGE),
    AttentionKind.ERROR: ("the turn failed; ", Hint.SEND_MESSAGE, " or try again"),
    AttentionKind.STALLED: ("Neo stopped without a last message; ", Hint.SEND_MESSAGE),
    AttentionKind.CANCELLED: ("the turn was cancelled; ", Hint.SEND_MESSAGE),
}

_QUOTING = frozenset({AttentionKind.TURN_ENDED, AttentionKind.STALLED})
"""The kinds whose message is Neo's last one, which is then not repeated as an event."""

_MAX_FILES = 30
_MAX_ID = 200
_MIN_TOKENS = 12
"""Tokens for the note that something was cut."""

_NEEDS_SHARE = 0.6
"""Share of a result's budget that needs may take."""

_CALLS_SHARE = 0.85
"""The same if local tool calls are requested: a call that is cut cannot be run."""

_OTHER_TOKENS = 215
"""Tokens of a result besides needs and events: ids, cursor, hints, the events' frame, JSON's punctuation."""

_REPORTED_TOKENS = 80
"""Tokens for the text of a need that was reported before, and whose plan and changes are left out."""

_NEED_TOKENS = 80
"""Approximate minimum tokens of one need."""

_T = TypeVar("_T")


def form_budget(budget: int) -> int:
    """The budget of one of the two forms of a result (text, structured)."""
    return max(budget // 2 - _OTHER_TOKENS, 100)


def needs_budget(needs: Sequence[Attention], budget: int) -> int:
    """The share of a result's budget for needs: more if local tool calls have to be shown whole."""
    local = any(need.kind is AttentionKind.LOCAL_TOOLS for need in needs)
    return int(budget * (_CALLS_SHARE if local else _NEEDS_SHARE))


def describe_needs(
    needs: Sequence[Attention],
    organization: str,
    task_id: str,
    tokens: int,
    progress: Progress = Progress(),  # noqa: B008 - frozen
    *,
    wording: Wording,
    page: str | None = None,
    new: int | None = None,
) -> list[Need]:
    """Describe needs, sharing ``tokens`` among them; a cut text says where the whole is.

    If not even the minimum of all of them fits, there are fewer, but at least one.

    Args:
        needs: The needs, new ones first.
        organization: The task's organization.
        task_id: The task.
        tokens: Budget for all of them.
        progress: The local tool calls that have a result already.
        wording: The surface's words for how to reply, which take tokens too.
        page: The task's web page, if no one can reply through this server.
        new: Number of needs not reported before, if not all of them; the others are shortened.
    """
    max_needs = max(tokens // _NEED_TOKENS, 1)
    whole = [
        _Whole.of(need, reported=new is not None and at >= new) for at, need in enumerate(needs[:max_needs])
    ]

    def describe(limit: int) -> list[Need]:
        described = [
            _need(need, organization, task_id, limit // len(whole), progress, wording) for need in whole
        ]
        if page is None:
            return described
        return [need.model_copy(update={"reply": f"a person replies at {page}"}) for need in described]

    def cost(described: Sequence[Need]) -> int:
        return tokens_of(described, wording)

    described = _within(tokens, describe, cost)
    while len(whole) > 1 and (spent := cost(described)) > tokens:
        del whole[max(min(len(whole) * tokens // spent, len(whole) - 1), 1) :]
        described = _within(tokens, describe, cost)
    return described


def tokens_of(parts: Sequence[Need | TaskNews | TaskFacts], wording: Wording) -> int:
    """Tokens that they take in a result's text or in its structured content, whichever is more."""
    frame = Frame("0" * 8, wording)  # as long as any other
    texts = "".join(part.words(frame) for part in parts)
    structured = sum(_json_cost(part.model_dump(exclude_none=True, context=wording)) for part in parts)
    return max(estimate_tokens(texts), structured)


@dataclass(frozen=True, slots=True)
class FittedEvents:
    """Events as lines of a result.

    Attributes:
        omitted: Number of older ones that were left out.
        removed: Number of invisible characters and terminal sequences removed from the lines.
        note: A note if some were left out.
    """

    lines: list[str]
    omitted: int
    removed: int
    note: str | None


def fit_events(
    since: Since, needs: Sequence[Attention], organization: str, task_id: str, tokens: int
) -> "FittedEvents":
    """The most recent events' lines that fit, the number of older events, and a note on these."""
    unquoted = _without_quoted(since.events, needs)
    lines = _within(tokens, lambda limit: event_lines(unquoted, limit), lambda made: _json_cost(made.lines))
    omitted = since.missing + lines.omitted
    if not omitted:
        return FittedEvents(list(lines.lines), 0, lines.removed, None)
    where = transcript_uri(organization, task_id)
    note = f"[{omitted} earlier events left out; read {where}]"
    return FittedEvents(list(lines.lines), omitted, lines.removed, note)


def with_removed_note(note: str | None, removed: int) -> str | None:
    """Add to ``note`` that sanitising removed characters, if it did."""
    parts = [note] if note else []
    return " ".join([*parts, removed_note(removed)] if removed else parts) or None


def omitted_note(described: Sequence[Need], needs: Sequence[Attention], state: TaskState) -> str | None:
    """A note on needs that did not fit, if any, and on other pending ones."""
    left = len(needs) - len(described)
    more = f"[{left} more do not fit here: a wait with this cursor reports those not reported yet]"
    unlisted = unlisted_words(state) if needs else ""
    return " ".join([*([more] if left else []), *([f"[{unlisted}]"] if unlisted else [])]) or None


def _without_quoted(events: Sequence[Event], needs: Sequence[Attention]) -> Sequence[Event]:
    """The events without the one whose text is shown in full among the needs."""
    quoted = {need.message for need in needs if need.kind in _QUOTING and need.message}
    for index in range(len(events) - 1, -1, -1) if quoted else ():
        body = events[index].body
        if isinstance(body, AssistantMessage) and body.content in quoted:
            # Calls that it makes are reported nowhere else.
            return events if body.tool_calls else [*events[:index], *events[index + 1 :]]
    return events


def shorten(text: str, tokens: int) -> str:
    """Return ``text`` on one line within ``tokens``."""
    line = one_line(text)
    if estimate_tokens(line) <= tokens:
        return line
    return fitting(line, tokens - 1) + "…"


def last_message(
    state: TaskState, needs: Sequence[Attention], tokens: int, rest: str
) -> tuple[str | None, int]:
    """Neo's last message, unless a need quotes it, and the number of characters removed from it."""
    tally = Tally()
    message = tally.clean(state.last_message)
    if not message or any(clean(need.message) == message for need in needs):
        return None, 0
    return _within(tokens, lambda limit: cut(message, limit, rest), _json_cost), tally.removed


def _within(tokens: int, make: Callable[[int], _T], cost: Callable[[_T], int]) -> _T:
    """The result of ``make`` for ``tokens``, or for less if it costs more: JSON escapes take tokens."""
    made, limit = make(tokens), tokens
    while (spent := cost(made)) > tokens and limit > _MIN_TOKENS:
        limit = limit * tokens // spent if spent < 2 * tokens else limit // 2
        made = make(limit)
    return made


def _json_cost(value: object) -> int:
    return estimate_tokens(json.dumps(value, ensure_ascii=False))


@dataclass(frozen=True, slots=True)
class _Whole:
    """A need, cleaned and uncut: made once, as that is expensive for a large diff."""

    kind: AttentionKind
    request: UserApprovalRequest | None
    message: str
    plan: str
    diff: str
    changed_files: list[str]
    asked: AskedCalls
    removed: int
    reported: bool

    @classmethod
    def of(cls, need: Attention, *, reported: bool = False) -> "_Whole":
        context = need.request.context if need.request and not reported else None
        files = (context.git_diff if context else None) or {}
        changes = [str(change) for change in file_changes(files)]
        tally = Tally()
        return cls(
            need.kind,
            need.request,
            tally.clean(need.message),
            tally.clean(context.plan_description or "") if context else "",
            "\n".join(f"{tally.one_line(name)}\n{tally.clean(patch)}" for name, patch in files.items()),
            changes,
            AskedCalls.of(need),
            tally.removed,
            reported,
        )


def _need(
    need: _Whole, organization: str, task_id: str, tokens: int, progress: Progress, wording: Wording
) -> Need:
    rest = f"read {transcript_uri(organization, task_id)}"
    whole = f"read {events_uri(organization, task_id, progress.index)}"
    part = max(tokens // 3 if need.request else tokens, _MIN_TOKENS)
    if need.reported:
        part = min(part, _REPORTED_TOKENS)
    # A need with calls can do without its message first.
    message = cut(need.message, tokens // 4 if need.asked.calls else part, rest)
    made = Need(
        kind=need.kind,
        message=message,
        reply=_HOW_TO_REPLY[need.kind],
        reported=need.reported or None,
        removed=need.removed,
    )
    if need.asked.calls:
        left = max(tokens - estimate_tokens(message), 0)
        calls, reply = need.asked.describe(left, progress, whole, wording)
        return made.model_copy(update={"calls": calls, "reply": reply})
    request = need.request
    if request is None:
        return made
    tool = request.context.tool_name if request.context else None
    options = options_of(request) if need.kind is AttentionKind.QUESTION else ()
    about = {
        "request_id": one_line(request.id, _MAX_ID),
        "options": _first_options(options, part) or None,
        "tool": one_line(tool) if tool else None,
        "sensitivity": one_line(request.sensitivity) if request.sensitivity else None,
        "plan": cut(need.plan, part, rest) if need.plan else None,
        "changed_files": _first_files(need.changed_files, part) or None,
        "diff": cut(need.diff, part, rest) if need.diff else None,
    }
    return made.model_copy(update=about)


def _first_options(options: Sequence[str], tokens: int) -> list[str]:
    """The first of the answers that Neo suggests; unchanged, so that one can be sent back."""
    shown: list[str] = []
    for option in options:
        tokens -= estimate_tokens(option) + 2
        if tokens < 0:
            break
        shown.append(option)
    return shown


def _first_files(files: Sequence[str], tokens: int) -> list[str]:
    """The first of the changed files, and the number of others."""
    shown: list[str] = []
    for file in files[:_MAX_FILES]:
        tokens -= estimate_tokens(file) + 2
        if tokens < 0:
            break
        shown.append(file)
    return [*shown, f"and {len(files) - len(shown)} more files"] if len(shown) < len(files) else shown
