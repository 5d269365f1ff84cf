"""Tasks, users, and the bodies of the requests about them (second generation)."""

from pydantic import ConfigDict, Field

from neo_mcp.wire.base import CamelModel, Flag, Lenient, Many, Request, Text
from neo_mcp.wire.decode import decode_json, may_hold_token
from neo_mcp.wire.entities import Entity
from neo_mcp.wire.enums import (
    ApprovalMode,
    AsyncTriggerType,
    Open,
    OrganizationRole,
    PermissionMode,
    RuntimePhase,
    TaskSource,
    TaskStatus,
    TaskType,
    ToolExecutionMode,
    VcsProvider,
)
from neo_mcp.wire.envelope import Event, UserInfo, read_event
from neo_mcp.wire.events import UserEvent, UserMessage
from neo_mcp.wire.ids import MAX_PAGE_TOKEN, Id, PageToken, TaskId
from neo_mcp.wire.json_limits import PAGE
from neo_mcp.wire.lenient import Answer


class Organization(Answer, extra="ignore"):
    """An organization that a user belongs to; ``github_login`` is the name that paths take."""

    github_login: str
    name: Text = ""
    role: Open[OrganizationRole] | None = None


class OrganizationMetadata(Answer, extra="ignore"):
    """An organization's settings for Neo, as far as the API reports them.

    Attributes:
        neo_approval_mode: The approval mode of tasks that are started without one.
        neo_task_sharing_mode: ``none``, or ``org`` where tasks can be shared with the whole organization.
    """

    neo_enabled: Lenient[bool | None] = None
    neo_agent_disabled: Lenient[bool | None] = None
    neo_approval_mode: Open[ApprovalMode] | None = None
    neo_task_sharing_mode: Lenient[str | None] = None


class User(Answer, extra="ignore"):
    """The token's user; nothing else about them is stored."""

    github_login: str
    name: Text = ""
    organizations: Many[Organization] = ()

    @property
    def own_organization(self) -> str:
        """The organization named like the user, else the first of the user's organizations."""
        names = [each.github_login for each in self.organizations]
        return names[0] if names and self.github_login not in names else self.github_login


class Task(Answer):
    """A task's metadata. Times are RFC 3339 text, as sent. Only the id has to be one.

    Attributes:
        status: Only whether a turn runs; what Neo needs is in the events.
        tokens_used: Neo tokens, the unit of billing.
        context_used_tokens: Model input tokens; compare with ``context_window_tokens``.
        agent_definition_id: The organization's custom agent that the task runs as; ``None`` for Neo itself.
    """

    id: TaskId
    name: Text = ""
    status: Open[TaskStatus] = ""
    created_at: Text = ""
    created_by: UserInfo | None = None
    entities: Many[Entity] = ()
    approval_mode: Open[ApprovalMode] | None = None
    plan_mode: Flag = False
    permission_mode: Open[PermissionMode] | None = None
    is_shared: Flag = False
    shared_at: str | None = None
    runtime_phase: Open[RuntimePhase] | None = None
    last_heartbeat: str | None = None
    context_used_tokens: int | None = None
    context_window_tokens: int | None = None
    context_compaction_threshold_percent: int | None = None
    tokens_used: int | None = None
    tool_execution_mode: Open[ToolExecutionMode] | None = None
    task_type: Open[TaskType] | None = None
    source: Open[TaskSource] | None = None
    async_trigger_type: Open[AsyncTriggerType] | None = None
    source_automation_id: Lenient[Id | None] = Field(default=None, alias="sourceAutomationID")
    vcs_provider: Open[VcsProvider] | None = None
    role: str | None = None
    agent_definition_id: Lenient[Id | None] = None

    @property
    def is_running(self) -> bool:
        """True if a turn runs, in either generation's terms."""
        return self.status in {TaskStatus.RUNNING, TaskStatus.PENDING}


