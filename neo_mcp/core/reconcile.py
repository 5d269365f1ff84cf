"""Decide from later API state whether an unacknowledged write landed.

Owns the comparison of what was sent with tasks and events. A message is identified by its content and by its
timestamp, which this program makes; a decision by the approval that it names. Nothing is ever concluded from
absence: an event may still come.

A task *repeats* a request if it has the same words, entities and commands, and gives Neo exactly the rights
that are requested. Every setting of a request is compared with the task's; a setting that neither gives
stands for the API's documented default. A setting that cannot be compared counts as different, for a
duplicate task costs less than one with rights that were not requested:

- A request without an approval mode takes the organization's default, which it does not name. No task with
  a mode repeats it. Only servers whose operator trusts the host send such requests.
- No task shows its integrations. A request that limits them is never repeated. One that does not gets all of
  them, so that no task of the same words can have more; the match may have fewer.
- A task that was created without entities, as the API refused them, does not match a request with entities.
- A setting that is added to requests but not to tasks leaves every request without a match.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from neo_mcp.wire import (
    Cancelled,
    CreateTask,
    EntityDiff,
    Event,
    ExecToolCall,
    PermissionMode,
    Task,
    TaskSource,
    ToolExecutionMode,
    ToolResults,
    UserCancel,
    UserConfirmation,
    UserEvent,
    UserExecToolCall,
    UserMessage,
    identity,
)
from neo_mcp.wire.time import parse_time

_FRACTION = re.compile(r"\.(\d+)")
_MICROSECONDS = 6

_COMPARED = (set(CreateTask.model_fields) - {"message"}) | {"agent_definition_id"}
"""Settings, by name: all that a request can have, and the agent, which no request chooses yet."""

_NOT_SHOWN = frozenset({"enabled_integrations", "cli_integrations"})
"""Settings that no task shows; a request without them gets all of them."""

_DEFAULTS: Mapping[str, object] = {
    "plan_mode": False,
    "permission_mode": PermissionMode.DEFAULT,
    "tool_execution_mode": ToolExecutionMode.CLOUD,
    "source": TaskSource.API,
}
"""The API's documented defaults. The approval mode has none: it is the organization's."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A task that was requested.

    Attributes:
        digest: Of the first message's content, see :func:`digest`.
        timestamp: The first message's, as it was sent.
    """

    digest: str
    timestamp: str

    @classmethod
    def of(cls, message: UserMessage) -> "Sent":
        """Extract the parts of ``message`` that are stored to recognize it."""
        return cls(digest(message.content), message.timestamp)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A task that may be the requested one, with its first message if it could be read."""

    task: Task
    message: UserMessage | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """The requested task, or ``None`` and the candidates that a person should check."""

    task: Task | None
    candidates: tuple[Task, ...] = ()


def digest(content: str) -> str:
    """A digest of a message's content; line ends and outer white space make no difference."""
    text = content.replace("\r\n", "\n").strip()
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def decide(sent: Sent, creator: str, candidates: Sequence[Candidate]) -> Match:
    """Decide which of ``candidates`` is the requested task: the one that matches, if only one does.

    Args:
        sent: What was sent.
        creator: The login of the user who sent it.
        candidates: Tasks that have no other known origin.
    """
    ours = [each for each in candidates if is_by(creator, each.task)]
    same = [each for each in ours if each.message and digest(each.message.content) == sent.digest]
    # If the service shortened the times, two messages of one moment look alike: the exact one wins.
    for is_match in (_is_exactly, _is_about):
        matches = [each.task for each in same if each.message and is_match(sent, each.message)]
        if len(matches) == 1:
            return Match(matches[0])
        if matches:
            return Match(None, tuple(matches))
    unread = [each.task for each in ours if each.message is None]
    return Match(None, (*(each.task for each in same), *unread))


def is_by(creator: str, task: Task) -> bool:
    """True if ``creator`` may have made ``task``; the first generation of the API does not report who did."""
    login = task.created_by.github_login if task.created_by else ""
    return not login or login.casefold() == creator.casefold()


