"""The tools of the task view: view_task and view_tasks, which only the page calls.

Owns what an answer is made of, and the wait until there is something new in it. They are read-only:
whatever a person does in the page goes through respond, under the same policy as a model's.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import anyio
import anyio.lowlevel
from pydantic import Field

from neo_mcp.core.attention import OVER, Attention, AttentionKind, activity
from neo_mcp.core.cursor import decode_cursor, encode_cursor
from neo_mcp.core.held import body_of
from neo_mcp.core.operation import Operation
from neo_mcp.core.sanitize import one_line, quoted
from neo_mcp.core.summary import TaskSummary
from neo_mcp.core.view.fold import Entry, ViewFold
from neo_mcp.core.view.items import (
    ATTENTION_BYTES,
    attention_view,
    entities,
    recent_items,
    size,
    todos,
    usage,
)
from neo_mcp.core.view.model import (
    Answers,
    AttentionView,
    Connection,
    Item,
    TaskRowView,
    TasksView,
    TaskView,
)
from neo_mcp.errors import InvalidArgumentError
from neo_mcp.hints import LIBRARY, Wording
from neo_mcp.server.call import Call
from neo_mcp.server.tools import ToolSpec
from neo_mcp.service.approvals.asker import approvals_of
from neo_mcp.service.approvals.forms import operation_of
from neo_mcp.service.approvals.policy import Action, Effect, Subject
from neo_mcp.service.listed import listed
from neo_mcp.service.rendered import Frame, Result
from neo_mcp.service.schema import Arguments
from neo_mcp.service.tasks import TaskService
from neo_mcp.watch import Watcher, until_true
from neo_mcp.wire import Task

MAX_ITEMS = 200
"""Items of one answer."""

COALESCE_SECONDS = 0.2
"""Seconds for which an answer gathers further changes after the first, to spare the page of a busy task."""

_MAX_SECONDS = 25
_MAX_NEEDS = 12
_TASKS = 50
_ELSEWHERE = "at the task's page."
_NO_PERSON = "No person can be asked through this host, or this server approves nothing:"
_IN_FORM = "There is more of it than is shown here: the form to answer it, and the task's page, have it."
_TITLE = 200


class ViewTaskInput(Arguments):
    """Arguments of view_task."""

    task_id: str
    organization: str | None = None
    cursor: str | None = Field(default=None, description="From the last result: only changes since then.")
    wait: float = Field(default=0, ge=0, le=_MAX_SECONDS, description="Seconds to wait for changes.")
    before: int | None = Field(default=None, ge=0, description="Items before this one, in place of changes.")


class ViewTasksInput(Arguments):
    """Arguments of view_tasks."""

    organization: str | None = None
    cursor: str | None = None


class Shown(Result):
    """A result for the page: everything is in the structured part.

    Attributes:
        line: The same in one line, for hosts that show a result's text.
        view: As :mod:`neo_mcp.core.view.model` has it.
    """

    line: str
    view: dict[str, Any]

    def words(self, _: Frame) -> str:
        """The same in words."""
        return self.line

    def structured(self, wording: Wording = LIBRARY) -> dict[str, Any]:  # noqa: ARG002 - it has no hints
        """The same as JSON."""
        return self.view


async def view_task(call: Call, args: ViewTaskInput) -> Shown:
    """A task for the page: its head, and the requested items."""
    organization = await call.tasks.organization(args.organization)
    views = call.tasks.views
    async with call.tasks.followed(organization, args.task_id) as watcher:
        if args.before is not None:
            task = await views.task(watcher)
            return _shown(call, watcher, task, await _earlier(call.tasks, watcher, args.before), {})
        event_id, stamp = _read_cursor(args.cursor, organization, args.task_id)
        task = await views.task(watcher, anew=args.cursor is None)
        if args.cursor is not None and args.wait:
            with call.tasks.quotas.waits.taken():
                await _wait(watcher, event_id, stamp, task, args.wait)
            task = await views.task(watcher)
        fold = await views.fold(watcher)
        entries = fold.since(_position(watcher, fold, event_id))
        after = encode_cursor(organization, args.task_id, fold.state.last_event_id)
        cursor, total = f"{after}.{_stamp(watcher, task)}", fold.total
        shown = await _rendered(entries[-MAX_ITEMS:], call.tasks.client.clock.now())
        # Without a cursor nothing is missed: what came before can be requested.
        omitted = len(entries) - len(shown) if args.cursor is not None else 0
        return _shown(call, watcher, task, (shown, total), {"omitted": omitted, "cursor": cursor})


def _shown(
    call: Call, watcher: Watcher, task: Task, page: tuple[list[Item], int], more: Mapping[str, Any]
) -> Shown:
    shown, total = page
    head = _head(call, watcher, task)
    view: TaskView = {**head, "items": shown, "total": total, "omitted": 0, **more}  # type: ignore[typeddict-item]  # in parts
    return Shown(line=f"Neo task {quoted(view['title'])}: {view['turn']}.", view=dict(view))


async def _wait(watcher: Watcher, event_id: str, stamp: str, task: Task, seconds: float) -> None:
    """Return soon after something is new to a reader of that cursor, or when the time is up."""
    if not watcher.log.knows(event_id):
        # Another replica may be ahead of this one.
        await watcher.lacks(event_id)

    def is_news() -> bool:
        return watcher.log.last_id != event_id or _stamp(watcher, task) != stamp

    with anyio.move_on_after(seconds):
        await until_true([watcher], is_news)
        if watcher.failure is not None:
            raise watcher.failure
        await anyio.sleep(COALESCE_SECONDS)


def _read_cursor(cursor: str | None, organization: str, task_id: str) -> tuple[str, str]:
    """The last event that was seen, and what else; nothing without a cursor.

    Raises:
        InvalidArgumentError: If it is none of this task's.
    """
    if cursor is None:
        return "", ""
    after, _, stamp = cursor.partition(".")
    return decode_cursor(after, organization, task_id).event_id, stamp


def _position(watcher: Watcher, fold: ViewFold, event_id: str) -> int:
    """The number of the event ``event_id``; -1 where everything is new."""
    position = watcher.log.place(event_id) if event_id else None
    # Should the API's pages have another order than its stream, numbers do not tell.
    return -1 if position is None or fold.state.events != len(watcher.log) else position


async def _earlier(tasks: TaskService, watcher: Watcher, before: int) -> tuple[list[Item], int]:
    """Items before one of them, and how many there are in all."""
    requested = range(max(before - MAX_ITEMS, 0), before)
    fold = await tasks.views.fold(watcher)
    if requested and requested[0] < fold.total and (not fold.held or fold.held[0].index > requested[0]):
        fold = await tasks.views.fold(watcher, indexes=requested)
    entries = [each for each in fold.held if each.index in requested]
    return await _rendered(entries, tasks.client.clock.now()), fold.total


async def _rendered(entries: Sequence[Entry], now: datetime) -> list[Item]:
    """As many of the last of ``entries`` as fit, oldest first."""
    shown: list[Item] = []
    for made in recent_items(entries, now):
        shown.append(made)
        # Long texts take their time: others get a turn in between.
        await anyio.lowlevel.checkpoint()
    return shown[::-1]


def _stamp(watcher: Watcher, task: Task) -> str:
    """Identifies what is shown besides events: the API's own fields, and the state of the connection."""
    words = json.dumps(
        [
            _connection(watcher),
            watcher.at_rest,
            watcher.needs.count,
            _facts(watcher, task),
            task.name,
            *_window(task),
        ]
    )
    return hashlib.blake2s(words.encode("utf-8", "replace"), digest_size=4).hexdigest()


