"""Items and the head of the task view, made from the fold: cleaned, formatted, and within bounds.

Owns how much of each text is shown. Cut texts say so.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import TypeVar

from neo_mcp.core.attention import Attention, AttentionKind, options_of
from neo_mcp.core.links import safe_address
from neo_mcp.core.operation import Operation
from neo_mcp.core.sanitize import Tally, exact_json, named, one_line, removed_note
from neo_mcp.core.state import TaskState
from neo_mcp.core.view.diff import CHARACTERS, files
from neo_mcp.core.view.fold import (
    ARGUMENTS_CHARACTERS,
    OUTPUT_CHARACTERS,
    PROGRESS_CHARACTERS,
    TEXT_CHARACTERS,
    Entry,
)
from neo_mcp.core.view.markdown import nodes
from neo_mcp.core.view.model import (
    AttentionView,
    EntityView,
    File,
    Item,
    Node,
    OperationView,
    Option,
    TodoView,
    Usage,
)
from neo_mcp.hidden_text import first_characters
from neo_mcp.wire import Entity, PullRequest, Repository, Task, UserApprovalRequest
from neo_mcp.wire.entity_names import name_within
from neo_mcp.wire.time import parse_time

ITEMS_BYTES = 320 * 2**10
"""Maximum bytes of JSON of the items in one result."""

ITEM_BYTES = 64 * 2**10
"""Maximum bytes of JSON of one item; a larger one is shown with less of every text."""

ATTENTION_BYTES = 96 * 2**10
"""Maximum bytes of JSON of all that needs attention."""

_Row = TypeVar("_Row", TodoView, EntityView)

LIST_BYTES = 64 * 2**10
"""Maximum bytes of the to-do list, and of the entities."""

_MAX_TODOS = 200
_MAX_ENTITIES = 100
_LINE = 300
_TITLE = 200
_LEAN_CHARACTERS = 4_000
_LEAN_DIFF = 12_000
_SEGMENT = re.compile(r"\w[\w.-]{0,127}", re.ASCII)


def recent_items(entries: Sequence[Entry], now: datetime) -> Iterator[Item]:
    """Yield entries as they are shown at a moment, last first, until the budget is used; at least one."""
    budget = ITEMS_BYTES
    for entry in reversed(entries):
        made = item(entry, now)
        budget -= size(made)
        if budget < 0 and entry is not entries[-1]:
            return
        yield made


def size(value: object) -> int:
    """Bytes of JSON, as sent."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace"))


def item(entry: Entry, now: datetime) -> Item:
    """An entry as it is shown at a moment."""
    made = _item(entry, now, lean=False)
    return made if size(made) <= ITEM_BYTES else _item(entry, now, lean=True)


def _item(entry: Entry, now: datetime, *, lean: bool) -> Item:
    made = _origin(entry)
    if entry.text:
        limit = _LEAN_CHARACTERS if lean else TEXT_CHARACTERS
        text = _head(entry.text, limit)
        # A text from a tool or of unknown origin is not prose.
        made["text"] = nodes(text) if entry.kind != "unknown" else [text]
        if entry.length > limit:
            made["cut"] = entry.length - limit
    if entry.title and entry.kind != "approval":
        made["title"] = one_line(entry.title, _LINE)
    if entry.state:
        made["state"] = one_line(entry.state, 60)
    match entry.kind:
        case "assistant":
            made["final"] = entry.final
        case "tool":
            made |= _call(entry, now, lean=lean)
        case "approval" if entry.request is not None:
            made |= _asked(entry.title, entry.request, lean=lean)
        case "decision":
            made["request"] = one_line(entry.answers, _LINE)
        case "entities":
            made["added"] = [one_line(name) for name in entry.added]
            made["removed"] = [one_line(name) for name in entry.removed]
        case _:
            pass
    return made


def _origin(entry: Entry) -> Item:
    """The item's identity, its time and its author."""
    made: Item = {
        "index": entry.index,
        "id": one_line(entry.id, _LINE),
        "kind": entry.kind,
        "at": one_line(entry.at, 60),
        "who": entry.who,
    }
    if entry.estimated:
        made["estimated"] = True
    return made


def _call(entry: Entry, now: datetime, *, lean: bool) -> Item:
    limit = _LEAN_CHARACTERS if lean else OUTPUT_CHARACTERS
    output = entry.output or ""
    part: Item = {  # type: ignore[typeddict-item]  # a part of one
        "name": one_line(entry.name, _TITLE) or "tool",
        "seconds": _seconds(entry, now),
        "arguments": _cut(entry.arguments, _LEAN_CHARACTERS if lean else ARGUMENTS_CHARACTERS),
        "progress": _head(entry.progress, PROGRESS_CHARACTERS),
        "output": _head(output, limit),
        "output_cut": len(output) > limit,
    }
    return part


def _asked(kind: str, request: UserApprovalRequest, *, lean: bool) -> Item:
    tally = Tally()
    context = request.context
    diff, left_out = _diff(request, tally, lean=lean)
    part: Item = {  # type: ignore[typeddict-item]  # a part of one
        "title": tally.one_line(request.message, _TITLE),
        "text": _question(request, lean=lean),
        "request": kind,
        "request_id": _exact(request.id),
        "tool": tally.one_line((context and context.tool_name) or "", _TITLE),
        "diff": diff,
        "files_cut": left_out,
    }
    return part


def _question(request: UserApprovalRequest, *, lean: bool = False) -> list[Node]:
    """The question, and the plan."""
    plan = (request.context and request.context.plan_description) or ""
    limit = _LEAN_CHARACTERS if lean else TEXT_CHARACTERS // 2
    return [*nodes(_head(request.message, limit)), *nodes(_head(plan, limit))]


