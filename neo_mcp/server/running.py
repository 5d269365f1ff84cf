"""What runs, and for whom a request is served in it.

Owns how a request is led to its world and its permit: over HTTP its scope carries both, since many callers
share the server; elsewhere there is one caller, the operator.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR

from neo_mcp.server.call import App
from neo_mcp.server.tenants.permits import Permit
from neo_mcp.server.tenants.tenants import Identities, World

WORLD, PERMIT = "neo_mcp.world", "neo_mcp.permit"
"""Where an HTTP request's scope carries its :class:`World` and its :class:`Permit`."""


@dataclass(frozen=True, slots=True, eq=False)
class Running:
    """What lives between the server's start and its end.

    Attributes:
        operator: The world of the operator's own token; ``None`` if everybody brings their own.
    """

    identities: Identities
    operator: World | None


Context = ServerRequestContext[Running, Any]


def world_of(ctx: Context) -> World:
    """The world of whoever sent this request.

    Only a request over HTTP says whose it is; without saying, it is the operator's, if there is one.
    """
    world: World | None = _scope(ctx).get(WORLD) or ctx.lifespan_context.operator
    if world is None:
        raise MCPError(INTERNAL_ERROR, "It is not known whose request this is.")
    return world


def app_of(ctx: Context) -> App:
    """The application that serves whoever sent this request."""
    return world_of(ctx).app


def permit_of(ctx: Context) -> Permit:
    """The permit that a request is served under: its own over HTTP, else its world's."""
    permit: Permit = _scope(ctx).get(PERMIT) or world_of(ctx).permit
    return permit


def _scope(ctx: Context) -> Mapping[str, Any]:
    return ctx.request.scope if ctx.request is not None else {}
