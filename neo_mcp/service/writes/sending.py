"""Posting to a task what people and the host's model have to say.

What becomes of it where something fails is :mod:`neo_mcp.service.writes.delivery`.
"""

from neo_mcp.core.attention import attention
from neo_mcp.service.tasks import TaskService
from neo_mcp.service.writes.delivery import Delivered
from neo_mcp.watch import Watcher
from neo_mcp.wire import EntityDiff, UserConfirmation, UserEvent


async def confirm(
    tasks: TaskService,
    watcher: Watcher,
    request_id: str,
    *,
    ok: bool,
    instructions: str | None,
    entity_diff: EntityDiff | None = None,
) -> None:
    """Answer a request of Neo's."""
    event = UserConfirmation(
        approval_request_id=request_id, ok=ok, instructions=instructions, entity_diff=entity_diff
    )
    asked = [need for need in attention(watcher.log.state) if need.request and need.request.id == request_id]
    await send(tasks, watcher, event)
    watcher.note_answered(asked)


async def send(
    tasks: TaskService, watcher: Watcher, event: UserEvent, *, conflict_wait: float = 0.0, echo: bool = True
) -> Delivered:
    """Post the event and, with ``echo``, hold on until it shows in the log, so that the next wait sees it."""
    return await tasks.deliveries.send(watcher, event, conflict_wait=conflict_wait, until_shown=echo)
