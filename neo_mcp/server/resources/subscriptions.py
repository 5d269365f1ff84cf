"""Notify subscribers that a task's resources changed, in the way of each protocol era.

Before 2026-07-28 a client subscribes by request and is notified on its connection; since then it opens a
``subscriptions/listen`` stream (:mod:`neo_mcp.server.listen`). Either way a task is followed for exactly
as long as it has subscribers.
"""

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

import anyio
import anyio.abc
from mcp.server.session import ServerSession

from neo_mcp.errors import (
    ConnectionFailedError,
    InvalidArgumentError,
    NeoError,
    RateLimitedError,
    ServerError,
    StreamLostError,
)
from neo_mcp.service.tasks import TaskService
from neo_mcp.service.uris import ResourceAddress
from neo_mcp.watch import Watcher, until_true
from neo_mcp.wire import TaskPage

logger = logging.getLogger(__name__)

_STATE_KEY = "neo_mcp.subscriptions"
_COALESCE_SECONDS = 0.25
"""Events that come closer together than this are reported once."""

LIST_SECONDS = 15.0
"""Interval at which a subscribed list of tasks is polled."""

RETRY_SECONDS = 15.0
"""Seconds until a task that could not be followed is tried again."""

_PASSING = (ConnectionFailedError, RateLimitedError, ServerError, StreamLostError)
"""Errors that retrying may fix: a subscription outlives them."""


async def notify_changes(tasks: TaskService, uri: str, notify: Callable[[], Awaitable[None]]) -> None:
    """Call ``notify`` after every change of the resource until cancelled.

    Raises:
        NeoError: If the task cannot be followed.
    """
    address = ResourceAddress.parse(uri)
    if not address.task_id:
        await _notify_list_changes(tasks, address.organization, notify)
    known = _KnownState()
    while True:
        with suppress(*_PASSING):
            async with tasks.followed(address.organization, address.task_id) as watcher:
                await _notify_growth(watcher, known, notify)
        await anyio.sleep(RETRY_SECONDS)


@dataclass(slots=True)
class _KnownState:
    """The state that a subscriber knows; ``None`` before the first reading.

    Attributes:
        events: How many events.
        needs: What needs attention, which may begin and end without an event.
    """

    events: int | None = None
    needs: tuple[bytes, ...] = ()

    def take(self, watcher: Watcher) -> None:
        """Note how things are."""
        self.events, self.needs = len(watcher.log), _keys(watcher)

    def is_behind(self, watcher: Watcher) -> bool:
        """True if there is a change to report."""
        return len(watcher.log) > (self.events or 0) or _keys(watcher) != self.needs


def _keys(watcher: Watcher) -> tuple[bytes, ...]:
    return watcher.needs.keys[: watcher.needs.count]


async def _notify_growth(
    watcher: Watcher, known: _KnownState, notify: Callable[[], Awaitable[None]]
) -> NoReturn:
    if known.events is None:
        known.take(watcher)
    while True:
        await until_true([watcher], lambda: known.is_behind(watcher))
        if watcher.failure is not None:
            raise watcher.failure
        known.take(watcher)
        await notify()
        await anyio.sleep(_COALESCE_SECONDS)


async def _notify_list_changes(
    tasks: TaskService, organization: str, notify: Callable[[], Awaitable[None]]
) -> NoReturn:
    """Poll the list of tasks: the API has no stream of it."""
    before: TaskPage | None = None
    while True:
        with suppress(*_PASSING):
            now = await tasks.client.list_tasks(organization=organization)
            if before is not None and now != before:
                await notify()
            before = now
        await anyio.sleep(LIST_SECONDS)


class Subscriptions:
    """Subscriptions of the handshake-era connections; the followers belong to ``task_group``.

    Attributes:
        count: How many there are.
    """

    def __init__(self, tasks: TaskService, task_group: anyio.abc.TaskGroup) -> None:
        self._tasks = tasks
        self._task_group = task_group
        self.count = 0

    def add(self, session: ServerSession, uri: str) -> None:
        """Start telling the session's client of changes of ``uri``.

        Raises:
            InvalidArgumentError: If the address is none of ours.
            QuotaError: If the identity has too many subscriptions.
        """
        key = ResourceAddress.parse(uri).key
        scopes = _scopes(session)
        if key not in scopes:
            self._tasks.quotas.streams.take()
            self.count += 1
            scopes[key] = scope = anyio.CancelScope()
            self._task_group.start_soon(self._run, session, uri, key, scope)

    def remove(self, session: ServerSession, uri: str) -> None:
        """Stop telling."""
        with suppress(InvalidArgumentError):
            scope = _scopes(session).pop(ResourceAddress.parse(uri).key, None)
            if scope is not None:
                scope.cancel()

    async def _run(
        self, session: ServerSession, uri: str, key: ResourceAddress, scope: anyio.CancelScope
    ) -> None:
        async def notify() -> None:
            await session.send_resource_updated(uri)

        try:
            with scope:
                await notify_changes_or_log(self._tasks, uri, notify)
        finally:
            self.count -= 1
            self._tasks.quotas.streams.give_back()
            scopes = _scopes(session)
            if scopes.get(key) is scope:
                del scopes[key]


def _scopes(session: ServerSession) -> dict[ResourceAddress, anyio.CancelScope]:
    """The subscriptions of the session's connection, which end with it."""
    connection = session._connection  # noqa: SLF001 - the SDK shows handlers no other way to their connection
    if _STATE_KEY not in connection.state:
        scopes = connection.state[_STATE_KEY] = dict[ResourceAddress, anyio.CancelScope]()

        def close() -> None:
            for scope in scopes.values():
                scope.cancel()

        connection.exit_stack.callback(close)
    stored: dict[ResourceAddress, anyio.CancelScope] = connection.state[_STATE_KEY]
    return stored


async def notify_changes_or_log(tasks: TaskService, uri: str, notify: Callable[[], Awaitable[None]]) -> None:
    """A subscription that cannot be served stays silent, as one to a resource that never changes."""
    try:
        await notify_changes(tasks, uri, notify)
    except NeoError as error:
        logger.warning("changes of %s cannot be reported: %s", uri, error)
    except Exception:
        # One subscription that fails must not end the server.
        logger.exception("reporting changes of %s failed", uri)