def _window(task: Task) -> tuple[int | None, int | None]:
    return task.context_used_tokens, task.context_window_tokens


def _facts(watcher: Watcher, task: Task) -> dict[str, Any]:
    """The API's own words, in short."""
    summary = TaskSummary.of(task, plan_accepted=watcher.log.state.plan_accepted)
    return {
        "status": summary.status,
        "phase": summary.runtime_phase or "",
        "created_at": summary.created_at,
        "settings": {
            "approval_mode": summary.approval_mode or "",
            "permission_mode": summary.permission_mode or "",
            "plan_mode": bool(summary.plan_mode),
        },
    }


def _connection(watcher: Watcher) -> Connection:
    connection = watcher.connection
    if watcher.is_paging:
        return {"state": "paging", "error": ""}
    if connection is not None and connection.attempt and connection.state != "open":
        return {"state": "retrying", "error": one_line(connection.error)}
    return {"state": "open" if watcher.caught_up else "connecting", "error": ""}


def _head(call: Call, watcher: Watcher, task: Task) -> dict[str, Any]:
    """Everything about a task but its items."""
    state, tasks = watcher.log.state, call.tasks
    organization, task_id = watcher.organization, watcher.task_id
    return {
        "organization": organization,
        "task_id": task_id,
        "url": tasks.client.task_url(organization, task_id),
        "title": one_line(state.name or task.name, _TITLE) or task_id,
        **_facts(watcher, task),
        "turn": str(state.turn),
        "activity": activity(state),
        "connection": _connection(watcher),
        "writable": not tasks.settings.read_only,
        "attention": _attention(call, watcher),
        "todos": todos(state),
        "usage": usage(state, task),
        "entities": entities(task.entities or state.entities),
        "first": 0,
    }


