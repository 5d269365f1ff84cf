"""The state of the turn behind a task handle, in the terms of the MCP Tasks extension.

A turn is `working`; `input_required` while it waits for a person who can be asked through the handle;
`completed` once it is over, or needs what no person is asked about here: the calls that the host runs for it,
and approvals where no one may or can be asked. The result is what the tool call itself would have returned.
`cancelled` is the end of a turn that create_task handed over and a person stopped. `failed` means a JSON-RPC
error of the call, which these calls never end with: an error of Neo's, or a task that is gone, is a result.

Source: the text of `io.modelcontextprotocol/tasks`, sections "Task Status", "Task Polling" and "Task
Execution Errors".
"""

import hashlib
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp_types import CallToolResult

from neo_mcp.core.attention import OVER, AttentionKind, first_line
from neo_mcp.core.cursor import encode_cursor
from neo_mcp.core.render.lines import estimate_tokens
from neo_mcp.core.sanitize import one_line
from neo_mcp.core.turn import TurnResult
from neo_mcp.errors import AuthenticationError, NeoError, NotFoundError, PermissionDeniedError
from neo_mcp.server.call import App
from neo_mcp.server.elicitation import can_ask, elicit_request
from neo_mcp.server.mcp_tasks.handle import POLL_MS, TTL_SECONDS, Handle, missing
from neo_mcp.server.tool_results import tool_error, tool_result
from neo_mcp.service.approvals.asker import approvals_of
from neo_mcp.service.approvals.forms import question_about
from neo_mcp.service.approvals.questions import Question
from neo_mcp.service.approvals.resolve import whole
from neo_mcp.service.commands.wait import report
from neo_mcp.service.inputs import WaitInput
from neo_mcp.service.results import CreatedResult
from neo_mcp.service.tasks import TaskService
from neo_mcp.watch import Reader, Watcher, status
from neo_mcp.wire.time import format_time, parse_time

Json = dict[str, Any]

TERMINAL = frozenset({"completed", "cancelled", "failed"})

UNREADABLE = (AuthenticationError, PermissionDeniedError, NotFoundError)
"""Errors that retrying cannot fix: the tool call would have ended with them."""

_ELICITATION: Json = {"elicitation": {"form": {}}}
_MIN_TOKENS = 500
_MAX_REQUESTS = 16
"""Requests that are asked at a time: the others follow once these are answered."""

