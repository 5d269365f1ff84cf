"""Recent tasks for completion, which hosts request at every key press."""

import anyio

from neo_mcp.api import NeoClient
from neo_mcp.wire import Task
from neo_mcp.wire.ids import organization_key

FRESH_SECONDS = 2.0
"""Seconds for which a list is good enough for completion."""

_MAX_TASKS = 100
_MAX_ORGANIZATIONS = 16


class RecentTasks:
    """A page of each organization's tasks, refreshed at intervals."""

    def __init__(self) -> None:
        self._pages: dict[str, tuple[float, tuple[Task, ...]]] = {}
        self._asking = anyio.Lock()

    async def of(self, client: NeoClient, organization: str | None) -> tuple[Task, ...]:
        """The organization's recent tasks, latest activity first.

        Raises:
            NeoError: If they cannot be listed.
        """
        name = await client.resolve_organization(organization)
        async with self._asking:
            key = organization_key(name)
            read_at, tasks = self._pages.get(key, (-FRESH_SECONDS, ()))
            if client.clock.monotonic() - read_at >= FRESH_SECONDS:
                tasks = (await client.list_tasks(organization=name, page_size=_MAX_TASKS)).tasks
                while len(self._pages) >= _MAX_ORGANIZATIONS:
                    del self._pages[next(iter(self._pages))]
                self._pages[key] = (client.clock.monotonic(), tasks)
            return tasks