def _attention(call: Call, watcher: Watcher) -> list[AttentionView]:
    shown: list[AttentionView] = []
    budget = ATTENTION_BYTES
    for need in watcher.attention()[:_MAX_NEEDS]:
        body = body_of(watcher.log.state, need.request) if need.request is not None else None
        what = operation_of(call.tasks, watcher, body) if body is not None else None
        made = attention_view(need, _if_it_runs(what), budget)
        made["answers"], note = _answers(call, need)
        cut = _IN_FORM if need.request is not None and body is None else ""
        made["note"] = " ".join(filter(None, (note, made["note"], cut)))
        budget -= size(made)
        shown.append(made)
    return shown


def _if_it_runs(what: Operation | None) -> Operation | None:
    return what if what is not None and what.tool else None


def _answers(call: Call, need: Attention) -> tuple[list[Answers], str]:
    """The actions of respond that are possible, and why others are not."""
    approvals = approvals_of(call.tasks.settings)
    if call.tasks.settings.read_only:
        return [], f"This server is read-only: reply {_ELSEWHERE}"
    if need.kind in OVER:
        return ["message"], ""
    if need.kind is AttentionKind.LOCAL_TOOLS:
        return [], ""
    ways: tuple[Answers, ...] = ("answer",) if need.kind is AttentionKind.QUESTION else ("approve", "deny")
    rulings = {way: approvals.ruling(call.asker, Action(way), Subject(need.kind)) for way in ways}
    possible = [way for way, ruling in rulings.items() if ruling.effect is not Effect.REFUSED]
    return possible, "" if ways[0] in possible else f"{_NO_PERSON} {ways[0]} {_ELSEWHERE}"


async def view_tasks(call: Call, args: ViewTasksInput) -> Shown:
    """One page of an organization's tasks for the page."""
    organization = await call.tasks.organization(args.organization)
    page = await listed(call.tasks.client, organization, args.cursor, _TASKS)
    view: TasksView = {
        "organization": organization,
        "tasks": _rows(call.tasks, organization, page.tasks),
        "next": page.cursor_after(len(page.tasks)),
    }
    return Shown(line=f"{len(page.tasks)} Neo tasks in {organization}.", view=dict(view))


def _rows(service: TaskService, organization: str, tasks: Sequence[Task]) -> list[TaskRowView]:
    return [
        {
            "task_id": row.task_id,
            "title": row.name or row.task_id,
            "status": row.status,
            "attention": _needs_attention(service, organization, row.task_id),
            "created_at": row.created_at,
            "created_by": row.created_by or "",
            "url": _url(service, organization, row.task_id),
        }
        for row in map(TaskSummary.of, tasks)
    ]


def _url(tasks: TaskService, organization: str, task_id: str) -> str:
    with suppress(InvalidArgumentError):
        return tasks.client.task_url(organization, task_id)
    return ""


def _needs_attention(tasks: TaskService, organization: str, task_id: str) -> bool | None:
    watcher = tasks.hub.peek(organization, task_id)
    if watcher is None:
        return None
    return any(need.kind not in OVER for need in watcher.attention())


APP_TOOLS: Mapping[str, ToolSpec] = {
    tool.name: tool
    for tool in (
        ToolSpec(
            "view_task",
            "Show a Neo task",
            "For the task view alone: a task's head and items, those new since the cursor with one.",
            ViewTaskInput,
            None,
            view_task,
            read_only=True,
            idempotent=True,
        ),
        ToolSpec(
            "view_tasks",
            "Show recent Neo tasks",
            "For the task view alone: one page of an organization's tasks.",
            ViewTasksInput,
            None,
            view_tasks,
            read_only=True,
            idempotent=True,
        ),
    )
}
