"""Arguments of the tools. These models are public API: a model reads their names and descriptions."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from neo_mcp.errors import InvalidArgumentError
from neo_mcp.hidden_text import echoed
from neo_mcp.service.schema import Arguments
from neo_mcp.watch import Until
from neo_mcp.wire import (
    ApprovalMode,
    CliIntegrationRef,
    Entity,
    IntegrationRef,
    PermissionMode,
    SlashCommand,
    SortBy,
    SortDirection,
    TaskType,
    parse_entity,
)
from neo_mcp.wire.entity_names import entity_form
from neo_mcp.wire.entity_pages import CONSOLE
from neo_mcp.wire.events import EVENT_TYPES

_MAX_NAMES = 200
MAX_NAME = 500
"""Maximum entities, commands or integrations of a call, and maximum length of each name."""

EntityNames = Annotated[
    list[str] | None,
    Field(
        description="What it is about: 'stack project/name', 'repository org/name', "
        "'pull request org/name#1' or 'policy issue id'."
    ),
]
CommandNames = Annotated[list[str] | None, Field(description="Slash commands, such as /fix.")]


def _known(kind: str) -> str:
    if kind not in EVENT_TYPES:
        # Waiting for it would never end.
        raise ValueError("no type of event")
    return kind


EventType = Annotated[str, AfterValidator(_known), Field(json_schema_extra={"enum": [*sorted(EVENT_TYPES)]})]


class CreateTaskInput(Arguments):
    """Arguments of create_task."""

    prompt: str = Field(
        min_length=1,
        examples=["Add tags to all buckets of shop/prod."],
        description="What Neo should do: goal, stack or repository, limits.",
    )
    context: str | None = Field(default=None, description="This conversation's facts, errors, decisions.")
    organization: str | None = Field(default=None, description="Default: the configured one.")
    entities: EntityNames = None
    approval_mode: ApprovalMode | None = Field(
        default=None,
        description="manual asks before previews, deployments, pull requests; balanced before sensitive "
        "ones; auto never. Default: the organization's, if a person agrees.",
    )
    permission_mode: PermissionMode | None = Field(default=None, description="read-only forbids writes.")
    plan_mode: bool | None = Field(default=None, description="Propose a plan first.")
    tool_execution_mode: Literal["cloud", "cli"] | None = Field(
        default=None, description="cli: this host runs tools on local files."
    )
    integrations: list[str] | None = Field(
        default=None, description="Integration ids, such as datadog. Absent: all; []: none."
    )
    cli_integrations: list[str] | None = Field(
        default=None, description="Likewise, as catalog/name, such as aws/prod."
    )
    role: str | None = Field(default=None, description="Id of the role to assume.")
    commands: CommandNames = None
    idempotency_key: str | None = Field(default=None, description="Same key: same task.")
    duplicate: bool | None = Field(default=None, description="Start the same again.")
    wait: bool = Field(default=False, description="Wait for the turn's end.")


class ToolResultArgument(Arguments):
    """The result of one local tool call."""

    tool_call_id: str
    content: str
    is_error: bool = False


class RespondInput(Arguments):
    """Arguments of respond."""

    task_id: str
    action: Literal["message", "approve", "deny", "answer", "claim", "tool_results", "cancel"] = Field(
        description="approve or deny: an approval or plan. answer: a question. "
        "claim: local tool calls before you run them, then tool_results."
    )
    text: str | None = Field(default=None, description="Message, answer, or guidance with a denial.")
    request_id: str | None = Field(default=None, description="If several are pending.")
    tool_results: list[ToolResultArgument] | None = Field(
        default=None, description="One per call, failures too; or in parts."
    )
    claim: str | None = Field(default=None, description="From claim.")
    other_client_gone: bool = False
    force: bool = Field(default=False, description="With cancel: kill it.")
    add_entities: Annotated[list[str] | None, Field(description="As for a new task.")] = None
    remove_entities: list[str] | None = None
    commands: CommandNames = None
    organization: str | None = None


class GetTaskInput(Arguments):
    """Arguments of get_task."""

    task_id: str
    request_id: str | None = None
    budget_tokens: int | None = Field(default=None, ge=500, le=20000, examples=[4000])
    organization: str | None = None


class ListTasksInput(Arguments):
    """Arguments of list_tasks."""

    organization: str | None = None
    page_size: int = Field(default=20, ge=1, le=100, examples=[20])
    cursor: str | None = Field(default=None, description="next_cursor of the last page.")
    sort_by: SortBy | None = None
    sort_direction: SortDirection | None = None
    task_type: TaskType | None = Field(default=None, description="sync: people's; async: automations'.")


class UpdateTaskInput(Arguments):
    """Arguments of update_task."""

    task_id: str
    name: str | None = Field(default=None, max_length=255)
    shared: bool | None = Field(default=None, description="Visible to the organization.")
    approval_mode: ApprovalMode | None = None
    permission_mode: PermissionMode | None = None
    organization: str | None = None


class WaitInput(Arguments):
    """Arguments of wait_for_events."""

    task_id: str | None = Field(default=None, description="The task; or task_ids.")
    task_ids: list[str] | None = Field(
        default=None, min_length=1, max_length=20, description="Several: the first that matches counts."
    )
    cursor: str | None = Field(default=None, description="From the last result; absent: from the start.")
    until: Until = Field(
        default=Until.ATTENTION,
        description="attention (default): new needs or the turn's end. any: something happened. "
        "turn_end: the turn is over.",
    )
    kinds: list[EventType] | None = Field(
        default=None, examples=[["tool_response"]], description="Event types, such as tool_response."
    )
    timeout_seconds: float | None = Field(
        default=None, ge=0, le=3600, examples=[50], description="Default 50."
    )
    budget_tokens: int | None = Field(
        default=None, ge=500, le=20000, examples=[4000], description="Result size."
    )
    organization: str | None = None


def parse_entities(
    names: list[str] | None, organization: str | None = None, *, console: str = CONSOLE
) -> tuple[Entity, ...]:
    """Parse entities in the notation of results.

    Args:
        names: The entities.
        organization: The organization in which stacks named by their pages have to be, if that is known.
        console: The host of the console where these pages are.

    Raises:
        InvalidArgumentError: If one is not in that notation.
    """
    return tuple(
        read_entity(name, organization=organization, console=console)
        for name in _few(names or (), "entities")
    )


def _few(names: Sequence[str], what: str) -> Sequence[str]:
    """Return ``names`` if neither their number nor their lengths are over the limits.

    Raises:
        InvalidArgumentError: If they are.
    """
    if len(names) > _MAX_NAMES:
        raise InvalidArgumentError(
            f"{len(names):,} {what} are too many.", next_step=f"Give {_MAX_NAMES} at most."
        )
    for name in names:
        if len(name) > MAX_NAME:
            raise InvalidArgumentError(
                f"{echoed(name)} is too long for one of the {what}.",
                next_step=f"The most is {MAX_NAME} characters.",
            )
    return names


def read_entity(
    name: str, kind: str | None = None, *, organization: str | None = None, console: str = CONSOLE
) -> Entity:
    """Parse one entity; where its kind is given, the word for it may be left out.

    Raises:
        InvalidArgumentError: If it is none, or none of that kind.
    """
    entity = parse_entity(name, kind, organization=organization, console=console)
    if entity is None:
        why = f"{echoed(name.strip())} names no {kind or 'entity'}."
        raise InvalidArgumentError(why, next_step=entity_form(name, kind, console=console))
    return entity


def slash_commands(names: list[str] | None) -> dict[str, SlashCommand] | None:
    """Slash commands by name, in a message's format.

    Raises:
        InvalidArgumentError: If there are too many, or one is too long.
    """
    if not names:
        return None
    bare = [name.strip().removeprefix("/") for name in _few(names, "commands")]
    return {f"/{name}": SlashCommand(name=f"/{name}") for name in bare if name} or None


def integration_refs(ids: list[str] | None) -> tuple[IntegrationRef, ...] | None:
    """The three states: absent, none, or exactly these.

    Raises:
        InvalidArgumentError: If there are too many, or one is too long.
    """
    return None if ids is None else tuple(IntegrationRef(id=item) for item in _few(ids, "integrations"))


def cli_integration_refs(names: list[str] | None) -> tuple[CliIntegrationRef, ...] | None:
    """The same for command-line integrations, written as ``catalog/name``.

    Raises:
        InvalidArgumentError: If one is not in that notation.
    """
    if names is None:
        return None
    refs: list[CliIntegrationRef] = []
    for item in _few(names, "CLI integrations"):
        catalog_id, slash, name = item.partition("/")
        if not (catalog_id and slash and name):
            raise InvalidArgumentError(
                f"{echoed(item)} is no CLI integration.", next_step="Write it as aws/prod."
            )
        refs.append(CliIntegrationRef(catalog_id=catalog_id, name=name))
    return tuple(refs)