class TaskPage(CamelModel):
    """One page of tasks; no ``continuation_token`` (or an empty one) on the last.

    Attributes:
        is_cut: Whether the page has more tasks than these, for example because a server sent more than
            requested.
        unreadable: Positions, among these tasks and themselves, of those that could not be read.
    """

    json_limits = PAGE

    tasks: Many[Task]
    continuation_token: PageToken | None = None
    is_cut: bool = Field(default=False, init=False, exclude=True)
    unreadable: tuple[int, ...] = Field(default=(), init=False, exclude=True)

    def position(self, count: int) -> int:
        """The position after the first ``count`` tasks, with those in between that could not be read."""
        for gap in self.unreadable:
            count += gap <= count
        return count


class EventPage(CamelModel):
    """One page of events, oldest first."""

    json_limits = PAGE

    events: Many[Event]
    continuation_token: PageToken | None = None


def parse_event_page(data: bytes) -> EventPage:
    """Read a page of events; a bad event does not affect the others.

    Raises:
        ValueError: If ``data`` is not a page at all.
    """
    if not may_hold_token(data):
        try:
            return EventPage.model_validate_json(data)
        except ValueError:
            pass  # Then event by event.
    items, token = _page_items(decode_json(data, PAGE), "events")
    return EventPage(events=tuple(map(read_event, items)), continuation_token=token)


def parse_task_page(data: bytes) -> tuple[str | None, tuple[Task | None, ...]]:
    """Read a page of tasks; one that cannot be read is ``None``, and does not affect the others.

    Returns:
        The continuation token, and the tasks.

    Raises:
        ValueError: If ``data`` is not a page at all.
    """
    try:
        page = TaskPage.model_validate_json(data)
    except ValueError:
        items, token = _page_items(decode_json(data, PAGE), "tasks")
        return token, tuple(map(_read_task, items))
    return page.continuation_token, page.tasks


def parse_task(data: bytes) -> Task | None:
    """Read one task of a page; ``None`` if it cannot be read."""
    try:
        return Task.model_validate_json(data)
    except ValueError:
        return None


def _read_task(raw: object) -> Task | None:
    try:
        return Task.read(raw)
    except ValueError:
        return None


def _page_items(raw: object, field: str) -> tuple[list[object], str | None]:
    """The items of a page, and its continuation token, which may be a number."""
    if isinstance(raw, dict) and field in raw:
        items, token = raw[field], raw.get("continuationToken")
        token = str(token) if isinstance(token, int) and not isinstance(token, bool) else token
        if (
            isinstance(items, list | None)
            and isinstance(token, str | None)
            and len(token or "") <= MAX_PAGE_TOKEN
        ):
            return items or [], token
    raise ValueError(f"not a page of {field}")


class CreatedTask(Answer):
    """The answer to a create request."""

    task_id: Id


class IntegrationRef(Request):
    """An integration by its catalogue id, such as ``honeycomb``."""

    id: str


class CliIntegrationRef(Request):
    """A connected command-line integration: catalogue id and instance name."""

    catalog_id: str
    name: str


class CreateTask(Request):
    """The request that starts a task.

    The two integration lists have three states: ``None`` inherits, empty is none, else exactly these.
    """

    message: UserMessage
    approval_mode: ApprovalMode | None = None
    plan_mode: bool | None = None
    permission_mode: PermissionMode | None = None
    role: str | None = None
    source: TaskSource | None = None
    tool_execution_mode: ToolExecutionMode | None = None
    enabled_integrations: tuple[IntegrationRef, ...] | None = None
    cli_integrations: tuple[CliIntegrationRef, ...] | None = None


class UpdateTask(Request):
    """A change to a task; ``None`` leaves a field as it is. ``name`` is 1-255 characters after trimming."""

    model_config = ConfigDict(str_strip_whitespace=True)

    name: str | None = Field(default=None, min_length=1, max_length=255)
    is_shared: bool | None = None
    approval_mode: ApprovalMode | None = None
    permission_mode: PermissionMode | None = None


class Respond(Request):
    """A user event on its way to a task."""

    event: UserEvent
