"""Posting to a task what people and the host's model have to say."""

from collections.abc import Callable

import anyio

from neo_mcp.server.call import App
from neo_mcp.watch import Watcher, until_true
from neo_mcp.wire import (
    Cancelled,
    EntityDiff,
    Event,
    UserCancel,
    UserConfirmation,
    UserEvent,
    UserMessage,
)

_ECHO_SECONDS = 5.0


async def confirm(
    app: App,
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
    await send(app, watcher, event)


async def send(
    app: App, watcher: Watcher, event: UserEvent, *, conflict_wait: float = 0.0, echo: bool = True
) -> None:
    """Post the event and, with ``echo``, hold on until it shows in the log, so that the next wait sees it."""
    before = watcher.log.last_id
    sent = await app.client.respond(
        watcher.task_id, event, organization=watcher.organization, conflict_wait=conflict_wait
    )
    watcher.poke()
    if echo:
        arrived = _echo_of(sent, watcher, before)
        with anyio.move_on_after(_ECHO_SECONDS):
            await until_true([watcher], arrived)


def _echo_of(sent: UserEvent, watcher: Watcher, before: str) -> Callable[[], bool]:
    def is_echo(event: Event) -> bool:
        match sent, event.body:
            case UserConfirmation(), UserConfirmation():
                return sent.approval_request_id == event.body.approval_request_id
            case UserMessage(), UserMessage():
                return sent.content == event.body.content
            case UserCancel(), _:
                # What was pending stays so until Neo has stopped.
                return isinstance(event.body, Cancelled)
            case _:
                return type(sent) is type(event.body)

    return lambda: any(is_echo(event) for event in watcher.log.since(before).events)
