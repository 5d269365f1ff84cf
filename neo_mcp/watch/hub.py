"""Start and stop watchers: one per task, shared by all readers, and stored for a while after the last one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import anyio.abc

from neo_mcp.api import NeoClient
from neo_mcp.errors import NeoError
from neo_mcp.watch.announced import AnnouncedHere
from neo_mcp.watch.watcher import Watcher
from neo_mcp.wire import check_organization, check_task_id
from neo_mcp.wire.ids import task_key

LINGER_SECONDS = 30.0

MAX_LINGERING = 64
"""Maximum watchers without a reader, each with a log and a stream; the one left first is closed early."""


@dataclass(slots=True)
class _Followed:
    watcher: Watcher
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    users: int = 0
    left_at: float = 0.0
    closing: bool = False


class Hub:
    """The watchers of one tenant; their tasks belong to ``task_group``."""

    def __init__(
        self, client: NeoClient, task_group: anyio.abc.TaskGroup, *, linger: float = LINGER_SECONDS
    ) -> None:
        self._client = client
        self._clock = client.clock
        self._task_group = task_group
        self._linger = linger
        self._followed: dict[tuple[str, str], _Followed] = {}
        self._announced = AnnouncedHere()

    @asynccontextmanager
    async def follow(self, organization: str, task_id: str) -> AsyncIterator[Watcher]:
        """The task's watcher, started if necessary, and running at least as long as this context.

        Raises:
            InvalidArgumentError: If either argument is not valid.
        """
        key = task_key(check_organization(organization), check_task_id(task_id))
        followed = self._followed.get(key)
        if followed is None:
            watcher = Watcher(self._client, organization, task_id, self._announced)
            followed = self._followed[key] = _Followed(watcher)
            self._task_group.start_soon(self._run, key, followed, name=f"watch {task_id}")
        followed.watcher.poke()
        followed.users += 1
        try:
            yield followed.watcher
        finally:
            followed.users -= 1
            followed.left_at = self._clock.monotonic()
            is_known = self._followed.get(key) is followed
            if is_known and not followed.users and not followed.closing:
                followed.closing = True
                self._task_group.start_soon(self._close_later, key, followed)
                self._close_surplus()

    def peek(self, organization: str, task_id: str) -> Watcher | None:
        """The task's watcher if one runs and has caught up; starts none."""
        followed = self._followed.get(task_key(organization, task_id))
        return followed.watcher if followed and followed.watcher.caught_up else None

    def stop(self, why: NeoError) -> None:
        """End every wait with ``why``; for a shutdown."""
        for key, followed in list(self._followed.items()):
            self._forget(key, followed)
            followed.watcher.fail(why)
            followed.scope.cancel()

    async def _run(self, key: tuple[str, str], followed: _Followed) -> None:
        try:
            with followed.scope:
                await followed.watcher.run()
        finally:
            self._forget(key, followed)

    async def _close_later(self, key: tuple[str, str], followed: _Followed) -> None:
        """Close the watcher once it was unused for a while; one background task per watcher."""
        await self._clock.sleep_until(followed.left_at + self._linger)
        if followed.users:
            followed.closing = False
        elif followed.left_at + self._linger > self._clock.monotonic():
            self._task_group.start_soon(self._close_later, key, followed)
        else:
            self._forget(key, followed)
            followed.scope.cancel()

    def _close_surplus(self) -> None:
        lingering = [(each.left_at, key) for key, each in self._followed.items() if not each.users]
        for _, key in sorted(lingering)[:-MAX_LINGERING]:
            followed = self._followed.pop(key)
            followed.scope.cancel()

    def _forget(self, key: tuple[str, str], followed: _Followed) -> None:
        """Forget a watcher that stops: the next reader starts a new one."""
        if self._followed.get(key) is followed:
            del self._followed[key]
