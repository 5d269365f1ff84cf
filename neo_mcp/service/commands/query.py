"""The tools that only look: get_task and list_tasks."""

from neo_mcp.core.attention import activity
from neo_mcp.core.cursor import decode_page, encode_cursor, encode_page
from neo_mcp.core.render.lines import estimate_tokens, first_bytes
from neo_mcp.core.reported import NOTHING_REPORTED
from neo_mcp.core.sanitize import one_line
from neo_mcp.service.budget import (
    describe_needs,
    in_short,
    last_message,
    needs_room,
    room_of,
    say_left,
    say_removed,
    tokens_of,
)
from neo_mcp.service.budget_calls import say_elsewhere
from neo_mcp.service.inputs import GetTaskInput, ListTasksInput
from neo_mcp.service.next_steps import next_step
from neo_mcp.service.results import TaskFacts, TaskResult, TaskRow, TasksResult
from neo_mcp.service.tasks import TaskService
from neo_mcp.service.uris import transcript_uri
from neo_mcp.wire import Task

_ROW_TOKENS = 190
"""What one task of a list costs at most, in both forms of the result."""

_LEAST = 60
"""Tokens for what a task needs and says, however much its settings take."""

_NAME_BYTES = 80
_LONGEST_WORD = 60


async def get_task(tasks: TaskService, args: GetTaskInput) -> TaskResult:
    """A task's metadata plus what its events say."""
    organization = await tasks.organization(args.organization)
    client = tasks.client
    async with tasks.followed(organization, args.task_id) as watcher:
        task = await watcher.look()
        state, pending = watcher.log.state, watcher.needs.since(NOTHING_REPORTED)
        elsewhere = say_elsewhere(state, watcher.announced_here)
        may_go_on = task.is_running or bool(watcher.needs.later)
        progress = tasks.local_results.progress((organization, args.task_id), watcher.log)
    url = client.task_url(organization, task.id)
    facts = TaskFacts.of(task, organization, url, plan_accepted=state.plan_accepted)
    needs = pending.needs
    room = max(room_of(args.budget_tokens or tasks.settings.budget_tokens) - tokens_of([facts]), _LEAST)
    room -= estimate_tokens(elsewhere or "")
    rest = f"read {transcript_uri(organization, task.id)}"
    page = tasks.page_to_reply(organization, task.id)
    described = describe_needs(needs, organization, task.id, needs_room(needs, room), progress, page=page)
    message, removed = last_message(state, needs, room // 4, rest)
    return TaskResult(
        task=facts,
        needs=described,
        activity=in_short(activity(state), room // 8),
        last_message=message,
        note=say_removed(
            " ".join(filter(None, [say_left(described, needs), elsewhere])),
            removed + sum(need.removed for need in described),
        ),
        cursor=encode_cursor(organization, task.id, state.last_event_id, pending.reported(len(described))),
        next=next_step([pending], running=may_go_on, read_only=tasks.settings.read_only),
    )


async def list_tasks(tasks: TaskService, args: ListTasksInput) -> TasksResult:
    """One page of an organization's tasks."""
    organization = await tasks.organization(args.organization)
    page = await tasks.client.list_tasks(
        organization=organization,
        continuation_token=decode_page(args.cursor, organization) if args.cursor else None,
        page_size=min(args.page_size, max(tasks.settings.budget_tokens // _ROW_TOKENS, 1)),
        sort_by=args.sort_by,
        sort_direction=args.sort_direction,
        task_type=args.task_type,
    )
    return TasksResult(
        organization=organization,
        tasks=[_row(task) for task in page.tasks],
        next_cursor=encode_page(organization, page.continuation_token) if page.continuation_token else None,
    )


def _row(task: Task) -> TaskRow:
    return TaskRow(
        task_id=one_line(task.id),
        name=first_bytes(one_line(task.name), _NAME_BYTES),
        status=one_line(task.status, _LONGEST_WORD),
        created_at=one_line(task.created_at, _LONGEST_WORD),
        created_by=one_line(task.created_by.github_login, _LONGEST_WORD) if task.created_by else None,
        shared=task.is_shared or None,
        tokens_used=task.tokens_used,
    )
