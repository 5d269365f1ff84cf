"""Claims on local tool calls: a host's right to run them, which it sends with their results.

Owns how a claim is made, signed and read. A claim is self-contained, so every process with the same key
accepts the results, also after a restart. The API does not report who announced a call, so a call that was
announced without the caller's claim counts as run by another client.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import anyio

from neo_mcp.core.attention import calls_elsewhere
from neo_mcp.core.reconcile import same_moment
from neo_mcp.core.sanitize import one_line
from neo_mcp.core.times import since_words
from neo_mcp.errors import InvalidArgumentError, NeoError
from neo_mcp.hints import Hint
from neo_mcp.service.results import RespondedResult
from neo_mcp.service.signing import BadSignatureError
from neo_mcp.service.tasks import TaskService
from neo_mcp.service.writes.delivery import Delivered
from neo_mcp.watch import Watcher, until_true
from neo_mcp.wire import ExecToolCall, ToolCall, UserExecToolCall
from neo_mcp.wire.ids import task_key

_PURPOSE = "local calls"
_MAX_NAMED = 20
"""Maximum calls that one text names; batches are short, but nothing guarantees it."""

_ECHO_SECONDS = 5.0
"""Maximum seconds for an announcement to show in the task's events."""

GONE = "other_client_gone: true"


