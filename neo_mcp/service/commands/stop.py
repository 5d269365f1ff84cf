"""Stop a turn: ask Neo, or kill its session.

Owns the steps before that: Neo accepts no request to stop while it waits for local tool calls, so those that
no other client runs are answered as cancelled first. The others are left to their client.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import anyio

from neo_mcp.core.state import Turn
from neo_mcp.errors import BadRequestError, ConflictError, NeoError
from neo_mcp.hints import Hint, NextStep
from neo_mcp.service.approvals.asker import Asker, approvals_of
from neo_mcp.service.approvals.forms import kill_form
from neo_mcp.service.approvals.questions import Choice, Decision, RefusedError
from neo_mcp.service.commands.claims import (
    GONE,
    Right,
    RunElsewhereError,
    announce_alone,
    check_batch,
    describe_elsewhere,
    run_elsewhere,
)
from neo_mcp.service.commands.local_tools import send_results
from neo_mcp.service.tasks import TaskService
from neo_mcp.service.writes.local_results import Batch
from neo_mcp.watch import Watcher
from neo_mcp.wire import Task, ToolCall, ToolResult, UserCancel

MAX_SECONDS = 45.0
"""Maximum seconds of a request to stop; some hosts end a call after 60 s."""

_CONFLICT_SECONDS = 20.0
_MIN_SECONDS = 5.0
_CANCELLED = "cancelled by the user"
_CANCEL_AGAIN: NextStep = (
    Hint.SEE.of(what="what Neo waits for"),
    " Then cancel again; with force, a person can have the session killed.",
)


class NotStoppedError(NeoError):
    """It is not known whether Neo was asked to stop."""

    default_next_step = (
        Hint.SEE.of(what="what it does"),
        " Cancel again if it still runs: that is safe.",
    )


@contextmanager
def in_time(tasks: TaskService) -> Iterator[None]:
    """Bound the time of a whole request to stop, finding the task included.

    Raises:
        NotStoppedError: If the time is over.
    """
    # A post that is under way is not cut short, so it has to fit in as well.
    seconds = max(MAX_SECONDS - tasks.settings.call_timeout, _MIN_SECONDS)
    with anyio.move_on_after(seconds) as limit:
        yield
    if limit.cancelled_caught:
        raise NotStoppedError(f"Neo was not seen to take the request to stop within {seconds:.0f} seconds.")


async def stop(tasks: TaskService, watcher: Watcher, right: Right = Right()) -> str:  # noqa: B008 - frozen
    """Ask Neo to stop, and return a description of what was sent; nothing is sent if nothing runs.

    Raises:
        RunElsewhereError: If Neo waits for calls that another client runs; nothing was sent.
        NeoError: If Neo was not asked.
    """
    task = await watcher.look()
    await watcher.read_again()
    if not _runs(watcher, task):
        return "Nothing runs in this task, so nothing was sent, and nothing changed."
    count = await _answer_calls(tasks, watcher, right)
    await _ask_to_stop(tasks, watcher)
    answered = f" {count} open local calls were answered as cancelled." if count else ""
    return f"Neo was asked to stop.{answered}"


def _runs(watcher: Watcher, task: Task) -> bool:
    """True if there is something to stop; also if the events and the status disagree."""
    return _is_busy(watcher, task) or watcher.log.state.turn is Turn.RUNNING


def _is_busy(watcher: Watcher, task: Task) -> bool:
    state = watcher.log.state
    return bool(task.is_running or state.pending_approvals or state.local_calls or state.worker_calls)


async def _ask_to_stop(tasks: TaskService, watcher: Watcher) -> None:
    try:
        await tasks.deliveries.send(watcher, UserCancel(), conflict_wait=_CONFLICT_SECONDS)
    except ConflictError as error:
        raise error.with_hint(_CANCEL_AGAIN) from error


async def _answer_calls(tasks: TaskService, watcher: Watcher, right: Right) -> int:
    """Answer the local calls that Neo waits for, with stored results if there are any; return their number.

    Raises:
        RunElsewhereError: If another client runs one of them; no result was sent then.
    """
    batch = tasks.local_results.open(watcher.key, watcher.log)
    if batch is None:
        return 0
    check_batch(watcher, right)
    async with batch.lock:
        state = watcher.log.state
        if state.asked_by != batch.asked_by:
            return 0
        calls = {call_id: call for call_id, call in state.local_calls.items() if call_id not in batch.sent}
        _check_own(watcher, right)
        free = [call for call_id, call in calls.items() if call_id not in state.announced]
        if free:
            watcher.announce(await announce_alone(tasks, watcher, free))
            _check_own(watcher, right)
        if calls:
            await _post_results(tasks, watcher, batch, calls)
        return len(calls)


async def _post_results(
    tasks: TaskService, watcher: Watcher, batch: Batch, calls: dict[str, ToolCall]
) -> None:
    results = [batch.results.get(call_id) or _cancelled(call) for call_id, call in calls.items()]
    try:
        with anyio.CancelScope(shield=True):
            await send_results(tasks, watcher, results, batch.diff)
    except (BadRequestError, ConflictError):
        await watcher.read_again()
        if not watcher.log.state.local_calls.keys().isdisjoint(calls):
            raise
    batch.close(calls)


def _check_own(watcher: Watcher, right: Right) -> None:
    elsewhere = run_elsewhere(watcher, right)
    if elsewhere:
        raise RunElsewhereError(
            f"{describe_elsewhere(watcher, elsewhere)}. Neo cannot be stopped before their results are in; "
            "neither a result nor a request to stop was sent.",
            next_step="Stop it at that client, or wait until it is done. If you claimed these calls, cancel "
            f"with the claim; if that client is certainly gone, with {GONE}. With force, a person can have "
            "the session killed.",
        )


def _cancelled(call: ToolCall) -> ToolResult:
    return ToolResult(tool_call_id=call.id, name=call.name, content={"output": _CANCELLED}, is_error=True)


async def kill_session(tasks: TaskService, asker: Asker, watcher: Watcher) -> str:
    """Kill the session if a person agrees; return a description.

    Raises:
        RefusedError: If there is nothing to kill, or the person did not agree; nothing was sent.
        AskAgain: If the call has to be repeated with the answer.
        NeoError: If it may or may not be dead.
    """
    form = await _kill_form(tasks, watcher)
    answer = await approvals_of(tasks.settings).decide(asker, form)
    if answer.choice is Choice.NO:
        raise RefusedError("The person refused; nothing was sent.")
    if (await _kill_form(tasks, watcher)).about != form.about:
        raise RefusedError(
            "Another turn began while the form was open; nothing was sent.",
            next_step=(Hint.SEE.of(what="what Neo does now"), " Then ask again."),
        )
    await tasks.deliveries.kill(watcher)
    return "The session was killed; the task is idle."


async def _kill_form(tasks: TaskService, watcher: Watcher) -> Decision:
    """The form to agree to before a session is killed: which task, and for which turn.

    Raises:
        RefusedError: If nothing of the task runs or is pending, so that there is nothing to kill.
    """
    task = await watcher.look()
    if not _is_busy(watcher, task):
        raise RefusedError("The task is idle already: there is nothing to kill, and nothing was sent.")
    return kill_form(tasks, watcher, task)
