"""The work of the MCP Tasks extension's methods: tasks/get, tasks/update, tasks/cancel, and notifications.

Owns what each of them does and refuses. A handle is opened anew for every request, and the Neo API is asked
for the state of its turn: see :mod:`neo_mcp.server.mcp_tasks.handle` and
:mod:`neo_mcp.server.mcp_tasks.status`. An answer that comes this way is read, bound and sent exactly like one
to a tool call.

Source: the text of `io.modelcontextprotocol/tasks`, sections "Task Polling" to "Task Status Notifications".
"""

import logging
from collections.abc import Callable
from typing import Any, Literal

import anyio
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, ElicitResult, Notification

from neo_mcp.errors import AmbiguousWriteError, ConflictError, NeoError
from neo_mcp.server.call import App
from neo_mcp.server.elicitation import MALFORMED, form_answer, read_answer
from neo_mcp.server.mcp_tasks.handle import TTL_SECONDS, Handle
from neo_mcp.server.mcp_tasks.routes import Context, TaskParams, UpdateParams
from neo_mcp.server.mcp_tasks.status import (
    TERMINAL,
    UNREADABLE,
    Asked,
    Json,
    detailed_task,
    requests_of,
    task_state,
    turn_result,
    unreadable,
)
from neo_mcp.service.approvals.asker import approvals_of
from neo_mcp.service.approvals.questions import Choice
from neo_mcp.service.approvals.resolve import send_answer
from neo_mcp.service.commands.claims import RunElsewhereError
from neo_mcp.service.commands.stop import NotStoppedError, in_time, stop
from neo_mcp.watch import Watcher
from neo_mcp.watch.turns import CHECK_SECONDS

logger = logging.getLogger(__name__)

COALESCE_SECONDS = 0.25
"""Changes that come closer together than this are reported once."""

RETRY_SECONDS = 15.0
"""Seconds until a task that could not be followed is tried again."""

_DONE: Json = {"resultType": "complete"}


class TaskStatusNotification(Notification[dict[str, Any], Literal["notifications/tasks"]]):
    """The extension's notification: a whole ``DetailedTask``."""

    method: Literal["notifications/tasks"] = "notifications/tasks"
    params: dict[str, Any]


async def get(app: App, ctx: Context, _: TaskParams, handle: Handle) -> Json:
    """The task as it is."""
    return {**_DONE, **await detailed_task(app, ctx, handle)}


async def update(app: App, _: Context, params: UpdateParams, handle: Handle) -> Json:
    """Take answers to what is asked now; all others are ignored.

    One that resolves nothing (a dismissed form, a name typed wrongly, a request that changed meanwhile, an
    API that is out of reach) is acknowledged too: what is still open is asked again, under a new key.
    """
    try:
        async with app.tasks.followed(handle.organization, handle.task_id) as watcher:
            over = await turn_result(app, watcher, handle) is not None
            asked = {} if over else await requests_of(app, watcher, handle)
            answers = {
                key: _read(key, value) for key, value in params.input_responses.items() if key in asked
            }
            for key, answer in answers.items():
                await _take(app, watcher, key, asked[key], answer)
    except UNREADABLE as error:
        logger.info("no answer can be taken: %s", error)
    return _DONE


def _read(key: str, value: object) -> ElicitResult:
    answer = read_answer(value)
    if answer is MALFORMED:
        raise MCPError(INVALID_PARAMS, f"The response to {key} is no answer to an elicitation.")
    return answer


async def _take(app: App, watcher: Watcher, key: str, asked: Asked, result: ElicitResult) -> None:
    """Send a person's answer, unless another call is sending it: every answer counts once."""
    if not app.used_answers.claim(key, seconds=TTL_SECONDS):
        return
    try:
        with approvals_of(app.tasks.settings).observed(kind="handle") as seen:
            answer = asked.question.read(form_answer(result))
            await send_answer(app.tasks, watcher, asked.request_id, asked.question, answer)
            seen.ended("agreed" if answer.choice is Choice.YES else "refused")
    except NeoError as error:
        logger.info("an answer to %s resolved nothing: %s", asked.request_id, error)
    finally:
        # What is asked has another key now.
        watcher.changed.notify()


async def cancel(app: App, _: Context, __: TaskParams, handle: Handle) -> Json:
    """Ask Neo to stop the turn that create_task handed over.

    A handle of wait_for_events is for the waiting alone, and others may wait as well: cancelling it stops
    nothing, and Neo continues. A read-only server stops nothing either.
    """
    if not handle.is_new or app.tasks.settings.read_only:
        return _DONE
    try:
        with in_time(app.tasks):
            async with app.tasks.followed(handle.organization, handle.task_id) as watcher:
                if await turn_result(app, watcher, handle) is None:
                    await stop(app.tasks, watcher)
    except (*UNREADABLE, AmbiguousWriteError, ConflictError, NotStoppedError, RunElsewhereError) as error:
        # It is over, may have been asked to stop, or will not: tasks/get tells.
        logger.info("a turn was not cancelled: %s", error)
    return _DONE


async def report_status(app: App, handle: Handle, report: Callable[[Json], None]) -> None:
    """Call ``report`` with the task as it is, then after every change of its status until it is over."""
    reported: Json | None = None
    while True:
        try:
            async with app.tasks.followed(handle.organization, handle.task_id) as watcher:
                while watcher.failure is None:
                    changed = anyio.Event()
                    watcher.changed.join(changed)
                    try:
                        now = await task_state(app, watcher, handle)
                        if reported is None or _differ(now, reported):
                            report(now)
                            reported = now
                        if now["status"] in TERMINAL:
                            return
                        with anyio.move_on_after(CHECK_SECONDS):
                            await changed.wait()
                    finally:
                        watcher.changed.leave(changed)
                    await anyio.sleep(COALESCE_SECONDS)
                raise watcher.failure
        except UNREADABLE as error:
            report(unreadable(app, handle, error))
            return
        except NeoError as error:
            logger.warning("the status of task %s cannot be read now: %s", handle.task_id, error)
        await anyio.sleep(RETRY_SECONDS)


def _differ(one: Json, other: Json) -> bool:
    keys = ("status", "statusMessage", "inputRequests")
    return any(one.get(key) != other.get(key) for key in keys)
