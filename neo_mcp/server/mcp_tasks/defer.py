"""Calls that last until Neo's turn is over: create_task with wait, and wait_for_events until turn_end.

A client that declares the Tasks extension on the request gets a task handle at once; for all others the call
waits within its bounds, and returns a cursor. A handle is given out only for what would really block, and
only once the Neo API knows the task, so that asking for it works.

Source: the text of `io.modelcontextprotocol/tasks`, section "Task Creation".
"""

from contextlib import suppress

import anyio

from neo_mcp.core.attention import AttentionKind
from neo_mcp.core.cursor import split_cursor
from neo_mcp.core.sanitize import clean, one_line
from neo_mcp.errors import NeoError, NotFoundError
from neo_mcp.server.call import Call
from neo_mcp.server.mcp_tasks.handle import Handle, declares_tasks, time_of
from neo_mcp.server.mcp_tasks.status import budget_of_news, created_task
from neo_mcp.server.tool_results import OtherResult
from neo_mcp.service.approvals.asker import approvals_of
from neo_mcp.service.commands.create import create_task
from neo_mcp.service.commands.wait import wait_for_events
from neo_mcp.service.inputs import CreateTaskInput, WaitInput
from neo_mcp.service.results import CreatedResult
from neo_mcp.service.tasks import TaskService

_KNOWN_SECONDS = 10.0
"""Seconds that the API has to show a task that it has just created."""

_MIN_SECONDS = 1.0
_MAX_WARNINGS = 3


class Deferred(OtherResult):
    """The call continues by itself; its client follows it by the handle."""

    def __init__(self, handle: Handle) -> None:
        super().__init__("the call was deferred", created_task(handle))


async def create_and_wait(call: Call, args: CreateTaskInput) -> CreatedResult:
    """Start a task, and wait for its turn if that is asked for.

    Raises:
        Deferred: If the client gets a handle instead; the task is there then.
    """
    clock = call.tasks.client.clock
    began = clock.monotonic()
    created = await create_task(call.tasks, call.asker, args)
    if not args.wait:
        return created
    if declares_tasks(call.ctx) and await _is_known(call.tasks, created):
        warnings = tuple(one_line(warning) for warning in created.warnings or ())[:_MAX_WARNINGS]
        handle = Handle(
            organization=created.organization,
            task_id=created.task_id,
            is_new=True,
            asked=_asked(call),
            warnings=warnings,
            created=time_of(call.app),
        )
        raise Deferred(handle.sealed(call.app))
    # Hosts count the time from the call's start.
    left = call.tasks.settings.wait_seconds - (clock.monotonic() - began)
    wait_input = WaitInput(
        task_id=created.task_id,
        cursor=created.cursor,
        organization=created.organization,
        timeout_seconds=max(left, _MIN_SECONDS),
        budget_tokens=budget_of_news(call.tasks, created),
    )
    try:
        return created.with_news(await wait_for_events(call.tasks, wait_input, call.on_progress))
    except NeoError as error:
        # The task runs, whatever became of the wait: its id must not be lost.
        return created.model_copy(
            update={
                "warnings": [
                    *(created.warnings or ()),
                    f"Waiting failed: {clean(error.text(call.tasks.wording))}",
                ]
            }
        )


async def defer_wait(call: Call, args: WaitInput, task_id: str) -> None:
    """Have the client follow the turn by a handle, unless there is nothing to wait for.

    A handle has no end of its own but the turn's: ``timeout_seconds`` bounds only a call that waits.

    Raises:
        Deferred: If the client gets a handle.
    """
    handle = await _handle_of_wait(call, args, task_id)
    if handle is not None:
        raise Deferred(handle.sealed(call.app))


async def _handle_of_wait(call: Call, args: WaitInput, task_id: str) -> Handle | None:
    """A handle, unless the turn is over or needs something that is not asked through handles."""
    organization = await call.tasks.organization(args.organization)
    seen = split_cursor(args.cursor or "", organization, [task_id])
    asked = _asked(call)
    async with call.tasks.followed(organization, task_id) as watcher:
        if any(need.kind not in asked for need in watcher.attention()):
            return None
        return Handle(
            organization=organization,
            task_id=task_id,
            base=watcher.log.last_id,
            after=seen[task_id].event_id,
            asked=asked,
            budget=args.budget_tokens,
            kinds=tuple(args.kinds or ()),
            created=time_of(call.app),
        )


def _asked(call: Call) -> frozenset[AttentionKind]:
    """The kinds of needs that a person is asked about through the handle: fixed, so its end never moves."""
    return approvals_of(call.tasks.settings).asked(can_ask=call.asker.can_ask)


async def _is_known(tasks: TaskService, created: CreatedResult) -> bool:
    """True once the API knows the task: if it is only eventually consistent, that takes a moment."""
    with anyio.move_on_after(_KNOWN_SECONDS), suppress(NeoError):
        while True:
            with suppress(NotFoundError):
                async with tasks.followed(created.organization, created.task_id):
                    return True
            await anyio.sleep(0.2)
    return False
