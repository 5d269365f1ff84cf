"""The read-only tools: get_task and list_tasks."""

from collections.abc import Sequence
from dataclasses import dataclass

from neo_mcp.core.attention import Attention, activity
from neo_mcp.core.cursor import encode_cursor
from neo_mcp.core.render.lines import first_bytes
from neo_mcp.core.reported import NOTHING_REPORTED, Pending
from neo_mcp.core.state import TaskState
from neo_mcp.core.summary import TaskSummary
from neo_mcp.service.budget import (
    describe_needs,
    form_budget,
    last_message,
    needs_budget,
    omitted_note,
    shorten,
    with_removed_note,
)
from neo_mcp.service.budget_calls import elsewhere_note
from neo_mcp.service.inputs import GetTaskInput, ListTasksInput
from neo_mcp.service.last_result import Basis
from neo_mcp.service.listed import Listed, listed
from neo_mcp.service.next_steps import next_step
from neo_mcp.service.results import TaskFacts, TaskResult, TaskRow, TasksResult
from neo_mcp.service.tasks import TaskService
from neo_mcp.service.uris import transcript_uri
from neo_mcp.service.whole_needs import are_whole, with_bodies
from neo_mcp.service.writes.local_results import Progress
from neo_mcp.wire import Task

_ROW_TOKENS = 190
"""Maximum tokens of one task of a list, in both forms of the result."""

_MIN_TOKENS = 60
"""Tokens for a task's needs and messages, even if its settings are large."""

_NAME_BYTES = 80


async def get_task(tasks: TaskService, args: GetTaskInput) -> TaskResult:
    """A task's metadata and its current state from its events."""
    organization = await tasks.organization(args.organization)
    async with tasks.followed(organization, args.task_id) as watcher:
        task = await watcher.look()
        pending = watcher.needs.since(NOTHING_REPORTED)
        if args.request_id is not None:
            pending = pending.first(args.request_id)
        snapshot = _Snapshot(
            tasks,
            organization,
            task,
            watcher.log.state,
            pending,
            needs=await with_bodies(watcher, pending.needs),
            elsewhere=elsewhere_note(watcher.log.state, watcher.announced_here),
            progress=tasks.local_results.progress(watcher.key, watcher.log),
            may_go_on=task.is_running or bool(watcher.needs.later),
            basis=tasks.basis_of(watcher, pending) if are_whole(watcher, pending.needs) else None,
        )
        return snapshot.result(args.budget_tokens or tasks.settings.budget_tokens)


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """A task at one moment, while its result is made.

    Attributes:
        needs: Those of ``pending``, with bodies.
        basis: All that needs and activity depend on; ``None`` if bodies had to be read.
    """

    tasks: TaskService
    organization: str
    task: Task
    state: TaskState
    pending: Pending
    needs: Sequence[Attention]
    elsewhere: str | None
    progress: Progress
    may_go_on: bool
    basis: Basis | None

    def result(self, budget: int) -> TaskResult:
        """The result, which is the last one where that depends on the same."""
        url = self.tasks.client.task_url(self.organization, self.task.id)
        facts = TaskFacts.of(self.task, self.organization, url, plan_accepted=self.state.plan_accepted)
        if self.basis is None:
            return self._fitted(facts, budget)
        basis, last = (facts, budget, *self.basis), self.tasks.last_task
        result = last.get(basis)
        if result is None:
            result = self._fitted(facts, budget)
            last.put(basis, result)
        return result

    def _fitted(self, facts: TaskFacts, budget: int) -> TaskResult:
        """The result, within its budget as far as texts can be cut."""
        tokens = form_budget(budget)
        result = self._within(facts, tokens)
        while (cost := result.rendered(self.tasks.wording).tokens) > budget and tokens > _MIN_TOKENS:
            tokens = max(min(tokens * budget // cost, tokens * 9 // 10), _MIN_TOKENS)
            result = self._within(facts, tokens)
        return result

    def _within(self, facts: TaskFacts, tokens: int) -> TaskResult:
        organization, task_id, state, needs = self.organization, self.task.id, self.state, self.needs
        page = self.tasks.page_to_reply(organization, task_id)
        described = describe_needs(
            needs,
            organization,
            task_id,
            needs_budget(needs, tokens),
            self.progress,
            wording=self.tasks.wording,
            page=page,
        )
        rest = f"read {transcript_uri(organization, task_id)}"
        message, removed = last_message(state, needs, tokens // 4, rest)
        notes = [omitted_note(described, needs, state), self.elsewhere]
        return TaskResult(
            task=facts,
            needs=described,
            activity=shorten(activity(state), tokens // 8),
            last_message=message,
            note=with_removed_note(
                " ".join(filter(None, notes)), removed + sum(need.removed for need in described)
            ),
            cursor=encode_cursor(
                organization, task_id, state.last_event_id, self.pending.reported(len(described))
            ),
            next=next_step([self.pending], running=self.may_go_on, read_only=self.tasks.settings.read_only),
        )


async def list_tasks(tasks: TaskService, args: ListTasksInput) -> TasksResult:
    """One page of an organization's tasks: as many as fit, with the cursor after these."""
    organization, budget = await tasks.organization(args.organization), tasks.settings.budget_tokens
    page = await listed(
        tasks.client,
        organization,
        args.cursor,
        min(args.page_size, max(budget // _ROW_TOKENS, 1)),
        sort_by=args.sort_by,
        sort_direction=args.sort_direction,
        task_type=args.task_type,
    )
    rows = [_row(task) for task in page.tasks]
    result = _listed(page, rows)
    while len(rows) > 1 and (cost := result.rendered(tasks.wording).tokens) > budget:
        rows = rows[: max(min(len(rows) * budget // cost, len(rows) - 1), 1)]
        result = _listed(page, rows)
    return result


def _listed(page: Listed, rows: Sequence[TaskRow]) -> TasksResult:
    return TasksResult(
        organization=page.organization,
        tasks=list(rows),
        next_cursor=page.cursor_after(len(rows)),
        note=page.left_out(len(rows)),
    )


def _row(task: Task) -> TaskRow:
    summary = TaskSummary.of(task)
    return TaskRow(**{**summary._asdict(), "name": first_bytes(summary.name, _NAME_BYTES)})