class RunElsewhereError(NeoError):
    """Another client runs the calls."""

    default_next_step = Hint.WAIT


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run some calls of a batch.

    Attributes:
        asked_by: Id of the event that asked for the calls.
        digests: Of the calls' ids.
    """

    asked_by: str
    digests: frozenset[str]

    def covers(self, call_id: str) -> bool:
        """True if this is one of the calls."""
        return _digest(call_id) in self.digests


@dataclass(frozen=True, slots=True)
class Right:
    """The caller's grounds to answer calls that were announced already.

    Attributes:
        claim: The caller's claim.
        others_gone: Whether the caller states that no other client runs them any more.
    """

    claim: Claim | None = None
    others_gone: bool = False

    def covers(self, call_id: str) -> bool:
        """True if the caller may answer this call, no matter who announced it."""
        return self.others_gone or (self.claim is not None and self.claim.covers(call_id))


async def claim_calls(tasks: TaskService, watcher: Watcher, calls: Sequence[ToolCall]) -> RespondedResult:
    """Announce pending calls that no one runs, and claim those that no one else announced at that moment.

    Raises:
        RunElsewhereError: If another client runs all of them.
        NeoError: If the task cannot be read, or none can be announced.
    """
    free = [call for call in calls if call.id not in watcher.log.state.announced]
    if not free:
        raise RunElsewhereError(
            f"{describe_elsewhere(watcher, calls_elsewhere(watcher.log.state))}; nothing was claimed.",
            next_step=(
                Hint.LEAVE_CALLS,
                f" Only if it is certainly gone, run the calls and give the results with {GONE}.",
            ),
        )
    ours = await announce_alone(tasks, watcher, free)
    left = [call for call in calls if call.id not in ours]
    if not ours:
        raise RunElsewhereError(
            f"Another client announced {listed(left)} at the same moment, or Neo waits for them no more; "
            "nothing was claimed. Do not run them.",
        )
    parts = [f"Claimed: {listed(call for call in calls if call.id in ours)}."]
    parts += [f"NOT claimed, so do not run: {listed(left)}. Another client has them."] if left else []
    return RespondedResult(
        task_id=watcher.task_id,
        sent=" ".join(parts),
        claim=_sign(tasks, watcher, ours),
        next=Hint.RUN_CLAIMED,
    )


async def announce_alone(tasks: TaskService, watcher: Watcher, calls: Sequence[ToolCall]) -> list[str]:
    """Announce pending calls, and return those that no one else announced at that moment.

    Raises:
        NeoError: If none can be announced, or the task cannot be read afterwards.
    """
    announced = await _announce(tasks, watcher, calls)
    watcher.poke()
    with anyio.move_on_after(_ECHO_SECONDS):
        await until_true([watcher], lambda: announced.keys() <= watcher.log.state.announced.keys())
    await watcher.read_again()
    return [call_id for call_id, sent in announced.items() if _is_ours_alone(watcher, call_id, sent)]


async def _announce(tasks: TaskService, watcher: Watcher, calls: Sequence[ToolCall]) -> dict[str, Delivered]:
    """Announce as many of the calls as the API accepts; raise only if there are none."""
    announced: dict[str, Delivered] = {}
    for call in calls:
        event = UserExecToolCall(tool_call_id=call.id, name=call.name)
        try:
            announced[call.id] = await tasks.deliveries.send(watcher, event, until_shown=False)
        except NeoError:
            if not announced:
                raise
            break
    return announced


def _sign(tasks: TaskService, watcher: Watcher, call_ids: Iterable[str]) -> str:
    """A claim on these calls of the pending batch; URL-safe text."""
    content = {
        "o": watcher.organization,
        "t": watcher.task_id,
        "b": watcher.log.state.asked_by,
        "c": [_digest(call_id) for call_id in call_ids],
    }
    return tasks.signer.sign(_PURPOSE, content)


def right_of(tasks: TaskService, watcher: Watcher, claim: str | None, *, others_gone: bool) -> Right:
    """The caller's grounds to answer; a claim does not matter if the other clients are reported to be gone.

    Raises:
        InvalidArgumentError: If the claim is not on this task's pending calls.
    """
    if claim is None or others_gone:
        return Right(others_gone=others_gone)
    try:
        content = tasks.signer.read(_PURPOSE, claim)
    except BadSignatureError:
        raise InvalidArgumentError(
            "This claim cannot be read: it is mistaken, another identity's, or was made before this server "
            "was restarted without a key file. Nothing was stored or sent.",
            next_step=f"If you have run the calls, give their results without it, with {GONE}. If not, claim "
            "them again; if they are announced by then, make sure that no one runs them.",
        ) from None
    if task_key(content["o"], content["t"]) != watcher.key:
        raise InvalidArgumentError("This claim is another task's. Nothing was stored or sent.")
    return Right(Claim(content["b"], frozenset(content["c"])))


def check_batch(watcher: Watcher, right: Right) -> None:
    """Refuse a claim on an earlier batch: call ids may come again.

    Raises:
        InvalidArgumentError: If the pending calls are other ones.
    """
    if right.claim is not None and right.claim.asked_by != watcher.log.state.asked_by:
        raise InvalidArgumentError(
            "This claim is on calls that Neo asked for earlier; now it waits for others. Nothing was stored "
            "or sent.",
            next_step=(Hint.SEE.of(what="what it waits for"), " Claim that."),
        )


def run_elsewhere(watcher: Watcher, right: Right) -> dict[str, str]:
    """The pending calls that another client runs, with the time, and that the caller may not answer."""
    elsewhere = calls_elsewhere(watcher.log.state, watcher.announced_here)
    return {call_id: at for call_id, at in elsewhere.items() if not right.covers(call_id)}


def describe_elsewhere(watcher: Watcher, elsewhere: Mapping[str, str]) -> str:
    """The calls that another client runs, and since when."""
    calls = watcher.log.state.local_calls
    first = min(filter(None, elsewhere.values()), default="")
    verb = "is" if len(elsewhere) == 1 else "are"
    names = listed(calls[call_id] for call_id in elsewhere)
    return f"{names} {verb} being run by another client{since_words(first)}"


def check_open(watcher: Watcher, right: Right, call_ids: Collection[str]) -> None:
    """Refuse the results of calls that another client runs.

    Raises:
        RunElsewhereError: If one of them is.
    """
    elsewhere = run_elsewhere(watcher, right)
    refused = {call_id: at for call_id, at in elsewhere.items() if call_id in call_ids}
    if refused:
        raise RunElsewhereError(
            f"{describe_elsewhere(watcher, refused)}. No result of this call was stored or sent.",
            next_step=(
                Hint.LEAVE_CALLS,
                f" If you claimed them, give the claim; if that client is certainly gone, give {GONE}.",
            ),
        )


def _announcements(watcher: Watcher, call_id: str) -> Sequence[ExecToolCall]:
    """The announcements of a call in the log since its batch was requested."""
    since = watcher.log.since(watcher.log.state.asked_by)
    bodies = (event.body for event in since.events)
    return [body for body in bodies if isinstance(body, ExecToolCall) and body.tool_call_id == call_id]


def _is_ours_alone(watcher: Watcher, call_id: str, announcement: Delivered) -> bool:
    """True if the announcement that was just made is the only one of its call."""
    known = watcher.log.state.announced.get(call_id)
    if known is None or known.times > 1:
        return False
    # If the API did not confirm ours, only its time distinguishes it from another client's.
    return announcement.acknowledged or any(
        same_moment(announcement.event.timestamp, body.timestamp) for body in _announcements(watcher, call_id)
    )


def listed(calls: Iterable[ToolCall]) -> str:
    """List calls in a text; there may be many."""
    return named_some(f"{call.id} ({one_line(call.name, 60)})" for call in calls)


def named_some(ids: Iterable[str]) -> str:
    """List ids in a text; there may be many."""
    every = [one_line(call_id, 120) for call_id in ids]
    more = len(every) - _MAX_NAMED
    return ", ".join([*islice(every, _MAX_NAMED), *([f"and {more} more"] if more > 0 else [])])


def _digest(call_id: str) -> str:
    return hashlib.blake2s(call_id.encode("utf-8", "surrogatepass"), digest_size=9).hexdigest()
