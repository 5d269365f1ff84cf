"""The two generations of the API: where each endpoint is, what it takes, and how its answers read.

Owns everything that differs between them. Sends nothing; which one a server speaks is detected by
:mod:`neo_mcp.api.session`.
"""

from dataclasses import dataclass
from typing import Protocol

import pydantic_core

from neo_mcp.api.calls import Call, Doubt, Page, to_json
from neo_mcp.api.pages import read_events, read_flat_events
from neo_mcp.api.splitting import PageParts
from neo_mcp.constants import Generation
from neo_mcp.errors import InvalidArgumentError, UnsupportedByServerError
from neo_mcp.hints import Hint, NextStep
from neo_mcp.wire import (
    CreatedTask,
    CreateTask,
    EventPage,
    PermissionMode,
    Respond,
    SortBy,
    SortDirection,
    Task,
    TaskType,
    ToolExecutionMode,
    UpdateTask,
    UserConfirmation,
    UserEvent,
    UserMessage,
    check_task_id,
)
from neo_mcp.wire.first_generation import flat_message, flat_user_input

MAX_PAGE_SIZE = 1000

CHECK_AND_CANCEL: NextStep = (Hint.CHECK, ", and cancel it again if it still runs.")

_CREATE_DOUBT = Doubt(
    "The task may or may not have been created; the request was not repeated.",
    Hint.FIND_TASK,
)
_RESPOND_DOUBT = Doubt(
    "The message may or may not have arrived; it was not repeated.",
    Hint.CHECK_ARRIVAL,
)
_UPDATE_DOUBT = Doubt(
    "The change may or may not have been made.",
    (Hint.CHECK, ", or make the same change again: that is safe."),
)
_CANCEL_DOUBT = Doubt(
    "The task may or may not have been cancelled.",
    CHECK_AND_CANCEL,
)


@dataclass(frozen=True, slots=True)
class TaskFilters:
    """Filters and order of a task list, and the part of a page that is requested.

    Attributes:
        page_size: Number of tasks to return from the page.
        skip: Number of its first tasks to leave out.
    """

    continuation_token: str | None = None
    page_size: int | None = None
    skip: int = 0
    sort_by: SortBy | None = None
    sort_direction: SortDirection | None = None
    task_type: TaskType | None = None

    @property
    def whole_size(self) -> int | None:
        """Number of tasks to request for the page."""
        return min(self.skip + self.page_size, MAX_PAGE_SIZE) if self.page_size else None

    @property
    def end(self) -> int:
        """Number of the first task of the page that is no longer returned."""
        return self.skip + (self.page_size or MAX_PAGE_SIZE)

    @property
    def page(self) -> Page:
        """The page to request; one more task is stored, to detect that there are more."""
        return Page("tasks", max_items=self.end + 1)


class Dialect(Protocol):
    """One generation of the API. Every method is pure; ids were checked before."""

    @property
    def generation(self) -> Generation:
        """The generation."""
        ...

    def tasks_path(self, organization: str) -> str:
        """Path of an organization's tasks."""
        ...

    def list_tasks(self, organization: str, filters: TaskFilters) -> Call:
        """One page of tasks."""
        ...

    def create_task(self, organization: str, task: CreateTask) -> Call:
        """A new task."""
        ...

    def created_id(self, body: bytes) -> str:
        """The new task's id; ``ValueError`` if ``body`` has none."""
        ...

    def get_task(self, organization: str, task_id: str) -> Call:
        """A task's metadata."""
        ...

    def update_task(self, organization: str, task_id: str, changes: UpdateTask) -> Call:
        """A change to a task's metadata."""
        ...

    def respond(self, organization: str, task_id: str, event: UserEvent) -> Call:
        """A user event for a task."""
        ...

    def cancel_task(self, organization: str, task_id: str) -> Call:
        """A forced cancel."""
        ...

    def list_events(self, organization: str, task_id: str, token: str | None, page_size: int | None) -> Call:
        """One page of events."""
        ...

    def event_page(self, body: bytes | PageParts) -> EventPage:
        """That page, parsed; ``ValueError`` if ``body`` is not one."""
        ...


class _Common:
    """The parts that both generations share: all paths but their beginning."""

    prefix: str

    def tasks_path(self, organization: str) -> str:
        return f"{self.prefix}/preview/agents/{organization}/tasks"

    def task_path(self, organization: str, task_id: str) -> str:
        return f"{self.tasks_path(organization)}/{task_id}"

    def get_task(self, organization: str, task_id: str) -> Call:
        return Call("GET", self.task_path(organization, task_id))

    def list_events(self, organization: str, task_id: str, token: str | None, page_size: int | None) -> Call:
        path = f"{self.task_path(organization, task_id)}/events"
        page = Page("events", is_smallest=page_size == 1)
        return Call("GET", path, {"continuationToken": token, "pageSize": page_size}, page=page)


