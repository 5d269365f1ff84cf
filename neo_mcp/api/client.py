"""The client of the Neo API: one method per endpoint.

Owns the choice of organization and the steps around single calls. Requests and their repetition are in
:mod:`~neo_mcp.api.transport`, shapes in :mod:`~neo_mcp.api.dialect`, live events in :mod:`~neo_mcp.api.live`.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Self, TypeVar

from neo_mcp.api.account import Account, DefaultOrganization
from neo_mcp.api.bodies import MAX_ANSWER, Limits
from neo_mcp.api.calls import Call, Creation, ready_to_send
from neo_mcp.api.certificates import Certificates
from neo_mcp.api.dialect import CHECK_AND_CANCEL, MAX_PAGE_SIZE, TaskFilters, check_page_size
from neo_mcp.api.live import LiveEvents, Subscription
from neo_mcp.api.pages import all_tasks, read_task, read_tasks, with_smaller_pages
from neo_mcp.api.paging import EventPages, one_by_one
from neo_mcp.api.responses import accepted
from neo_mcp.api.retry import RetryPolicy
from neo_mcp.api.retry_write import WriteRetry
from neo_mcp.api.rhythm import Rhythm
from neo_mcp.api.session import Session
from neo_mcp.api.settings import Timeouts, check_api_url, check_token
from neo_mcp.api.stream import StreamStatus
from neo_mcp.api.transport import Transport
from neo_mcp.api.writes import create, post
from neo_mcp.clock import SYSTEM_CLOCK, Clock
from neo_mcp.constants import DEFAULT_API_URL, Generation
from neo_mcp.errors import ConflictError
from neo_mcp.secret import SecretStr
from neo_mcp.wire import (
    CreateTask,
    Event,
    EventPage,
    OrganizationMetadata,
    SortBy,
    SortDirection,
    Task,
    TaskPage,
    TaskType,
    UpdateTask,
    User,
    UserCancel,
    UserEvent,
    UserMessage,
    check_organization,
    check_task_id,
)

_UserEventT = TypeVar("_UserEventT", bound=UserEvent)


class NeoClient:
    """A client for one Pulumi Cloud and one access token; usable from many tasks of one event loop.

    Every method may raise any error of :mod:`neo_mcp.errors`; only special ones are listed with it. Where no
    organization is given, the one of :meth:`resolve_organization` is used.
    """

    def __init__(  # noqa: PLR0913 - settings, each with a name and a default
        self,
        *,
        token: SecretStr | str | None,
        api_url: str = DEFAULT_API_URL,
        organization: str | None = None,
        generation: Generation = Generation.AUTO,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
        max_event_bytes: int = 16 * 2**20,
        max_answer_bytes: int = MAX_ANSWER,
        max_concurrent_calls: int = 16,
        clock: Clock = SYSTEM_CLOCK,
        certificates: Certificates | None = None,
        on_unauthorized: Callable[[], object] | None = None,
    ) -> None:
        """Check the settings; nothing is connected yet.

        Args:
            token: The access token; calls without one raise ``MissingTokenError``.
            api_url: Where the API is: https, or http on this machine.
            organization: The default organization.
            generation: Which generation of the API the server speaks.
            timeouts: Time limits.
            retry: When to repeat a call.
            max_event_bytes: Size above which an event is not read.
            max_answer_bytes: Size above which an answer is not read, and a smaller page asked for.
            max_concurrent_calls: Calls in flight at a time; streams do not count.
            clock: Time, sleep and chance.
            certificates: What clients can share, so that each costs less.
            on_unauthorized: Called whenever the API answers that it does not accept the token.

        Raises:
            ConfigurationError: If the address or the token cannot be used.
            InvalidArgumentError: If the organization's name is not one.
        """
        self._address = check_api_url(api_url)
        self.clock = clock
        self._timeouts = timeouts
        self._transport = Transport(
            self._address,
            check_token(token),
            timeouts=timeouts,
            retry=retry,
            clock=clock,
            certificates=certificates or Certificates(),
            on_unauthorized=on_unauthorized,
            limits=Limits(max_answer_bytes, max_event_bytes, max_concurrent_calls),
        )
        self._account = Account(self._transport.call, organization, clock)
        self._session = Session(self._transport, Generation(generation))
        rhythm = Rhythm(timeouts.stream_silence)
        self._live = LiveEvents(self._session, self, timeouts, retry, max_event_bytes, rhythm, clock)

    def __repr__(self) -> str:
        return f"NeoClient(api_url={self.api_url!r}, organization={self._account.organization!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection; the client cannot be used again."""
        await self._transport.aclose()

    @property
    def api_url(self) -> str:
        """The API's address, without a trailing slash."""
        return self._address.url

    def task_url(self, organization: str, task_id: str) -> str:
        """The task's page in the console.

        Raises:
            InvalidArgumentError: If either argument is not valid.
        """
        organization, task_id = check_organization(organization), check_task_id(task_id)
        return f"{self._address.console}/{organization}/neo/tasks/{task_id}"

    async def get_user(self) -> User:
        """The token's user; requested once."""
        return await self._account.user()

    async def default_organization(self) -> DefaultOrganization:
        """The organization for calls that name none, and where it comes from; requested once.

        It is the client's, or the default that is set in Pulumi Cloud, or the user's own.
        """
        return await self._account.default()

    async def resolve_organization(self, organization: str | None = None) -> str:
        """The organization to work in: the given one, or the default.

        Raises:
            InvalidArgumentError: If it is no organization name.
        """
        return check_organization(organization or (await self.default_organization()).name)

    @property
    def is_first_generation(self) -> bool:
        """True if the server is known to speak the first generation of the API."""
        return self._session.is_first_generation

    async def get_organization(self, organization: str) -> OrganizationMetadata:
        """The organization's settings for Neo; requested once, without retries, as they are optional."""
        call = Call("GET", f"/api/orgs/{check_organization(organization)}/metadata", is_optional=True)
        return await self._session.ask_beside(organization, call, OrganizationMetadata.model_validate_json)

    async def list_tasks(
        self,
        *,
        organization: str | None = None,
        continuation_token: str | None = None,
        page_size: int | None = None,
        skip: int = 0,
        sort_by: SortBy | None = None,
        sort_direction: SortDirection | None = None,
        task_type: TaskType | None = None,
    ) -> TaskPage:
        """One page of tasks, of 1 to 1000, without the first ``skip`` of them.

        Raises:
            UnsupportedByServerError: If a first-generation server is asked to sort or to filter.
        """
        token, size = continuation_token or None, check_page_size(page_size)
        org = await self.resolve_organization(organization)

        async def get_page(size: int | None) -> TaskPage:
            filters = TaskFilters(token, size, skip, sort_by, sort_direction, task_type)
            return await self._session.ask_page(
                org,
                lambda dialect: dialect.list_tasks(org, filters),
                lambda _, body: read_tasks(body, filters.skip, filters.end),
            )

        return await with_smaller_pages(get_page, size)

    async def iter_tasks(
        self,
        *,
        organization: str | None = None,
        page_size: int | None = None,
        sort_by: SortBy | None = None,
        sort_direction: SortDirection | None = None,
        task_type: TaskType | None = None,
    ) -> AsyncIterator[Task]:
        """All tasks, page after page; stops where the server names a page again."""
        ask = partial(
            self.list_tasks,
            organization=organization,
            page_size=page_size,
            sort_by=sort_by,
            sort_direction=sort_direction,
            task_type=task_type,
        )
        async for task in all_tasks(lambda token: ask(continuation_token=token)):
            yield task

    async def create_task(
        self,
        task: CreateTask | str,
        *,
        organization: str | None = None,
        exact: bool = False,
        assumed_mode: bool = False,
        landed: Callable[[], Awaitable[Creation | None]] | None = None,
    ) -> Creation:
        """Start a task; from plain text, with the organization's default settings.

        Args:
            task: What to start; an empty timestamp of its message is filled in.
            organization: Where.
            exact: Whether to fail rather than leave out entities that the API refuses.
            assumed_mode: Whether the approval mode is a default, which is not sent to a server without modes.
            landed: Looks for the task before it is sent again after a refusal, which a proxy may have given
                for a request that it passed on.

        Raises:
            AmbiguousWriteError: If the task may or may not have been created; it is never sent again then.
            UnsupportedByServerError: If a first-generation server is given settings that it does not know.
        """
        if isinstance(task, str):
            task = CreateTask(message=UserMessage(content=task))
        task = task.model_copy(update={"message": ready_to_send(task.message, self.clock)})
        org = await self.resolve_organization(organization)
        retry = WriteRetry(self.clock, self._timeouts.create, landed)
        return await create(self._session, org, task, retry, exact=exact, assumed_mode=assumed_mode)

    async def get_task(self, task_id: str, *, organization: str | None = None) -> Task:
        """A task's metadata."""
        check_task_id(task_id)
        org = await self.resolve_organization(organization)
        return await self._session.ask(org, lambda dialect: dialect.get_task(org, task_id), read_task)

    async def update_task(
        self, task_id: str, changes: UpdateTask, *, organization: str | None = None
    ) -> Task:
        """Change a task's name, sharing or modes; only its creator may.

        Raises:
            UnsupportedByServerError: On a first-generation server.
        """
        check_task_id(task_id)
        org = await self.resolve_organization(organization)
        return await self._session.ask(
            org, lambda dialect: dialect.update_task(org, task_id, changes), read_task
        )

    async def respond(
        self,
        task_id: str,
        event: _UserEventT,
        *,
        organization: str | None = None,
        conflict_wait: float = 0.0,
        landed: Callable[[], Awaitable[_UserEventT | None]] | None = None,
    ) -> _UserEventT:
        """Post a user event to a task and return it as it was sent, with its timestamp.

        Args:
            task_id: The task.
            event: The event; an empty timestamp is filled in.
            organization: The task's organization.
            conflict_wait: Seconds for which a message or a request to cancel is retried while the task is
                busy. The API has not accepted what it answers with a conflict, so nothing is sent twice.
            landed: Looks for the event before it is sent again after a refusal, which a proxy may have given
                for a request that it passed on. With it, an attempt that has begun is finished, even if the
                caller is cancelled.

        Raises:
            AmbiguousWriteError: If it may or may not have arrived; it is never sent again then.
            ConflictError: If the task is still busy.
            UnsupportedByServerError: If a first-generation server does not know such events.
        """
        check_task_id(task_id)
        event = ready_to_send(event, self.clock)
        org = await self.resolve_organization(organization)
        while_busy = conflict_wait > 0 and isinstance(event, UserMessage | UserCancel)
        retry = WriteRetry(self.clock, conflict_wait or self._timeouts.call, landed, while_busy)
        return await post(self._session, org, task_id, event, retry)

    async def cancel_task(self, task_id: str, *, organization: str | None = None) -> None:
        """Kill a task's runtime session; to ask Neo to stop, post a ``UserCancel`` instead.

        Raises:
            ConflictError: If the session was stopped but the task did not become idle.
            UnsupportedByServerError: On a first-generation server.
        """
        check_task_id(task_id)
        org = await self.resolve_organization(organization)
        retry: WriteRetry[None] = WriteRetry(self.clock, self._timeouts.call)
        cancel = partial(self._session.ask, org, lambda dialect: dialect.cancel_task(org, task_id), accepted)
        try:
            await retry.run(cancel)
        except ConflictError as error:
            raise error.with_hint(CHECK_AND_CANCEL) from error

    async def list_events(
        self,
        task_id: str,
        *,
        organization: str | None = None,
        continuation_token: str | None = None,
        page_size: int | None = None,
    ) -> EventPage:
        """One page of a task's events, of 1 to 1000, oldest first."""
        check_task_id(task_id)
        token, size = continuation_token or None, check_page_size(page_size)
        org = await self.resolve_organization(organization)
        return await with_smaller_pages(
            lambda size: self._session.ask_page(
                org,
                lambda dialect: dialect.list_events(org, task_id, token, size),
                lambda dialect, body: dialect.event_page(body),
            ),
            size,
        )

    def iter_events(
        self, task_id: str, *, organization: str | None = None, page_size: int = MAX_PAGE_SIZE
    ) -> AsyncIterator[Event]:
        """All events so far, oldest first; stops where the server names a page again."""
        return one_by_one(self.event_pages(task_id, organization=organization, page_size=page_size).read())

    def event_pages(
        self, task_id: str, *, organization: str | None = None, page_size: int = MAX_PAGE_SIZE
    ) -> EventPages:
        """A task's pages, to read again and again for what has been added."""
        return EventPages(
            lambda token: self.list_events(
                task_id, organization=organization, continuation_token=token, page_size=page_size
            )
        )

    def stream_events(
        self,
        task_id: str,
        *,
        organization: str | None = None,
        last_event_id: str | None = None,
        is_known: Callable[[str], bool] | None = None,
        keep_open: Callable[[Task], bool] | None = None,
        on_connection: Callable[[StreamStatus], None] | None = None,
        by_pages: bool = False,
    ) -> AsyncGenerator[Event, None]:
        """A task's events: those so far, then new ones as they come, each exactly once.

        Lost connections are resumed. The sequence ends when the server ends it and the task is idle: not
        running, and with no approval or local tool call open that came in this sequence.

        Args:
            task_id: The task.
            organization: Its organization.
            last_event_id: Only events after this one, as far as the server goes by it; it may send more.
            is_known: Whether an event of this id was received before and is to be skipped. Without it, the
                ids are remembered here.
            keep_open: Decides instead, by the task's state, whether more events are expected.
            on_connection: Called on every change of the connection.
            by_pages: Poll pages every few seconds where the server has no stream.

        Raises:
            ApiError: If the first connection is refused, or a later one in a way that retrying cannot fix.
            StreamLostError: If there was no progress for ``timeouts.stream_without_progress`` seconds.
        """
        after, report = last_event_id or "", on_connection or (lambda _: None)
        task = Subscription(task_id, organization or "", after, is_known, keep_open, report, by_pages)
        return one_by_one(self.stream_batches(task))

    async def stream_batches(self, task: Subscription) -> AsyncGenerator[list[Event], None]:
        """Like :meth:`stream_events`; events that come together are yielded together."""
        check_task_id(task.task_id)
        org = await self.resolve_organization(task.organization)
        async with aclosing(self._live.batches(replace(task, organization=org))) as batches:
            async for batch in batches:
                yield batch
