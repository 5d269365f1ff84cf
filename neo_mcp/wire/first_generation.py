"""The first generation of the API, translated to the second's terms.

Owns the shapes that differ: flat create bodies, entities as ``{type, id}``, tasks answered whole, events
with a sequence number in place of an id. Nothing outside :mod:`neo_mcp.api` needs to know which one a
server speaks.
"""

from typing import Any

from pydantic import Field

from neo_mcp.wire.base import CamelModel, WireModel
from neo_mcp.wire.entities import Entity, PolicyIssue, PullRequest, Repository, Stack
from neo_mcp.wire.events import AssistantMessage, Event, EventBody, UnknownBody, UserConfirmation, UserMessage
from neo_mcp.wire.tasks import EventPage

CONSOLE_OUTPUT = "console_output"
USER_INPUT = "user_input"


class FlatEvent(WireModel):
    """An event of the first generation."""

    type: str = "unknown"
    timestamp: str = ""
    content: Any = ""
    sequence: int

    def to_event(self) -> Event:
        """The same event in the second generation's envelope; its id is made of the sequence number."""
        text = self.content if isinstance(self.content, str) else str(self.content)
        body: EventBody
        if self.type == CONSOLE_OUTPUT:
            body = AssistantMessage(timestamp=self.timestamp, content=text)
        elif self.type == USER_INPUT:
            body = UserMessage(timestamp=self.timestamp, content=text)
        else:
            body = UnknownBody.model_validate({**self.model_dump(), "type": self.type})
        kind = "userInput" if self.type == USER_INPUT else "agentResponse"
        return Event(id=f"seq-{self.sequence}", type=kind, body=body)


class FlatEventPage(CamelModel):
    """A page of such events."""

    events: tuple[FlatEvent, ...] = Field(default=())
    continuation_token: str | None = None

    def to_page(self) -> EventPage:
        """The page in the second generation's terms, in order of sequence."""
        ordered = sorted(self.events, key=lambda event: event.sequence)
        events = tuple(event.to_event() for event in ordered)
        return EventPage(events=events, continuation_token=self.continuation_token)


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
    """The body that answers a task: everything is plain words in this generation."""
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