class SecondGeneration(_Common):
    """The API as it is documented now."""

    prefix = "/api"
    generation = Generation.SECOND

    def list_tasks(self, organization: str, filters: TaskFilters) -> Call:
        """One page of tasks."""
        params = {
            "continuationToken": filters.continuation_token,
            "pageSize": filters.whole_size,
            "sortBy": filters.sort_by,
            "sortDirection": filters.sort_direction,
            "taskType": filters.task_type,
        }
        return Call("GET", self.tasks_path(organization), params, page=filters.page)

    def create_task(self, organization: str, task: CreateTask) -> Call:
        """A new task."""
        return Call(
            "POST", self.tasks_path(organization), body=to_json(task), doubt=_CREATE_DOUBT, is_create=True
        )

    def created_id(self, body: bytes) -> str:
        """The new task's id."""
        return _usable_id(CreatedTask.model_validate_json(body).task_id)

    def update_task(self, organization: str, task_id: str, changes: UpdateTask) -> Call:
        """A change to a task's metadata."""
        return Call(
            "PATCH", self.task_path(organization, task_id), body=to_json(changes), doubt=_UPDATE_DOUBT
        )

    def respond(self, organization: str, task_id: str, event: UserEvent) -> Call:
        """A user event for a task."""
        body = to_json(Respond(event=event))
        return Call("POST", self.task_path(organization, task_id), body=body, doubt=_RESPOND_DOUBT)

    def cancel_task(self, organization: str, task_id: str) -> Call:
        """A forced cancel."""
        path = f"{self.task_path(organization, task_id)}/cancel"
        return Call("POST", path, body=b'{"force":true}', doubt=_CANCEL_DOUBT)

    def stream_path(self, organization: str, task_id: str) -> str:
        """Path of a task's event stream."""
        return f"{self.task_path(organization, task_id)}/events/stream"

    def event_page(self, body: bytes | PageParts) -> EventPage:
        """A page of events."""
        return read_events(body)


class FirstGeneration(_Common):
    """The API before it was reshaped; some self-hosted installations still speak it.

    Settings that it cannot carry are refused: silently leaving out a read-only permission or an approval mode
    would let Neo do what the user ruled out.
    """

    prefix = ""
    generation = Generation.FIRST

    def list_tasks(self, organization: str, filters: TaskFilters) -> Call:
        """One page of tasks."""
        if filters.sort_by or filters.sort_direction or filters.task_type:
            raise _unsupported("sort or filter tasks", "List them without sorting and filters.")
        params = {"continuationToken": filters.continuation_token, "pageSize": filters.whole_size}
        return Call("GET", self.tasks_path(organization), params, page=filters.page)

    def create_task(self, organization: str, task: CreateTask) -> Call:
        """A new task."""
        settings = _settings(task)
        if settings:
            names = ", ".join(settings)
            raise _unsupported(f"create a task with {names}", "Create the task without these settings.")
        body = pydantic_core.to_json(flat_message(task.message))
        return Call("POST", self.tasks_path(organization), body=body, doubt=_CREATE_DOUBT, is_create=True)

    def created_id(self, body: bytes) -> str:
        """The new task's id: this generation answers with the task itself."""
        return _usable_id(Task.model_validate_json(body).id)

    def update_task(self, organization: str, task_id: str, changes: UpdateTask) -> Call:  # noqa: ARG002 - Dialect's
        """Unsupported in this generation."""
        raise _unsupported("change a task")

    def respond(self, organization: str, task_id: str, event: UserEvent) -> Call:
        """A user event for a task: in this generation, plain text."""
        if not isinstance(event, UserMessage | UserConfirmation):
            raise _unsupported(f"take a {event.type} event")
        if isinstance(event, UserMessage) and event.commands:
            raise _unsupported("take slash commands", "Put it into words.")
        if event.entity_diff is not None:
            raise _unsupported("change a task's entities", "Name them in the message.")
        body = pydantic_core.to_json(flat_user_input(event))
        return Call("POST", self.task_path(organization, task_id), body=body, doubt=_RESPOND_DOUBT)

    def cancel_task(self, organization: str, task_id: str) -> Call:  # noqa: ARG002 - Dialect's
        """Unsupported in this generation."""
        raise _unsupported("cancel a task")

    def event_page(self, body: bytes | PageParts) -> EventPage:
        """A page of events, in the second generation's terms."""
        return read_flat_events(body)


def check_page_size(value: int | None) -> int | None:
    """Return ``value`` if a page can have so many items.

    Raises:
        InvalidArgumentError: If it cannot.
    """
    if value is not None and not 1 <= value <= MAX_PAGE_SIZE:
        raise InvalidArgumentError(f"A page has 1 to {MAX_PAGE_SIZE} items, not {value}.")
    return value


def _settings(task: CreateTask) -> list[str]:
    """The settings of ``task`` that would change what happens, by their names on the wire."""
    # Where a task came from is bookkeeping; the defaults ask for what happens anyway.
    ignored = {"message", "source"}
    if task.permission_mode is PermissionMode.DEFAULT:
        ignored.add("permission_mode")
    if task.tool_execution_mode is ToolExecutionMode.CLOUD:
        ignored.add("tool_execution_mode")
    if not task.plan_mode:
        ignored.add("plan_mode")
    names = list(task.model_dump(by_alias=True, exclude_none=True, exclude=ignored))
    return [*names, "commands"] if task.message.commands else names


def _usable_id(task_id: str) -> str:
    """Return ``task_id`` if later calls can use it."""
    try:
        return check_task_id(task_id)
    except InvalidArgumentError:
        raise ValueError("the new task's id is not usable") from None


def _unsupported(what: str, next_step: str | None = None) -> UnsupportedByServerError:
    return UnsupportedByServerError(
        f"This Pulumi Cloud speaks the first generation of the Neo API, which cannot {what}.",
        next_step=next_step,
    )


FIRST = FirstGeneration()
SECOND = SecondGeneration()
