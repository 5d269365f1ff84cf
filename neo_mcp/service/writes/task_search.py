"""Search an organization's most recent tasks for one.

Owns the reading: which tasks are checked, and their first messages. The comparison is in
:mod:`neo_mcp.core.reconcile`.
"""

from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from neo_mcp.api import NeoClient
from neo_mcp.core.reconcile import Candidate, Match, Sent, decide, is_by, repeats
from neo_mcp.errors import NeoError, UnexpectedResponseError, UnsupportedByServerError
from neo_mcp.wire import CreateTask, SortBy, SortDirection, Task, UserMessage
from neo_mcp.wire.time import parse_time

_LISTED = 100
_READ = 20
_FIRST_EVENTS = 3
_CLOCKS_APART = timedelta(minutes=5)


class TaskSearch:
    """Search an organization's most recent tasks; cache their first messages."""

    def __init__(self, client: NeoClient, organization: str) -> None:
        self._client = client
        self._organization = organization
        self._messages: dict[str, UserMessage] = {}
        self._unreadable = 0

    async def find(self, sent: Sent, *, others: Collection[str]) -> Match:
        """Find the task that ``sent`` created, if it exists now.

        Args:
            sent: The request that was sent.
            others: Ids of tasks that are known to come from other requests.

        Raises:
            NeoError: If the tasks cannot be listed, or not read where it may be.
        """
        creator = (await self._client.get_user()).github_login
        candidates = await self._read(lambda task: is_by(creator, task) and task.id not in others)
        match = decide(sent, creator, candidates)
        if match.task is None and self._unreadable:
            raise UnexpectedResponseError("Some of the latest tasks cannot be read; it may be among them.")
        return match

    async def find_repeated(
        self, request: CreateTask, *, since: datetime, others: Collection[str]
    ) -> Task | None:
        """Find the first task since then that asks for the same as ``request``, by the same user.

        Args:
            request: The request.
            since: Older tasks are ignored.
            others: Ids of tasks that are known to come from another request.

        Raises:
            NeoError: If the tasks cannot be listed.
        """
        creator = (await self._client.get_user()).github_login

        def is_recent(task: Task) -> bool:
            made = parse_time(task.created_at)
            is_new = made is not None and made >= since - _CLOCKS_APART
            return is_new and is_by(creator, task) and task.id not in others

        def is_repeated(candidate: Candidate) -> bool:
            sent = parse_time(candidate.message.timestamp) if candidate.message else None
            return sent is not None and sent >= since and repeats(request, candidate)

        matches = [each.task for each in await self._read(is_recent) if is_repeated(each)]
        return matches[-1] if matches else None

    async def _read(self, is_match: Callable[[Task], bool]) -> list[Candidate]:
        """Tasks with their first messages, most recent first."""
        tasks = [task for task in await self._list() if is_match(task)][:_READ]
        return [Candidate(task, await self._first_message(task.id)) for task in tasks]

    async def _list(self) -> list[Task]:
        try:
            page = await self._client.list_tasks(
                organization=self._organization,
                page_size=_LISTED,
                sort_by=SortBy.CREATED,
                sort_direction=SortDirection.DESCENDING,
            )
        except UnsupportedByServerError:
            page = await self._client.list_tasks(organization=self._organization, page_size=_LISTED)
        self._unreadable = len(page.unreadable)
        return sorted(page.tasks, key=lambda task: task.created_at, reverse=True)

    async def _first_message(self, task_id: str) -> UserMessage | None:
        """The task's first message; ``None`` if it cannot be read, or not yet."""
        token: str | None = None
        try:
            for _ in range(_FIRST_EVENTS):
                if task_id in self._messages:
                    break
                # One at a time: an event can be megabytes, and the first one is nearly always the message.
                page = await self._client.list_events(
                    task_id, organization=self._organization, continuation_token=token, page_size=1
                )
                for event in page.events:
                    if isinstance(event.body, UserMessage):
                        self._messages.setdefault(task_id, event.body)
                token = page.continuation_token
                if not token:
                    break
        except NeoError:
            return None
        return self._messages.get(task_id)
