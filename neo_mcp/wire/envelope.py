"""Events: a body in its envelope, read from JSON.

Owns :func:`parse_event`, which never fails: an event of a type or shape unknown here becomes
:class:`UnknownBody`, bytes that are not an event become :class:`Unreadable`, and both keep their position in
the order of events.
"""

import hashlib
import json

from pydantic import AliasChoices, Field, ValidationError

from neo_mcp.wire.base import CamelModel, Lenient, Text, WireModel
from neo_mcp.wire.decode import decode_json, may_hold_token
from neo_mcp.wire.events import EventBody, Unreadable
from neo_mcp.wire.ids import MAX_ID, Id


class UserInfo(CamelModel, extra="ignore"):
    """The public name of a user; nothing else about them is stored."""

    name: Text = ""
    github_login: Text = ""


class Event(WireModel):
    """One event of a task, in its envelope.

    Attributes:
        id: Opaque and unique; never compare two by order.
        type: ``agentResponse`` or ``userInput``.
        is_synthetic: Whether the service itself created it.
        timestamp_estimated: Whether the body had no time and was given that of the event before.
        actor: The user who sent it, where the API says so.
        body: What happened.
    """

    id: Id = Field(min_length=1)
    type: Lenient[str] = "agentResponse"
    is_synthetic: Lenient[bool] = Field(
        default=False,
        validation_alias=AliasChoices("isSynthetic", "is_synthetic"),
        serialization_alias="isSynthetic",
    )
    timestamp_estimated: Lenient[bool] = Field(
        default=False, alias="timestampEstimated", exclude_if=lambda value: not value
    )
    actor: Lenient[UserInfo | None] = Field(default=None, exclude_if=lambda actor: actor is None)
    body: EventBody = Field(
        validation_alias=AliasChoices("eventBody", "body"), serialization_alias="eventBody"
    )

    @property
    def from_person(self) -> bool:
        """True if a person, rather than Neo, caused the event."""
        return self.type == "userInput"


def parse_event(data: str | bytes, *, fallback_id: str = "") -> Event:
    """Read one event from its JSON text.

    Args:
        data: The envelope as JSON.
        fallback_id: The id that the transport gave, used where the envelope has none.

    Returns:
        The event; :class:`Unreadable` if ``data`` is not one.
    """
    raw = data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass")
    if not may_hold_token(raw):
        try:
            return Event.model_validate_json(raw)
        except ValueError:
            pass  # The slow path reports why it is invalid.
    try:
        return read_event(decode_json(raw), fallback_id=fallback_id)
    except ValueError as error:
        return unreadable_event(fallback_id or _synthetic_id(raw), f"{len(raw):,} bytes: {error}")


def parse_plain_event(data: bytes) -> Event | None:
    """Read one event for which :func:`~neo_mcp.wire.decode.is_plain` holds.

    Returns:
        ``None`` if it takes :func:`parse_event` to read it.
    """
    try:
        event: Event = Event.__pydantic_validator__.validate_json(data)
    except ValueError:
        return None
    return event


def read_event(raw: object, *, fallback_id: str = "") -> Event:
    """Read one event from what :func:`decode_json` returned; :class:`Unreadable` if it is not one."""
    event_id = raw.get("id") if isinstance(raw, dict) else None
    if not isinstance(event_id, str) or not 0 < len(event_id) <= MAX_ID:
        event_id = fallback_id or _synthetic_id(json.dumps(raw, sort_keys=True).encode())
    if not isinstance(raw, dict):
        return unreadable_event(event_id, f"a JSON {type(raw).__name__} in place of an event")
    try:
        return Event.model_validate({**raw, "id": event_id})
    except ValidationError:
        return unreadable_event(event_id, "an envelope that is not an event's")


def unreadable_event(event_id: str, reason: str) -> Event:
    """A marker at the position of an event that could not be read."""
    return Event(id=event_id, body=Unreadable(reason=reason))


def _synthetic_id(raw: bytes) -> str:
    """An id made from the bytes, so that a replayed unreadable event is recognised."""
    return f"unreadable-{hashlib.blake2s(raw, digest_size=8).hexdigest()}"
