"""Local tool calls: claim them, gather their results, and send each batch once.

The host's model runs them with its own tools and brings the results, all at once or in parts. A batch is
sent whole, in the order of its calls. Runs nothing itself. Results are stored meanwhile in
:mod:`neo_mcp.service.writes.local_results`.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

import anyio

from neo_mcp.core.attention import attention, calls_elsewhere
from neo_mcp.core.sanitize import holds_secret
from neo_mcp.core.state import TaskState, Turn
from neo_mcp.errors import AmbiguousWriteError, BadRequestError, ConflictError, InvalidArgumentError, NeoError
from neo_mcp.hints import Hint, NextStep
from neo_mcp.service.approvals.questions import RefusedError
from neo_mcp.service.budget_calls import OWN_CLIENT, RUN_NONE
from neo_mcp.service.commands.claims import (
    GONE,
    Right,
    RunElsewhereError,
    check_batch,
    check_open,
    claim_calls,
    describe_elsewhere,
    listed,
    named_some,
)
from neo_mcp.service.inputs import ToolResultArgument
from neo_mcp.service.results import RespondedResult
from neo_mcp.service.tasks import TaskService
from neo_mcp.service.writes.delivery import NotSentError
from neo_mcp.service.writes.local_results import Batch
from neo_mcp.watch import Watcher
from neo_mcp.wire import EntityDiff, ToolCall, ToolResult, ToolResults, UserExecToolCall


class AnsweredElsewhereError(NeoError):
    """Neo no longer waits for these results; nothing was sent."""

    default_next_step = Hint.SEE.of(what="what it needs now")


async def return_results(
    tasks: TaskService,
    watcher: Watcher,
    given: Sequence[ToolResultArgument],
    diff: EntityDiff | None,
    right: Right = Right(),  # noqa: B008 - frozen
) -> RespondedResult:
    """Store the results, and send the batch once it is complete.

    Calls that another client runs are not part of it, unless the caller has the right to answer them.

    Raises:
        InvalidArgumentError: If they are not for pending calls, or too large; none of them is stored then.
        RunElsewhereError: If another client runs one of the calls; none of the results is stored either.
        AnsweredElsewhereError: If Neo no longer waits for them.
        NeoError: If the batch could not be sent; all of it is stored then.
    """
    async with _locked_batch(tasks, watcher, right) as (batch, pending):
        results = _read(given, pending, batch)
        check_open(watcher, right, {result.tool_call_id for result in results})
        replaced = tasks.local_results.store(batch, results)
        batch.expected |= {
            call_id
            for call_id in pending
            if right.covers(call_id) and (right.claim is not None or call_id in batch.results)
        }
        batch.diff = _joined(batch.diff, diff)
        notes = [f"A later result replaces the earlier one for {named_some(replaced)}."] if replaced else []
        calls = _own_calls(watcher, batch, pending)
        missing = [tool_call for call_id, tool_call in calls.items() if call_id not in batch.results]
        if missing:
            return _incomplete(watcher, batch, results, calls, notes)
        if not calls:
            check_open(watcher, right, pending)
        await _send(tasks, watcher, batch, right, calls)
    sent = " ".join([f"{_results(len(calls))} sent.", *notes])
    return RespondedResult(task_id=watcher.task_id, sent=sent, next=Hint.WAIT)


async def claim(
    tasks: TaskService, watcher: Watcher, is_refused: Callable[[ToolCall], bool]
) -> RespondedResult:
    """Claim the pending calls that no one runs, except for those that the caller may not answer.

    Raises:
        RunElsewhereError: If another client runs all of them.
        RefusedError: If there are none that the caller may answer.
        AnsweredElsewhereError: If Neo waits for no results.
        NeoError: If they cannot be announced.
    """
    await watcher.read_again()
    async with _locked_batch(tasks, watcher, Right()) as (batch, pending):
        # The previous owner of the lock may have announced some.
        await watcher.read_again()
        still = watcher.log.state.local_calls
        left = [each for call_id, each in pending.items() if call_id in still]
        if not left or watcher.log.state.asked_by != batch.asked_by:
            raise _not_awaited(watcher.log.state)
        shown = [each for each in left if not holds_secret(each.args)]
        if not shown:
            raise secret_needed(left)
        calls = [each for each in shown if not is_refused(each)]
        if not calls:
            url = tasks.client.task_url(watcher.organization, watcher.task_id)
            raise RefusedError(
                f"Only a person may answer these questions here: {listed(shown)}; nothing was sent.",
                next_step=f"Ask the person to answer at {url}",
            )
        claimed = await claim_calls(tasks, watcher, calls)
        if hidden := [each for each in left if each not in shown]:
            sent = f"{claimed.sent} NOT claimed, as they need a secret that is not shown: {listed(hidden)}."
            claimed = claimed.model_copy(update={"sent": sent})
        return claimed


@asynccontextmanager
async def _locked_batch(
    tasks: TaskService, watcher: Watcher, right: Right
) -> AsyncIterator[tuple[Batch, Mapping[str, ToolCall]]]:
    """The pending batch, for one caller at a time, and its calls that have no result yet."""
    check_batch(watcher, right)
    batch = _open(tasks, watcher)
    async with batch.lock:
        # The previous owner of the lock may have sent all of it.
        if _open(tasks, watcher) is not batch:
            raise _not_awaited(watcher.log.state)
        local_calls = watcher.log.state.local_calls
        pending = {call_id: each for call_id, each in local_calls.items() if call_id not in batch.sent}
        if not pending:
            raise _not_awaited(watcher.log.state)
        yield batch, pending


def _own_calls(watcher: Watcher, batch: Batch, pending: Mapping[str, ToolCall]) -> dict[str, ToolCall]:
    """The calls that are answered from here, all at once."""
    elsewhere = calls_elsewhere(watcher.log.state, watcher.announced_here | batch.expected)
    return {call_id: each for call_id, each in pending.items() if call_id not in elsewhere}


def _open(tasks: TaskService, watcher: Watcher) -> Batch:
    key = watcher.key
    batch = tasks.local_results.open(key, watcher.log)
    if batch is None:
        raise _not_awaited(watcher.log.state)
    return batch


def _not_awaited(state: TaskState) -> AnsweredElsewhereError:
    why = "they were sent already, here or elsewhere"
    if state.turn in {Turn.CANCELLED, Turn.FAILED}:
        why = f"the turn {'was cancelled' if state.turn is Turn.CANCELLED else 'failed'}"
    elif not state.asked_by:
        why = "it has asked for none"
    return AnsweredElsewhereError(f"Neo waits for no tool results: {why}. Nothing was stored or sent.")


def _read(
    given: Sequence[ToolResultArgument], pending: Mapping[str, ToolCall], batch: Batch
) -> list[ToolResult]:
    """The results in wire format, if each is for one of the pending calls."""
    ids = [result.tool_call_id for result in given]
    unknown = [call_id for call_id in dict.fromkeys(ids) if call_id not in pending]
    awaited = named_some(call_id for call_id in pending if call_id not in batch.results)
    if len(set(ids)) < len(ids):
        raise InvalidArgumentError("A tool call has more than one result.", next_step="Give one for each.")
    if unknown:
        raise InvalidArgumentError(
            f"{named_some(unknown)} is not pending: it was answered or cancelled, or the id is wrong. "
            "Nothing of this call was stored.",
            next_step=f"Give results only for pending calls: {named_some(pending)}.",
        )
    hidden = [
        call
        for each in given
        if not each.is_error and holds_secret((call := pending[each.tool_call_id]).args)
    ]
    if hidden:
        raise secret_needed(hidden)
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


def secret_needed(calls: Sequence[ToolCall]) -> RefusedError:
    """The refusal of calls whose arguments hold a secret that was not shown."""
    one = len(calls) == 1
    return RefusedError(
        f"{listed(calls)} {'needs' if one else 'need'} a secret that is not shown here, so "
        f"{'it' if one else 'they'} cannot be run from here. Nothing was stored or sent.",
        next_step=(RUN_NONE, "."),
    )


def _joined(before: EntityDiff | None, more: EntityDiff | None) -> EntityDiff | None:
    if before is None or more is None:
        return before or more
    return EntityDiff(add=(*before.add, *more.add), remove=(*before.remove, *more.remove))


def _incomplete(
    watcher: Watcher,
    batch: Batch,
    results: Sequence[ToolResult],
    calls: Mapping[str, ToolCall],
    notes: Sequence[str],
) -> RespondedResult:
    missing = [each for call_id, each in calls.items() if call_id not in batch.results]
    names = named_some(result.tool_call_id for result in results)
    sent = [
        f"Stored {names}: {len(calls) - len(missing)} of {len(calls)} results.",
        *notes,
        f"The batch is sent once it is complete. Still missing: {listed(missing)}.",
    ]
    hint: NextStep = Hint.GIVE_MISSING
    if any(holds_secret(each.args) for each in missing):
        hint = (
            hint,
            f" Those that need a secret are for {OWN_CLIENT}; otherwise, return an is_error result for them.",
        )
    return RespondedResult(task_id=watcher.task_id, sent=" ".join(sent), next=hint)


async def _send(
    tasks: TaskService, watcher: Watcher, batch: Batch, right: Right, calls: Mapping[str, ToolCall]
) -> None:
    """Send the whole batch; if that fails, it stays stored for as long as Neo waits for it."""
    try:
        if batch.tried or not all(map(right.covers, calls)):
            await _reread(watcher, must=batch.tried)
            _check_awaited(watcher, batch)
            _check_free(watcher, batch, calls)
        batch.tried = True
        # Neo waits for this: a complete batch is sent even if the caller goes away meanwhile.
        with anyio.CancelScope(shield=True):
            await send_results(tasks, watcher, [batch.results[call_id] for call_id in calls], batch.diff)
    except (BadRequestError, ConflictError) as error:
        # Another client may have been quicker, or the turn is over.
        with suppress(NeoError):
            await watcher.read_again()
        _check_awaited(watcher, batch)
        raise error.with_hint(Hint.SEND_STORED_RESULTS) from error
    except (AmbiguousWriteError, NotSentError) as error:
        raise error.with_hint(Hint.CHECK_STORED_RESULTS) from error
    except (AnsweredElsewhereError, RunElsewhereError):
        raise
    except NeoError as error:
        raise error.with_hint(Hint.SEND_STORED_RESULTS) from error
    batch.close(calls)


async def _reread(watcher: Watcher, *, must: bool) -> None:
    """Read the task again: the log may be behind an earlier attempt or another client."""
    try:
        await watcher.read_again()
    except NeoError:
        if must:
            raise


def _check_awaited(watcher: Watcher, batch: Batch) -> None:
    state = watcher.log.state
    if state.asked_by != batch.asked_by or state.local_calls.keys().isdisjoint(batch.results):
        batch.close(list(batch.results))
        raise _not_awaited(state)


def _check_free(watcher: Watcher, batch: Batch, calls: Mapping[str, ToolCall]) -> None:
    """Refuse to send results of calls that another client has announced meanwhile, and drop these results."""
    elsewhere = calls_elsewhere(watcher.log.state, watcher.announced_here | batch.expected)
    taken = {call_id: at for call_id, at in elsewhere.items() if call_id in calls}
    if not taken:
        return
    text = describe_elsewhere(watcher, taken)
    for call_id in taken:
        batch.forget(call_id)
    raise RunElsewhereError(
        f"{text}; nothing was sent.",
        next_step=(
            Hint.SEND_OTHER_RESULTS if batch.results else Hint.LEAVE_RESULT,
            f" If that client is certainly gone, give the result again with {GONE}.",
        ),
    )


async def send_results(
    tasks: TaskService, watcher: Watcher, results: Sequence[ToolResult], diff: EntityDiff | None = None
) -> None:
    """Announce each call that no one announced, as the API requires, then send all results as one event."""
    state = watcher.log.state
    still = tuple(result for result in results if result.tool_call_id in state.local_calls)
    unannounced = [result for result in still if result.tool_call_id not in state.announced]
    watcher.announce(result.tool_call_id for result in still)
    for result in unannounced:
        announcement = UserExecToolCall(tool_call_id=result.tool_call_id, name=result.name)
        await tasks.deliveries.send(watcher, announcement, until_shown=False)
    asked = [need for need in attention(state, announced_here=watcher.announced_here) if need.calls]
    await tasks.deliveries.send(watcher, ToolResults(tool_results=still, entity_diff=diff))
    watcher.note_answered(asked)


def _results(count: int) -> str:
    return "1 tool result was" if count == 1 else f"{count} tool results were"
