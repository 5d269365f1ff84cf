"""Task handles of the MCP Tasks extension (`io.modelcontextprotocol/tasks`): who gets one, and what it is.

A handle is a sealed token that holds everything about it, so nothing is stored for it: any process
with the same key and access token serves it, also after a restart. It is as unguessable as the key, and bound
to the identity that it was made for. The state of its turn is read from the Neo API each time, by
:mod:`neo_mcp.server.mcp_tasks.status`.

Source: the extension's text, sections "Capability Negotiation", "Task Creation", "Protocol Errors" and
"Security Considerations".
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, MISSING_REQUIRED_CLIENT_CAPABILITY
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from neo_mcp.core.attention import AttentionKind
from neo_mcp.server.call import App
from neo_mcp.server.seal import SealBrokenError

EXTENSION = "io.modelcontextprotocol/tasks"

TTL_SECONDS = 7 * 24 * 3600
"""Seconds for which a handle is valid: longer than a weekend, as an approval waits until a person is back.
Not for ever, as the requests that were answered have to be remembered for as long."""

POLL_MS = 3000

_PURPOSE = "task"
_NOT_FOUND = "Failed to retrieve task: Task not found"
_EXPIRED = "Failed to retrieve task: Task has expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Handle:
    """A turn of a Neo task that a client waits for.

    Attributes:
        organization: The Neo task's organization.
        task_id: The Neo task.
        base: Id of the last event before the turn, or of the turn, when the handle was made; empty for none.
        after: Id of the last event that the caller has seen; empty for none.
        is_new: Whether create_task made it: the turn is then the handle's own, and ends with it.
        asked: The needs that are put to a person through the handle.
        budget: Tokens of the result, or ``None`` for the server's default.
        kinds: Types of events that the result reports; none for all.
        warnings: Warnings of create_task.
        created: When it was made, in seconds since 1970.
        id: The sealed token.
    """

    organization: str
    task_id: str
    base: str = ""
    after: str = ""
    is_new: bool = False
    asked: frozenset[AttentionKind] = frozenset()
    budget: int | None = None
    kinds: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    created: float
    id: str = ""

    def sealed(self, app: App) -> "Handle":
        """The same with its token, which goes into headers: URL-safe, and short for what it holds."""
        content = {
            "o": self.organization,
            "t": self.task_id,
            "b": self.base,
            "a": self.after,
            "n": int(self.is_new),
            "q": sorted(self.asked),
            "s": self.budget,
            "k": self.kinds,
            "w": self.warnings,
            "c": self.created,
        }
        short = {key: value for key, value in content.items() if value}
        return replace(self, id=app.seal.close(_PURPOSE, app.identity, short))

    @property
    def created_at(self) -> datetime:
        """When it was made."""
        return datetime.fromtimestamp(self.created, UTC)


def open_handle(app: App, token: str) -> Handle:
    """The handle behind ``token``.

    Raises:
        MCPError: Invalid parameters, if it is none of this identity's, whatever the reason, or has expired.
    """
    try:
        content = app.seal.open(_PURPOSE, app.identity, token)
    except SealBrokenError:
        raise MCPError(INVALID_PARAMS, _NOT_FOUND) from None
    handle = Handle(
        organization=content["o"],
        task_id=content["t"],
        base=content.get("b", ""),
        after=content.get("a", ""),
        is_new=bool(content.get("n")),
        asked=frozenset(map(AttentionKind, content.get("q", ()))),
        budget=content.get("s"),
        kinds=tuple(content.get("k", ())),
        warnings=tuple(content.get("w", ())),
        created=content["c"],
        id=token,
    )
    if time_of(app) > handle.created + TTL_SECONDS:
        raise MCPError(INVALID_PARAMS, _EXPIRED)
    return handle


def time_of(app: App) -> float:
    """The time, in seconds since 1970, as exact as it is written."""
    return round(app.tasks.client.clock.now().timestamp(), 3)


def declares_tasks(ctx: ServerRequestContext[Any, Any]) -> bool:
    """True if the client declared the extension on this very request; earlier requests do not count."""
    capabilities = ctx.session.client_capabilities
    return (
        ctx.protocol_version in MODERN_PROTOCOL_VERSIONS
        and capabilities is not None
        and EXTENSION in (capabilities.extensions or {})
    )


def require_tasks(ctx: ServerRequestContext[Any, Any]) -> None:
    """Refuse clients without the extension.

    Raises:
        MCPError: Missing required client capability, naming it.
    """
    if not declares_tasks(ctx):
        raise missing({"extensions": {EXTENSION: {}}})


def missing(capabilities: dict[str, Any]) -> MCPError:
    """The error for a request that needs these capabilities of its client."""
    return MCPError(
        MISSING_REQUIRED_CLIENT_CAPABILITY,
        "Missing required client capability",
        {"requiredCapabilities": capabilities},
    )
