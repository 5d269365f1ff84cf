"""The next step of a caller after a result, with a call that waits if that is to wait.

A wait returns at once only for news after its cursor, so each of these hints names the cursor.
"""

from collections.abc import Collection, Sequence

from neo_mcp.core.attention import OVER, AttentionKind
from neo_mcp.core.reported import Pending

AFTER_RESPONDING = "Call wait_for_events with the cursor you have."

_ONLY_LOOKS = (
    "This server only looks: a person replies at its page; wait_for_events with this cursor waits for that."
)
_STILL_WORKING = "Neo is still working: call wait_for_events again with this cursor."
_RESOLVED = "What was open is resolved (see the events): call wait_for_events again with this cursor."
_STILL_A_PERSON = "A person still has to decide: wait_for_events again with this cursor waits for that."
_STILL_TO_ANSWER = "Neo still waits for a response: respond, or wait on with wait_for_events and this cursor."
_IDLE = 'Neo is idle and asks for nothing; respond with action "message" to go on.'
_STOPPED = "Neo has stopped; nothing happens until somebody responds."
_DECISIONS = frozenset({AttentionKind.APPROVAL, AttentionKind.PLAN})


def next_step(
    tasks: Sequence[Pending], *, running: bool = True, others: bool = False, read_only: bool = False
) -> str:
    """The caller's next step; if that is to wait, a call that does.

    Args:
        tasks: The needs of the tasks in the result.
        running: The status in the API, if there are no needs.
        others: Whether there are tasks in the wait that are not in the result.
        read_only: Whether no one can reply through this server.
    """
    needs = [need for task in tasks for need in task.needs]
    if read_only and (needs or not running):
        return _ONLY_LOOKS if needs else "Neo is idle and asks for nothing."
    new = {need.kind for task in tasks for need in task.needs[: task.new]}
    old = {need.kind for need in needs} - new
    if new:
        return _after_news(new, others=others)
    if old - OVER:
        return _STILL_A_PERSON if old & _DECISIONS else _STILL_TO_ANSWER
    if needs and not others and all(task.needs for task in tasks):
        return _STOPPED
    if running and any(task.is_resolved for task in tasks):
        return _RESOLVED
    return _STILL_WORKING if running else _IDLE


def _after_news(kinds: Collection[AttentionKind], *, others: bool) -> str:
    if _DECISIONS.intersection(kinds):
        return "A person decides: show them what is asked, respond, then wait_for_events with this cursor."
    if not OVER.issuperset(kinds):
        return "Respond, then call wait_for_events with this cursor."
    if others:
        return "To wait for the others, call again with this cursor, without the tasks that have stopped."
    return _STOPPED
