"""The tools that only look: get_task, list_tasks and wait_for_events."""

from contextlib import suppress

import anyio

from neo_mcp.core.attention import activity
from neo_mcp.core.cursor import decode_cursor, encode_cursor
from neo_mcp.core.sanitize import clean, one_line
from neo_mcp.errors import NeoError
from neo_mcp.server.call import Call
from neo_mcp.server.inputs import GetTaskInput, ListTasksInput, WaitInput
from neo_mcp.server.results import (
    TaskFacts,
    TaskResult,
    TaskRow,
    TasksResult,
    WaitResult,
    describe_needs,
    fit_events,
    last_message,
    needs_cost,
    next_step,
)
from neo_mcp.server.uris import transcript_uri
from neo_mcp.watch import Waited, wait
from neo_mcp.wire import Task

_NEEDS_SHARE = 0.6
_ROW_TOKENS = 190
"""What one task of a list costs at most, in both forms of the result."""

_NAME_BYTES = 80
_ASK_SECONDS = 3.0
_ACTIVITY_BESIDE_NEEDS = 60
_FRAME_TOKENS = 200
"""What a result costs besides needs and events: ids, cursor, hints, and JSON's own punctuation."""


async def get_task(call: Call, args: GetTaskInput) -> TaskResult:
    """A task's metadata plus what its events say."""
    organization = await call.organization(args.organization)
    client = call.app.client
    task = await client.get_task(args.task_id, organization=organization)
    async with call.app.followed(organization, args.task_id) as watcher:
        state, needs = watcher.log.state, watcher.attention()
    room = _room(call.app.settings.budget_tokens)
    rest = f"read {transcript_uri(organization, task.id)}"
    return TaskResult(
        task=TaskFacts.of(task, organization, client.task_url(organization, task.id)),
        needs=describe_needs(needs, organization, task.id, int(room * _NEEDS_SHARE)),
        activity=clean(activity(state)),
        last_message=last_message(state, needs, room // 4, rest),
        cursor=encode_cursor(organization, task.id, state.last_event_id),
        next=next_step(needs, running=task.is_running),
    )


async def list_tasks(call: Call, args: ListTasksInput) -> TasksResult:
    """One page of an organization's tasks."""
    organization = await call.organization(args.organization)
    page = await call.app.client.list_tasks(
        organization=organization,
        continuation_token=args.cursor,
        page_size=min(args.page_size, max(call.app.settings.budget_tokens // _ROW_TOKENS, 1)),
        sort_by=args.sort_by,
        sort_direction=args.sort_direction,
        task_type=args.task_type,
    )
    return TasksResult(
        organization=organization,
        tasks=[_row(task) for task in page.tasks],
        next_cursor=page.continuation_token or None,
    )


async def wait_for_events(call: Call, args: WaitInput) -> WaitResult:
    """Wait, then say what happened and what needs somebody."""
    organization = await call.organization(args.organization)
    seen = decode_cursor(args.cursor, organization, args.task_id) if args.cursor else ""
    steps = 0

    async def report(text: str) -> None:
        nonlocal steps
        steps += 1
        await call.ctx.session.report_progress(steps, None, clean(text))

    settings = call.app.settings
    async with call.app.hub.follow(organization, args.task_id) as watcher:
        waited = await wait(
            watcher,
            seen,
            until=args.until,
            seconds=args.timeout_seconds or settings.wait_seconds,
            on_progress=report,
        )
    running = waited.matched or await _is_running(call, organization, args.task_id)
    budget = args.budget_tokens or settings.budget_tokens
    return _wait_result(waited, organization, args.task_id, budget, running=running)


async def _is_running(call: Call, organization: str, task_id: str) -> bool:
    """Whether more can be expected: a turn that was killed elsewhere ends without an event."""
    with anyio.move_on_after(_ASK_SECONDS), suppress(NeoError):
        return (await call.app.client.get_task(task_id, organization=organization)).is_running
    return True


def _wait_result(
    waited: Waited, organization: str, task_id: str, budget: int, *, running: bool
) -> WaitResult:
    room = _room(budget)
    needs = describe_needs(waited.needs, organization, task_id, int(room * _NEEDS_SHARE))
    left = room - needs_cost(needs)
    lines, omitted, note = fit_events(waited.events, waited.needs, organization, task_id, left)
    if not waited.cursor_known:
        unknown = "[The cursor's event is not in this task any more: events are from the start.]"
        note = f"{unknown} {note}" if note else unknown
    return WaitResult(
        task_id=task_id,
        matched=waited.matched,
        needs=needs,
        activity=one_line(waited.activity, _ACTIVITY_BESIDE_NEEDS) if needs else clean(waited.activity),
        events=lines,
        omitted=omitted or None,
        note=note,
        cursor=encode_cursor(organization, task_id, waited.last_event_id),
        next=next_step(waited.needs, running=running),
    )


def _room(budget: int) -> int:
    """What one of the two forms of a result (text, structured) may take."""
    return max(budget // 2 - _FRAME_TOKENS, 100)


def _row(task: Task) -> TaskRow:
    return TaskRow(
        task_id=task.id,
        name=clean(task.name).encode()[:_NAME_BYTES].decode("utf-8", "ignore"),
        status=task.status,
        created_at=task.created_at,
        created_by=task.created_by.github_login if task.created_by else None,
        shared=task.is_shared or None,
        tokens_used=task.tokens_used,
    )