def repeats(request: CreateTask, candidate: Candidate) -> bool:
    """True if ``candidate`` is what ``request`` asks for: the same words, entities, commands and settings."""
    message, task = candidate.message, candidate.task
    if message is None or digest(message.content) != digest(request.message.content):
        return False
    same_commands = set(message.commands or ()) == set(request.message.commands or ())
    same_entities = _entities(message) == _entities(request.message)
    return same_commands and same_entities and all(_is_same(name, request, task) for name in _COMPARED)


def trace(sent: UserEvent) -> Callable[[Event], bool]:
    """A test for events that prove that ``sent`` has arrived, applied to the events after it was sent."""
    words = digest(sent.content) if isinstance(sent, UserMessage) else ""

    def is_trace(event: Event) -> bool:
        match sent, event.body:
            case UserConfirmation(), UserConfirmation() as body:
                return sent.approval_request_id == body.approval_request_id
            case UserMessage(), UserMessage() as body:
                return same_moment(sent.timestamp, body.timestamp) and digest(body.content) == words
            case UserCancel(), UserCancel() as body:
                return same_moment(sent.timestamp, body.timestamp)
            case UserExecToolCall(), ExecToolCall() as body:
                # The service records it as Neo's own.
                return sent.tool_call_id == body.tool_call_id
            case ToolResults(), ToolResults() as body:
                return _call_ids(sent) <= _call_ids(body)
            case _:
                return False

    return is_trace


def echo(sent: UserEvent) -> Callable[[Event], bool]:
    """A test for events that show that ``sent``, which has arrived, took effect."""
    match sent:
        case UserMessage():
            words = digest(sent.content)
            return lambda event: isinstance(event.body, UserMessage) and digest(event.body.content) == words
        case UserCancel():
            # Pending requests stay pending until Neo has stopped.
            return lambda event: isinstance(event.body, Cancelled)
        case _:
            return trace(sent)


def first_decision(approval_id: str, events: Iterable[Event]) -> UserConfirmation | None:
    """The first decision on an approval."""
    for event in events:
        if isinstance(event.body, UserConfirmation) and event.body.approval_request_id == approval_id:
            return event.body
    return None


def agrees(sent: UserConfirmation, stands: UserConfirmation) -> bool:
    """True if the recorded decision is the one that was sent, no matter who sent it."""
    words_count = not sent.ok and bool(sent.instructions)
    same_words = digest(sent.instructions or "") == digest(stands.instructions or "")
    return sent.ok == stands.ok and (same_words or not words_count)


def same_moment(one: str, other: str) -> bool:
    """True if two times are the same moment, in different zones or with digits of a second cut off."""
    first, second = _parse(one), _parse(other)
    if first is None or second is None:
        return bool(one) and one == other
    (coarse, digits), (fine, _) = sorted((first, second), key=lambda parsed: parsed[1])
    cut_off: float = (fine - coarse).total_seconds()
    return cut_off >= 0 and cut_off * 10.0**digits < 1 - 1e-6


def _is_exactly(sent: Sent, message: UserMessage) -> bool:
    moments = parse_time(sent.timestamp), parse_time(message.timestamp)
    return moments[0] is not None and moments[0] == moments[1]


def _is_about(sent: Sent, message: UserMessage) -> bool:
    return same_moment(sent.timestamp, message.timestamp)


def _parse(text: str) -> tuple[datetime, int] | None:
    """A time, and the number of digits of a second it is written with."""
    moment = parse_time(text)
    if moment is None:
        return None
    fraction = _FRACTION.search(text)
    return moment, min(len(fraction[1]) if fraction else 0, _MICROSECONDS)


def _is_same(name: str, request: CreateTask, task: Task) -> bool:
    """True if that setting of ``task`` is certainly the one of ``request``."""
    asked = getattr(request, name, None)
    if name in _NOT_SHOWN:
        return asked is None
    if name not in Task.model_fields:
        return False
    default = _DEFAULTS.get(name)
    # A server written in Go may send an empty text for a missing value.
    expected, has = (default if value in (None, "") else value for value in (asked, getattr(task, name)))
    return bool(expected == has)


def _entities(message: UserMessage) -> tuple[set[object], set[object]]:
    diff = message.entity_diff or EntityDiff()
    return {identity(entity) for entity in diff.add}, {identity(entity) for entity in diff.remove}


def _call_ids(results: ToolResults) -> set[str]:
    return {result.tool_call_id for result in results.tool_results}
