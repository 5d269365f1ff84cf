"""Start a task, leaving out the parts of the request that the server may do without, and post events to it.

Owns these rules. Sends through the session that it is given, and retries as it is told.
"""

from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import TypeVar

import anyio

from neo_mcp.api.calls import Creation
from neo_mcp.api.responses import accepted
from neo_mcp.api.retry_write import WriteRetry
from neo_mcp.api.session import Session
from neo_mcp.constants import Generation
from neo_mcp.errors import BadRequestError
from neo_mcp.wire import CreateTask, UserEvent

_REFUSED_ENTITY = "invalid entit"
_START_AGAIN = (
    "Nothing was started: what was agreed to has these entities. Start it again without those that were "
    "refused; that is agreed to anew."
)
_UserEventT = TypeVar("_UserEventT", bound=UserEvent)


async def create(
    session: Session,
    organization: str,
    task: CreateTask,
    retry: WriteRetry[Creation],
    *,
    exact: bool,
    assumed_mode: bool,
) -> Creation:
    """Start ``task``.

    Args:
        session: Where to send it.
        organization: Where to start it.
        task: What to start, ready to be sent.
        retry: How to retry it.
        exact: Whether it must be started exactly as given. Otherwise entities that the API refuses are left
            out, with a warning in the result.
        assumed_mode: Whether the approval mode was not chosen by anyone: it is not sent to a first-generation
            server, which has no modes.

    Raises:
        BadRequestError: If the API refuses it, or ``exact`` and the API refuses its entities.
    """

    async def send(request: CreateTask) -> Creation:
        plain = request.model_copy(update={"approval_mode": None})
        task_id = await session.ask(
            organization,
            lambda dialect: dialect.create_task(
                organization,
                plain if assumed_mode and dialect.generation is Generation.FIRST else request,
            ),
            lambda dialect, body: dialect.created_id(body),
        )
        return Creation(task_id, request.message)

    return await retry.run(lambda: _with_its_entities(send, task, exact=exact))


async def post(
    session: Session, organization: str, task_id: str, event: _UserEventT, retry: WriteRetry[_UserEventT]
) -> _UserEventT:
    """Post ``event``, which is ready to be sent, and return it."""

    async def send() -> _UserEventT:
        # Cut short, it would be neither sent nor not sent.
        with anyio.CancelScope(shield=True) if retry.landed else nullcontext():
            await session.ask(
                organization, lambda dialect: dialect.respond(organization, task_id, event), accepted
            )
        return event

    return await retry.run(send)


async def _with_its_entities(
    send: Callable[[CreateTask], Awaitable[Creation]], task: CreateTask, *, exact: bool
) -> Creation:
    try:
        return await send(task)
    except BadRequestError as error:
        if task.message.entity_diff is None or _REFUSED_ENTITY not in error.message.lower():
            raise
        if exact:
            raise error.with_hint(_START_AGAIN) from error
        warning = f"The task was created without its entities, which the API refused: {error.message}"
    message = task.message.model_copy(update={"entity_diff": None})
    created = await send(task.model_copy(update={"message": message}))
    return replace(created, warnings=(warning,))
