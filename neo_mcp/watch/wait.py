"""Waiting for a task: until something needs attention, anything happens, or the turn ends."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import anyio

from neo_mcp.api import StreamState
from neo_mcp.core.attention import OVER, Attention, activity
from neo_mcp.core.render import event_line
from neo_mcp.watch.watcher import Watcher
from neo_mcp.wire import Event

PROGRESS_SECONDS = 8.0


class Until(StrEnum):
    """What ends a wait."""

    ATTENTION = "attention"
    ANY = "any"
    TURN_END = "turn_end"


@dataclass(frozen=True, slots=True)
class Waited:
    """What a wait found.

    Attributes:
        matched: Whether what was waited for is there; ``False`` when the time ran out.
        events: Everything since the cursor, oldest first.
        cursor_known: ``False`` if the cursor's event is not among the task's; ``events`` are then all.
    """

    matched: bool
    events: Sequence[Event]
    needs: tuple[Attention, ...]
    activity: str
    last_event_id: str
    cursor_known: bool


async def wait(
    watcher: Watcher,
    event_id: str,
    *,
    until: Until,
    seconds: float,
    on_progress: Callable[[str], Awaitable[None]] | None = None,
) -> Waited:
    """Wait for a watched task.

    Args:
        watcher: From the hub, and held until this returns.
        event_id: The last event that the caller has seen; empty for none.
        until: What to wait for. Whatever already holds ends the wait at once.
        seconds: Longest wait. Running out of time is a normal result.
        on_progress: Told what Neo is doing whenever that changes, and at least every 8 seconds.

    Raises:
        NeoError: If the task cannot be followed.
    """
    with anyio.move_on_after(seconds):
        async with anyio.create_task_group() as reporting:
            if on_progress is not None:
                reporting.start_soon(_report, watcher, on_progress)
            await until_true(watcher, lambda: _matches(watcher, event_id, until))
            reporting.cancel_scope.cancel()
    matched = _matches(watcher, event_id, until)
    if watcher.failure is not None and not matched:
        raise watcher.failure
    log = watcher.log
    return Waited(
        matched=matched,
        events=log.since(event_id) if watcher.caught_up else (),
        needs=watcher.attention(),
        activity=activity(log.state),
        last_event_id=log.last_id if watcher.caught_up else event_id,
        cursor_known=log.knows(event_id) or not watcher.caught_up,
    )


async def until_true(watcher: Watcher, holds: Callable[[], bool]) -> None:
    """Return as soon as ``holds`` does, or the watcher has failed; asked again after every change."""
    while not holds() and watcher.failure is None:
        await watcher.changed.wait()


def _matches(watcher: Watcher, event_id: str, until: Until) -> bool:
    if not watcher.caught_up:
        return False
    match until:
        case Until.ATTENTION:
            return bool(watcher.attention())
        case Until.TURN_END:
            return any(need.kind in OVER for need in watcher.attention())
        case Until.ANY:
            return any(event_line(event) for event in watcher.log.since(event_id))


async def _report(watcher: Watcher, on_progress: Callable[[str], Awaitable[None]]) -> None:
    said = ""

    def is_news() -> bool:
        return _status(watcher) != said

    while watcher.failure is None:
        said = _status(watcher)
        await on_progress(said)
        with anyio.move_on_after(PROGRESS_SECONDS):
            await until_true(watcher, is_news)


def _status(watcher: Watcher) -> str:
    if not watcher.caught_up:
        return "reading the task's history"
    connection = watcher.connection
    if connection is not None and connection.attempt and connection.state is not StreamState.OPEN:
        return f"connection lost, trying again; last: {activity(watcher.log.state)}"
    return activity(watcher.log.state)