_AGAIN = " (Asked again: an earlier answer was dismissed, or was none that could be sent.)"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that waits for a person.

    Attributes:
        again: Whether an answer was delivered before that resolved nothing.
    """

    request_id: str
    question: Question
    again: bool


async def detailed_task(app: App, ctx: ServerRequestContext[Any, Any], handle: Handle) -> Json:
    """The extension's ``DetailedTask`` for the client of this request.

    Raises:
        MCPError: If a person has to be asked, and the client did not declare that it can ask one.
        NeoError: If the state cannot be read now.
    """
    try:
        async with app.tasks.followed(handle.organization, handle.task_id) as watcher:
            task = await task_state(app, watcher, handle)
    except UNREADABLE as error:
        return unreadable(app, handle, error)
    if task["status"] == "input_required" and not can_ask(ctx):
        raise missing(_ELICITATION)
    return task


async def task_state(app: App, watcher: Watcher, handle: Handle) -> Json:
    """The same for any client.

    Raises:
        NeoError: If the state cannot be read now.
    """
    turn = await turn_result(app, watcher, handle)
    if turn is not None:
        return await _ended(app, watcher, handle, turn)
    seen_at = parse_time(watcher.log.state.last_timestamp)
    requests = await requests_of(app, watcher, handle)
    if not requests:
        return _task(handle, "working", status(watcher), seen_at)
    first = next(iter(watcher.attention()))
    message = f"Neo asks for an answer ({first.kind}): {first_line(first.message)}"
    return _task(
        handle,
        "input_required",
        message + (_AGAIN if any(request.again for request in requests.values()) else ""),
        seen_at,
        inputRequests={
            key: elicit_request(request.question).model_dump(mode="json", by_alias=True, exclude_none=True)
            for key, request in requests.items()
        },
    )


def unreadable(app: App, handle: Handle, error: NeoError) -> Json:
    """The end of a task that cannot be read any more."""
    text = error.text(app.tasks.wording)
    return _task(handle, "completed", text, None, result=_wire(tool_error(text)))


async def turn_result(app: App, watcher: Watcher, handle: Handle) -> TurnResult | None:
    """How the turn ended, or what it needs that is not asked here; ``None`` during the turn.

    Raises:
        NeoError: If that cannot be read now.
    """
    # The operator's word of today counts, where it is the stricter one.
    return await app.tasks.turns.result(
        watcher, handle.base, handle.asked & approvals_of(app.tasks.settings).asked()
    )


async def requests_of(app: App, watcher: Watcher, handle: Handle) -> Mapping[str, Asked]:
    """The requests that wait for a person while there is no result, by key; the first of very many.

    A key names what is asked and for the how-manieth time: the same at every question and in every process,
    another one as soon as the request changes, or an answer to it was delivered that resolved nothing.

    Raises:
        NeoError: If a request's body has to be read again, and cannot be.
    """
    requests: dict[str, Asked] = {}
    for need in watcher.attention()[:_MAX_REQUESTS]:
        if need.request is not None:
            question = question_about(app.tasks, watcher, await whole(watcher, need.request.id))
            for time in itertools.count():
                text = f"{handle.id}\0{need.request.id}\0{question.digest}\0{time}"
                key = f"{need.kind}-{hashlib.sha256(text.encode()).hexdigest()[:32]}"
                if not app.used_answers.is_used(key):
                    requests[key] = Asked(need.request.id, question, again=time > 0)
                    break
    return requests


async def _ended(app: App, watcher: Watcher, handle: Handle, turn: TurnResult) -> Json:
    last = turn.needs[0]
    seen_at = parse_time(turn.state.last_timestamp)
    if handle.is_new and last.kind is AttentionKind.CANCELLED:
        return _task(handle, "cancelled", "Neo's turn was cancelled.", seen_at)
    message = f"{last.kind.replace('_', ' ')}: {first_line(last.message)}"
    result = await _result(app, watcher, handle, turn)
    return _task(handle, "completed", message, seen_at, result=_wire(result))


async def _result(app: App, watcher: Watcher, handle: Handle, turn: TurnResult) -> CallToolResult:
    """The result that the call would have returned at that moment."""
    over = any(need.kind in OVER for need in turn.needs)
    organization, task_id = handle.organization, handle.task_id
    created = CreatedResult(
        task_id=task_id,
        organization=organization,
        url=app.tasks.client.task_url(organization, task_id),
        cursor=encode_cursor(organization, task_id, ""),
        warnings=list(handle.warnings) or None,
        next="",
    )
    # Read when the handle was made, perhaps by another release, which knows other types of events.
    args = WaitInput.model_construct(
        task_id=task_id,
        kinds=list(handle.kinds) or None,
        budget_tokens=budget_of_news(app.tasks, created) if handle.is_new else handle.budget,
    )
    reader = Reader(watcher, handle.after)
    waited = await report(app.tasks, args, reader, reader.read_to(turn), matched=over or handle.is_new)
    return tool_result(created.with_news(waited) if handle.is_new else waited, app.tasks.wording)


def _task(handle: Handle, state: str, message: str, seen_at: datetime | None, **more: Json) -> Json:
    updated = max(handle.created_at, seen_at) if seen_at else handle.created_at
    return {
        "taskId": handle.id,
        "status": state,
        "statusMessage": one_line(message, 400),
        "createdAt": format_time(handle.created_at),
        "lastUpdatedAt": format_time(updated),
        "ttlMs": TTL_SECONDS * 1000,
        "pollIntervalMs": POLL_MS,
        **more,
    }


def budget_of_news(tasks: TaskService, created: CreatedResult) -> int:
    """Tokens that remain for the news of a task that was just created."""
    spent = 2 * estimate_tokens(created.model_dump_json(exclude_none=True, context=tasks.wording))
    return max(tasks.settings.budget_tokens - spent, _MIN_TOKENS)


def created_task(handle: Handle) -> Json:
    """The extension's ``CreateTaskResult``: the handle, and what it starts as."""
    return {"resultType": "task", **_task(handle, "working", "Neo is at work.", None)}


def _wire(result: CallToolResult) -> Json:
    return result.model_dump(mode="json", by_alias=True, exclude_none=True)
