"""The shared state of commands on tasks: the API client, watchers, and writes under way.

A program opens a :class:`TaskService` around a client, and passes it to the commands with an
:class:`~neo_mcp.service.approvals.asker.Asker`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import anyio
import anyio.abc

from neo_mcp.api import NeoClient, TokenGuard
from neo_mcp.config import Settings
from neo_mcp.core.reported import Pending
from neo_mcp.errors import NeoError
from neo_mcp.hints import LIBRARY, Wording
from neo_mcp.service.last_result import Basis, LastResult
from neo_mcp.service.quotas import ALONE, Quotas
from neo_mcp.service.recent import RecentTasks
from neo_mcp.service.signing import Signer
from neo_mcp.service.writes.local_results import LocalResults
from neo_mcp.watch import Hub, Turns, Views, Watcher, until_true

if TYPE_CHECKING:
    from neo_mcp.service.results import TaskResult, WaitResult
    from neo_mcp.service.writes.creation import Creations
    from neo_mcp.service.writes.delivery import Deliveries
    from neo_mcp.service.writes.modes import DefaultModes

MAX_READINGS = 2
"""Maximum tasks whose events are read at a time, from the first on: each takes a page's memory, and time."""

_HISTORY_SECONDS = 30.0


@dataclass(frozen=True)
class TaskService:
    """The state that commands share, for one principal and token. That of writes is made for the first one.

    Attributes:
        background: Owns the background work of commands.
        started: When commands were first taken, by the client's clock.
        signer: Signs claims on local tool calls, for this principal alone.
        turns: Turns that task handles stand for.
        views: Task views that are open.
        quotas: Limits of concurrent use.
        guard: Removes the access token from texts.
        wording: The words that the surface has for hints.
        readings: Limits concurrent readings of a task's events from the API.
        last_wait: The last result of a wait, for others that depend on the same.
        last_task: The same of ``get_task``.
    """

    settings: Settings
    client: NeoClient
    background: anyio.abc.TaskGroup
    started: float
    hub: Hub
    signer: Signer
    turns: Turns
    views: Views
    quotas: Quotas
    guard: TokenGuard
    wording: Wording = field(default_factory=lambda: LIBRARY)
    readings: anyio.Semaphore = field(default_factory=lambda: anyio.Semaphore(MAX_READINGS))
    local_results: LocalResults = field(default_factory=LocalResults)
    recent: RecentTasks = field(default_factory=RecentTasks)
    last_wait: LastResult["WaitResult"] = field(default_factory=LastResult)
    last_task: LastResult["TaskResult"] = field(default_factory=LastResult)

    @classmethod
    def of(
        cls,
        settings: Settings,
        client: NeoClient,
        background: anyio.abc.TaskGroup,
        *,
        owner: str = "",
        quotas: Quotas | None = None,
        wording: Wording = LIBRARY,
    ) -> "TaskService":
        """The service of one principal.

        Args:
            settings: Policy, budgets and time limits.
            client: The API client with the principal's token.
            background: Owns the background work of commands.
            owner: Distinguishes principals who share a key; opaque.
            quotas: Limits of concurrent use; by default, those of a single principal.
            wording: The words that the surface has for hints.
        """
        return cls(
            settings=settings,
            client=client,
            background=background,
            started=client.clock.monotonic(),
            hub=Hub(client, background),
            signer=Signer(settings.key, owner),
            turns=Turns(client),
            views=Views(client),
            quotas=quotas or Quotas.of(ALONE),
            guard=TokenGuard(settings.token),
            wording=wording,
        )

    @cached_property
    def creations(self) -> "Creations":
        """Tasks that are being created, or were."""
        from neo_mcp.service.writes.creation import Creations  # noqa: PLC0415 - see the class's docstring

        # Processes that share a key accept one another's tokens.
        has_replicas = self.settings.key is not None
        return Creations(self.client, self.background, has_replicas=has_replicas, started=self.started)

    @cached_property
    def default_modes(self) -> "DefaultModes":
        """The default approval modes of organizations."""
        from neo_mcp.service.writes.modes import DefaultModes  # noqa: PLC0415 - see the class's docstring

        return DefaultModes(self.client)

    @cached_property
    def deliveries(self) -> "Deliveries":
        """Events on their way to tasks."""
        from neo_mcp.service.writes.delivery import Deliveries  # noqa: PLC0415 - see the class's docstring

        return Deliveries(self.client)

    def stop(self, why: NeoError) -> None:
        """End every wait with ``why``, and give creations under way some last seconds."""
        self.hub.stop(why)
        if "creations" in vars(self):
            self.creations.stop()

    async def organization(self, given: str | None) -> str:
        """The organization to use.

        Raises:
            NeoError: If none is given and there is no default.
        """
        return await self.client.resolve_organization(given)

    def page_to_reply(self, organization: str, task_id: str) -> str | None:
        """The task's web page, if no one can reply through this service."""
        return self.client.task_url(organization, task_id) if self.settings.read_only else None

    def basis_of(self, watcher: Watcher, pending: Pending) -> Basis:
        """All that the needs and the activity in a result depend on."""
        state = watcher.log.state
        return (
            *(state.events, state.last_event_id, watcher.at_rest, watcher.source, watcher.announced_here),
            *(pending.keys, pending.order, pending.new, pending.is_resolved, bool(watcher.needs.later)),
            self.local_results.progress(watcher.key, watcher.log),
        )

    @asynccontextmanager
    async def followed(self, organization: str, task_id: str) -> AsyncIterator[Watcher]:
        """The task's watcher, once it has all events so far.

        Raises:
            NeoError: If the task cannot be read.
        """
        async with self.hub.follow(organization, task_id) as watcher:
            if not watcher.is_sure:
                with anyio.move_on_after(_HISTORY_SECONDS):
                    await until_true([watcher], lambda: watcher.is_sure)
            if watcher.failure is not None:
                raise watcher.failure
            if not watcher.caught_up:
                raise NeoError(
                    "The task's history could not be read in time.", next_step="Try again in a moment."
                )
            yield watcher


@asynccontextmanager
async def open_tasks(client: NeoClient, settings: Settings) -> AsyncIterator[TaskService]:
    """A :class:`TaskService` around ``client``, until the block is left."""
    failure: Exception | None = None
    async with anyio.create_task_group() as background:
        tasks = TaskService.of(settings, client, background)
        try:
            yield tasks
        except Exception as error:  # noqa: BLE001 - raised below, where no task group wraps it
            failure = error
        finally:
            tasks.stop(NeoError("The program is stopping."))
            background.cancel_scope.cancel()
    if failure is not None:
        raise failure
