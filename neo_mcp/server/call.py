"""What a request handler has at hand: the application, and the call it serves."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
from mcp.server.context import ServerRequestContext
from mcp_types import CallToolRequestParams

from neo_mcp.api import NeoClient, TokenGuard
from neo_mcp.config import Settings
from neo_mcp.errors import NeoError
from neo_mcp.server.approvals import Approvals
from neo_mcp.server.creation import Creations
from neo_mcp.server.delivery import Deliveries
from neo_mcp.server.local_results import LocalResults
from neo_mcp.server.modes import DefaultModes
from neo_mcp.server.quotas import Quotas
from neo_mcp.server.recent import RecentTasks
from neo_mcp.server.seal import Seal
from neo_mcp.watch import Hub, Turns, Views, Watcher, until_true

MAX_READINGS = 2
"""Tasks whose events are read at a time, from the first on: each takes a page's memory, and time."""

_HISTORY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class App:
    """Everything that lives as long as the server runs, for one identity.

    Attributes:
        seal: Protects what a client keeps for the server; whatever is sealed is bound to ``identity``.
        identity: Names whose access token is used; opaque, the same in every process.
        turns: What is known of the turns that task handles stand for.
        views: What is known of the tasks that somebody looks at.
        quotas: How much the identity may have at a time.
        guard: Takes that token out of whatever passes by.
        readings: Admits those who read a task's events from the API.
    """

    settings: Settings
    client: NeoClient
    hub: Hub
    approvals: Approvals
    seal: Seal
    identity: str
    creations: Creations
    default_modes: DefaultModes
    deliveries: Deliveries
    turns: Turns
    views: Views
    quotas: Quotas
    guard: TokenGuard
    readings: anyio.Semaphore = field(default_factory=lambda: anyio.Semaphore(MAX_READINGS))
    local_results: LocalResults = field(default_factory=LocalResults)
    recent: RecentTasks = field(default_factory=RecentTasks)

    def stop(self, why: NeoError) -> None:
        """End every wait with ``why``, and give what is being created a last moment; for the end."""
        self.hub.stop(why)
        self.creations.stop()

    def page_to_reply(self, organization: str, task_id: str) -> str | None:
        """The task's web page, if nobody can reply through this server."""
        return self.client.task_url(organization, task_id) if self.settings.read_only else None

    @asynccontextmanager
    async def followed(self, organization: str, task_id: str) -> AsyncIterator[Watcher]:
        """The task's watcher, with everything that has happened so far.

        Raises:
            NeoError: If the task cannot be read.
        """
        async with self.hub.follow(organization, task_id) as watcher:
            with anyio.move_on_after(_HISTORY_SECONDS):
                await until_true([watcher], lambda: watcher.is_sure)
            if watcher.failure is not None:
                raise watcher.failure
            if not watcher.caught_up:
                raise NeoError(
                    "The task's history could not be read in time.", next_step="Try again in a moment."
                )
            yield watcher


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool."""

    app: App
    ctx: ServerRequestContext[Any, Any]
    params: CallToolRequestParams

    async def organization(self, given: str | None) -> str:
        """The organization to use.

        Raises:
            NeoError: If none is given and none can be found out.
        """
        return await self.app.client.resolve_organization(given)