def _diff(request: UserApprovalRequest, tally: Tally, *, lean: bool) -> tuple[list[File], int]:
    """The files that fit, and the number of those that do not."""
    diff = (request.context and request.context.git_diff) or {}
    shown = files(diff, tally, budget=_LEAN_DIFF if lean else CHARACTERS)
    return shown, len(diff) - len(shown)


def _seconds(entry: Entry, now: datetime) -> float | None:
    """Seconds that a tool took, or has been running; never negative, even if clocks differ."""
    began = parse_time(entry.at)
    ended = now if entry.state == "running" else parse_time(entry.ended)
    if began is None or ended is None:
        return None
    return max(round((ended - began).total_seconds(), 1), 0.0)


def _head(text: str, limit: int) -> str:
    """Clean ``text`` within ``limit`` characters."""
    shown, is_whole = Tally().head(text, limit)
    return _cut(shown if is_whole else f"{shown}…", limit)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{first_characters(text, limit)}… [cut]"


def attention_view(need: Attention, what: Operation | None, max_bytes: int) -> AttentionView:
    """One thing that needs attention; the server adds the possible replies.

    Args:
        need: The need.
        what: The operation that an approval would permit.
        max_bytes: Maximum bytes of JSON that it should take.
    """
    made = _attention(need, lean=False)
    if size(made) > max_bytes:
        made = _attention(need, lean=True)
    if size(made) > max_bytes:
        made |= {"text": [], "diff": [], "files_cut": len(made["diff"]) + made["files_cut"]}
        made["note"] = "There is too much of it to be shown here."
    made["operation"] = _operation_view(what) if what is not None else None
    return made


def _attention(need: Attention, *, lean: bool) -> AttentionView:
    tally = Tally()
    made: AttentionView = {
        "kind": str(need.kind),
        "id": "",
        "title": tally.one_line(need.message, _TITLE),
        "text": [],
        "operation": None,
        "diff": [],
        "files_cut": 0,
        "options": [],
        "answers": [],
        "note": "",
        "removed": "",
    }
    request = need.request
    if request is not None:
        tally.head(request.message, TEXT_CHARACTERS)
        tally.head((request.context and request.context.plan_description) or "", TEXT_CHARACTERS)
        made["id"] = _exact(request.id)
        made["text"] = _question(request, lean=lean)
        made["diff"], made["files_cut"] = _diff(request, tally, lean=lean)
        made["options"] = _options(need)
    elif need.kind is AttentionKind.ERROR:
        made["text"] = nodes(_head(need.message, _LEAN_CHARACTERS))
    elif need.kind is AttentionKind.LOCAL_TOOLS:
        names = ", ".join(sorted({named(one_line(call.name, 80)) for call in need.calls}))
        made["title"] = one_line(
            f"{len(need.calls)} tool calls wait for the host to run them: {names}", _LINE
        )
    made["removed"] = removed_note(tally.removed) if tally.removed else ""
    return made


def _exact(text: str) -> str:
    """An id to be sent back unchanged; empty if it could not be shown unchanged."""
    return text if one_line(text, _LINE) == text else ""


def _options(need: Attention) -> list[Option]:
    if need.kind is not AttentionKind.QUESTION or need.request is None:
        return []
    return [{"label": label, "value": label} for label in options_of(need.request)]


def _operation_view(what: Operation) -> OperationView:
    arguments = exact_json(what.call.args, indent=2) if what.call is not None and what.call.args else ""
    return {
        "tool": one_line(what.tool, _TITLE),
        "stack": one_line(", ".join(map(named, what.stacks)), _LINE),
        "sensitive": what.is_sensitive,
        "protected": what.is_protected,
        "arguments": _cut(arguments, ARGUMENTS_CHARACTERS),
    }


def todos(state: TaskState) -> list[TodoView]:
    """Neo's to-do list, as much of it as fits."""
    return _fitting(
        {"content": one_line(todo.content, _LINE), "status": one_line(todo.status, 40)}
        for todo in state.todos[:_MAX_TODOS]
    )


def usage(state: TaskState, task: Task) -> Usage:
    """Tokens so far, of all models, and the context as the API reports it."""
    used, fits = task.context_used_tokens, task.context_window_tokens
    models = state.usage.values()
    return {
        "input": sum(model.input_tokens for model in models),
        "output": sum(model.output_tokens for model in models),
        "cache_read": sum(model.cache_read_input_tokens for model in models),
        "cache_write": sum(model.cache_creation_input_tokens for model in models),
        "window": {"used": used, "size": fits} if used is not None and fits else None,
    }


def entities(known: Iterable[Entity]) -> list[EntityView]:
    """The entities that the task is about, with links to those on a forge, as many as fit."""
    return _fitting(
        {
            "kind": one_line(entity.type, 60),
            "label": one_line(name_within(entity), _TITLE),
            "url": _page(entity),
        }
        for entity in islice(known, _MAX_ENTITIES)
    )


def _fitting(rows: Iterable[_Row]) -> list[_Row]:
    """The first rows that fit into ``LIST_BYTES`` together."""
    remaining, fitting = LIST_BYTES, list[_Row]()
    for row in rows:
        remaining -= size(row)
        if remaining < 0:
            break
        fitting.append(row)
    return fitting


def _page(entity: Entity) -> str | None:
    """The entity's page on a forge; known only for forges like GitHub."""
    repository = entity.repo if isinstance(entity, PullRequest) else entity
    if not isinstance(repository, Repository) or (repository.forge or "github") != "github":
        return None
    parts = [repository.org, repository.name]
    parts += ["pull", str(entity.number)] if isinstance(entity, PullRequest) else []
    if not all(_SEGMENT.fullmatch(part) for part in parts):
        return None
    return safe_address(f"https://{repository.host or 'github.com'}/{'/'.join(parts)}")
