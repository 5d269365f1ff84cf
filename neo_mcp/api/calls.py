"""One call to the API as data, and the JSON that it sends.

Owns the description of a request and the preparation of what is posted. Sends nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar, cast

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError

from neo_mcp.clock import Clock
from neo_mcp.errors import InvalidArgumentError
from neo_mcp.hints import NextStep
from neo_mcp.wire import ToolResult, ToolResults, UserEvent, UserMessage, scrub_surrogates
from neo_mcp.wire.time import format_time

_UserEventT = TypeVar("_UserEventT", bound=UserEvent)


@dataclass(frozen=True, slots=True)
class Doubt:
    """The words for a write that may or may not have landed.

    Attributes:
        what: One sentence on what may have happened.
        next_step: How to find out.
    """

    what: str
    next_step: NextStep


@dataclass(frozen=True, slots=True)
class Page:
    """How the answer to a call is a page.

    Attributes:
        field: The field that has the items.
        is_smallest: Whether one item was asked for.
        max_items: How many items are stored; ``None`` for all.
    """

    field: str
    is_smallest: bool = False
    max_items: int | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A request, before it has headers and a host.

    Attributes:
        params: Query parameters; those that are ``None`` are left out.
        body: JSON, if it has a body.
        doubt: Set for every write.
        is_create: Whether the longer time limit applies.
        is_optional: Whether it is tried once only, because its caller can do without it.
        page: Set if the answer is a page.
    """

    method: str
    path: str
    params: Mapping[str, str | int | None] = field(default_factory=dict)
    body: bytes | None = None
    doubt: Doubt | None = None
    is_create: bool = False
    is_optional: bool = False
    page: Page | None = None

    @property
    def repeatable(self) -> bool:
        """True if making the call twice has the same effect as making it once."""
        return self.method in {"GET", "PATCH"}


@dataclass(frozen=True, slots=True)
class Creation:
    """A task that was created.

    Attributes:
        task_id: Its id.
        message: The first message as it was sent.
        warnings: What a person should know about how it was created.
    """

    task_id: str
    message: UserMessage
    warnings: tuple[str, ...] = ()


def to_json(model: BaseModel) -> bytes:
    """The body of a request.

    Raises:
        InvalidArgumentError: If ``model`` holds something that JSON cannot.
    """
    try:
        return model.model_dump_json(by_alias=True, exclude_none=True).encode()
    except PydanticSerializationError as error:
        raise InvalidArgumentError(f"This cannot be sent as JSON: {error}") from None


def ready_to_send(event: _UserEventT, clock: Clock) -> _UserEventT:
    """Return ``event`` with everything that the API requires: its time and its commands' times."""
    changes: dict[str, object] = {}
    now = format_time(clock.now())
    if not event.timestamp:
        changes["timestamp"] = now
    if isinstance(event, UserMessage) and event.commands:
        changes["commands"] = {
            name: command if command.modified_at else command.model_copy(update={"modified_at": now})
            for name, command in event.commands.items()
        }
    if isinstance(event, ToolResults):
        changes["tool_results"] = tuple(_without_surrogates(result) for result in event.tool_results)
    return cast("_UserEventT", event.model_copy(update=changes))


def _without_surrogates(result: ToolResult) -> ToolResult:
    return result.model_copy(update={"content": scrub_surrogates(result.content)})
