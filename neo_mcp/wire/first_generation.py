"""The first generation of the API, translated to the second's terms.

Owns the shapes that differ: flat create bodies, entities as ``{type, id}``, tasks answered whole, events with
a sequence number in place of an id. Only :mod:`neo_mcp.api` needs to know which one a server speaks.
"""

from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError, model_validator

from neo_mcp.wire.base import CamelModel, Lenient, Many, Text, WireModel
from neo_mcp.wire.decode import decode_json, drop_tokens
from neo_mcp.wire.entities import Entity, PolicyIssue, PullRequest, Repository, Stack
from neo_mcp.wire.envelope import Event, read_event
from neo_mcp.wire.events import UnknownBody, UserConfirmation, UserMessage
from neo_mcp.wire.ids import PageToken
from neo_mcp.wire.json_limits import PAGE
from neo_mcp.wire.tasks import EventPage

CONSOLE_OUTPUT = "console_output"
USER_INPUT = "user_input"

_SECOND_GENERATION = {CONSOLE_OUTPUT: "assistant_message", USER_INPUT: "user_message"}


class FlatEvent(WireModel):
    """An event of the first generation; any object can be read as one."""

    type: Text = "unknown"
    timestamp: Text = ""
    content: Any = ""
    sequence: Lenient[int | None] = None

    @model_validator(mode="before")
    @classmethod
    def _make_readable(cls, raw: object) -> object:
        # Not by bytes, as in the second generation: the older servers' volumes are small.
        return drop_tokens(raw) if isinstance(raw, dict) else {"content": drop_tokens(raw)}

    def to_event(self) -> Event:
        """The same event in the second generation's envelope; its id is made of the sequence number."""
        flat = self.model_dump(exclude={"sequence"})
        envelope: dict[str, object] = {"type": "userInput" if self.type == USER_INPUT else "agentResponse"}
        if self.sequence is not None:
            envelope["id"] = f"seq-{self.sequence}"
        if self.type in _SECOND_GENERATION:
            return read_event({**envelope, "eventBody": {**flat, "type": _SECOND_GENERATION[self.type]}})
        # A type that both generations have need not mean the same in both.
        event = read_event({**envelope, "eventBody": flat})
        return event.model_copy(update={"body": UnknownBody.model_validate(flat)})


class FlatEventPage(CamelModel):
    """A page of such events."""

    events: Many[FlatEvent]
    continuation_token: PageToken | None = None

    def to_page(self) -> EventPage:
        """The page in the second generation's terms, by sequence number; events without one come last."""
        return EventPage(events=_in_order(self.events), continuation_token=self.continuation_token)


def parse_flat_event_page(data: bytes) -> EventPage:
    """Read a page of first-generation events; a bad event does not affect the others.

    Raises:
        ValueError: If ``data`` is not a page at all.
    """
    try:
        return FlatEventPage.model_validate(decode_json(data, PAGE)).to_page()
    except ValidationError:
        raise ValueError("not a page of events") from None


def parse_flat_events(items: Iterable[bytes]) -> tuple[Event, ...]:
    """Read the events of such a page one by one, in order of their sequence numbers.

    Raises:
        ValueError: If one of them is not JSON.
    """
    return _in_order([FlatEvent.model_validate(decode_json(item)) for item in items])


def _in_order(events: Iterable[FlatEvent]) -> tuple[Event, ...]:
    ordered = sorted(events, key=lambda event: (event.sequence is None, event.sequence or 0))
    return tuple(event.to_event() for event in ordered)


def flat_message(message: UserMessage) -> dict[str, Any]:
    """The body that creates a task."""
    body: dict[str, Any] = {"content": message.content, "timestamp": message.timestamp}
    if message.entity_diff is not None:
        body["entity_diff"] = {
            "add": [_flat_entity(entity) for entity in message.entity_diff.add],
            "remove": [_flat_entity(entity) for entity in message.entity_diff.remove],
        }
    return body


def flat_user_input(event: UserMessage | UserConfirmation) -> dict[str, Any]:
    """The body that answers a task: in this generation, plain text only."""
    if isinstance(event, UserMessage):
        content = event.content
    else:
        content = event.instructions or ("Yes, please proceed." if event.ok else "No, please do not do that.")
    return {"event": {"type": USER_INPUT, "content": content, "timestamp": event.timestamp}}


def _flat_entity(entity: Entity) -> dict[str, str]:
    match entity:
        case Stack():
            name = f"{entity.project}/{entity.name}"
        case Repository():
            name = f"{entity.org}/{entity.name}"
        case PullRequest():
            name = f"{entity.repo.org}/{entity.repo.name}#{entity.number}"
        case PolicyIssue():
            name = entity.id
        case _:
            name = str((entity.model_extra or {}).get("id", ""))
    return {"type": entity.type, "id": name}
