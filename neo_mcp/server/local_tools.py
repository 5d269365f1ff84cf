"""Answering the tool calls that Neo wants run where the host is.

The host's model runs them with its own tools and brings the results, all at once or in parts; this gathers
them and sends each batch once, whole and in the order of its calls. Runs nothing itself. What is kept
meanwhile is :mod:`neo_mcp.server.local_results`.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import islice

import anyio

from neo_mcp.core.attention import attention
from neo_mcp.core.sanitize import one_line
from neo_mcp.core.state import TaskState, Turn
from neo_mcp.errors import AmbiguousWriteError, BadRequestError, ConflictError, InvalidArgumentError, NeoError
from neo_mcp.server.call import Call
from neo_mcp.server.delivery import NotSentError
from neo_mcp.server.inputs import ToolResultArgument
from neo_mcp.server.local_results import Batch
from neo_mcp.server.next_steps import AFTER_RESPONDING
from neo_mcp.server.results import RespondedResult
from neo_mcp.server.sending import send
from neo_mcp.watch import Watcher
from neo_mcp.wire import EntityDiff, ExecToolCall, ToolCall, ToolResult, ToolResults, UserExecToolCall

_MOST_NAMED = 20
"""Calls that one text names; batches are short, but nothing says how short."""

_KEPT = (
    "All the results are kept. To try again, respond with action tool_results and an empty list: what has "
    "arrived is not sent twice."
)
_KEPT_IN_DOUBT = (
    "All the results are kept. Check with get_task; if it still asks for them in two minutes, respond with "
    "action tool_results and an empty list."
)


class AnsweredElsewhereError(NeoError):
    """Neo does not wait for these results any more; nothing was sent."""

    default_next_step = "Call get_task to see what it needs now."


async def return_results(
    call: Call, watcher: Watcher, given: Sequence[ToolResultArgument], diff: EntityDiff | None
) -> RespondedResult:
    """Keep the results that came, and send the batch once it is complete.

    Raises:
        InvalidArgumentError: If they are not for pending calls, or too large; nothing of them is kept then.
        AnsweredElsewhereError: If Neo waits for them no more.
        NeoError: If the batch could not be sent; all of it is kept then.
    """
    batch = _open(call, watcher)
    async with batch.lock:
        # Whoever held the lock may have sent it all.
        if _open(call, watcher) is not batch or batch.sent:
            raise _not_awaited(watcher.log.state)
        pending = watcher.log.state.local_calls
        results = _read(given, pending, batch)
        replaced = call.app.local_results.keep(batch, results)
        batch.diff = _joined(batch.diff, diff)
        said = [f"The later result counts for {_named(replaced)}."] if replaced else []
        missing = [tool_call for call_id, tool_call in pending.items() if call_id not in batch.results]
        if missing:
            return _incomplete(watcher, batch, results, missing, said)
        count = len(batch.results)
        await _send(call, watcher, batch)
    sent = " ".join([f"{_results(count)} sent.", *said])
    return RespondedResult(task_id=watcher.task_id, sent=sent, next=AFTER_RESPONDING)


def _open(call: Call, watcher: Watcher) -> Batch:
    key = (watcher.organization, watcher.task_id)
    batch = call.app.local_results.open(key, watcher.log)
    if batch is None:
        raise _not_awaited(watcher.log.state)
    return batch


def _not_awaited(state: TaskState) -> AnsweredElsewhereError:
    why = "they were sent already, here or elsewhere"
    if state.turn in {Turn.CANCELLED, Turn.FAILED}:
        why = f"the turn {'was cancelled' if state.turn is Turn.CANCELLED else 'failed'}"
    elif not state.asked_by:
        why = "it has asked for none"
    return AnsweredElsewhereError(f"Neo waits for no tool results: {why}. Nothing was kept or sent.")


def _read(
    given: Sequence[ToolResultArgument], pending: Mapping[str, ToolCall], batch: Batch
) -> list[ToolResult]:
    """The results as they go over the wire, if each is for one of the pending calls."""
    ids = [result.tool_call_id for result in given]
    unknown = [call_id for call_id in dict.fromkeys(ids) if call_id not in pending]
    awaited = _named(call_id for call_id in pending if call_id not in batch.results)
    if len(set(ids)) < len(ids):
        raise InvalidArgumentError("A tool call has more than one result.", next_step="Give one for each.")
    if unknown:
        raise InvalidArgumentError(
            f"{_named(unknown)} is not pending: answered already, cancelled, or mistaken. "
            "Nothing of this call was kept.",
            next_step=f"Give results for pending calls alone: {_named(pending)}.",
        )
    if not given and awaited:
        raise InvalidArgumentError(
            "There are no results.",
            next_step=f"Give one for each of {awaited}; set is_error on those that failed.",
        )
    return [
        ToolResult(
            tool_call_id=result.tool_call_id,
            name=pending[result.tool_call_id].name,
            content={"output": result.content},
            is_error=result.is_error,
        )
        for result in given
    ]


def _joined(before: EntityDiff | None, more: EntityDiff | None) -> EntityDiff | None:
    if before is None or more is None:
        return before or more
    return EntityDiff(add=(*before.add, *more.add), remove=(*before.remove, *more.remove))


def _incomplete(
    watcher: Watcher,
    batch: Batch,
    results: Sequence[ToolResult],
    missing: Sequence[ToolCall],
    said: Sequence[str],
) -> RespondedResult:
    whole = len(batch.results) + len(missing)
    calls = _named(f"{tool_call.id} ({one_line(tool_call.name, 60)})" for tool_call in missing)
    sent = [
        f"Kept {_named(result.tool_call_id for result in results)}: {len(batch.results)} of {whole} results.",
        *said,
        f"Nothing is sent to Neo before it is complete. Still missing: {calls}.",
    ]
    hint = 'Respond "tool_results" with what is missing, failures too; Neo waits until then.'
    return RespondedResult(task_id=watcher.task_id, sent=" ".join(sent), next=hint)


async def _send(call: Call, watcher: Watcher, batch: Batch) -> None:
    """Send the whole batch; whatever goes wrong, it stays kept for as long as Neo waits for it."""
    try:
        if batch.tried:
            # The live log may be behind what an earlier attempt has done.
            await watcher.read_again()
            _check_awaited(watcher, batch)
        batch.tried = True
        # Neo waits for this: what is complete goes out even if the caller leaves in the middle.
        with anyio.CancelScope(shield=True):
            await _post(call, watcher, batch)
    except (BadRequestError, ConflictError) as error:
        # Somebody else may have been quicker, or the turn is over.
        with suppress(NeoError):
            await watcher.read_again()
        _check_awaited(watcher, batch)
        error.next_step = _KEPT
        raise
    except (AmbiguousWriteError, NotSentError) as error:
        error.next_step = _KEPT_IN_DOUBT
        raise
    except AnsweredElsewhereError:
        raise
    except NeoError as error:
        error.next_step = _KEPT
        raise
    batch.close()


def _check_awaited(watcher: Watcher, batch: Batch) -> None:
    state = watcher.log.state
    if state.asked_by != batch.asked_by or state.local_calls.keys().isdisjoint(batch.results):
        batch.close()
        raise _not_awaited(state)


async def _post(call: Call, watcher: Watcher, batch: Batch) -> None:
    """Announce each call, as the API demands, then send all the results as one event."""
    state, since = watcher.log.state, watcher.log.since(batch.asked_by)
    results = tuple(batch.results[call_id] for call_id in state.local_calls if call_id in batch.results)
    announced = {event.body.tool_call_id for event in since.events if isinstance(event.body, ExecToolCall)}
    for result in results:
        if result.tool_call_id not in announced:
            announcement = UserExecToolCall(tool_call_id=result.tool_call_id, name=result.name)
            await send(call.app, watcher, announcement, echo=False)
    asked = [need for need in attention(state) if need.calls]
    await send(call.app, watcher, ToolResults(tool_results=results, entity_diff=batch.diff))
    watcher.note_answered(asked)


def _results(count: int) -> str:
    return "1 tool result was" if count == 1 else f"{count} tool results were"


def _named(ids: Iterable[str]) -> str:
    """Some ids in a text, of which there may be many."""
    listed = [one_line(call_id, 120) for call_id in ids]
    more = len(listed) - _MOST_NAMED
    return ", ".join([*islice(listed, _MOST_NAMED), *([f"and {more} more"] if more > 0 else [])])
