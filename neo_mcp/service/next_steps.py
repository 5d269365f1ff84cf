"""The next step of a caller after a result, with a call that waits if that is to wait.

A wait returns at once only for news after its cursor, so each of these hints names the cursor.
"""

from collections.abc import Collection, Sequence

from neo_mcp.core.attention import OVER, AttentionKind
from neo_mcp.core.reported import Pending
from neo_mcp.hints import Hint, NextStep

_STOPPED = "Neo has stopped; nothing happens until someone responds."
_DECISIONS = frozenset({AttentionKind.APPROVAL, AttentionKind.PLAN})


def next_step(
    tasks: Sequence[Pending], *, running: bool = True, others: bool = False, read_only: bool = False
) -> NextStep:
    """The caller's next step; if that is to wait, a call that does.

    Args:
        tasks: The needs of the tasks in the result.
        running: The status in the API, if there are no needs.
        others: Whether there are tasks in the wait that are not in the result.
        read_only: Whether no one can reply through this server.
    """
    needs = [need for task in tasks for need in task.needs]
    if read_only and (needs or not running):
        return Hint.WATCH_ONLY if needs else "Neo is idle and asks for nothing."
    new = {need.kind for task in tasks for need in task.needs[: task.new]}
    old = {need.kind for need in needs} - new
    if new:
        return _after_news(new, others=others)
    if old - OVER:
        return Hint.STILL_UNDECIDED if old & _DECISIONS else Hint.STILL_UNANSWERED
    if needs and not others and all(task.needs for task in tasks):
        return _STOPPED
    if running and any(task.is_resolved for task in tasks):
        return Hint.RESOLVED
    return Hint.STILL_WORKING if running else Hint.GO_ON


def _after_news(kinds: Collection[AttentionKind], *, others: bool) -> NextStep:
    if _DECISIONS.intersection(kinds):
        return Hint.HAVE_DECIDED
    if not OVER.issuperset(kinds):
        return Hint.RESPOND
    if others:
        return Hint.WAIT_FOR_OTHERS
    return _STOPPED
