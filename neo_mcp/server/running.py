"""The running server's resources, and the tenant that a request is served for.

Owns how a request is led to its tenant and its permit: over HTTP its scope carries both, since many callers
share the server; elsewhere there is one caller, the operator.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR

from neo_mcp.server.call import App
from neo_mcp.server.listen import Listeners
from neo_mcp.server.tenants.permits import Permit
from neo_mcp.server.tenants.tenants import Tenant, Tenants

TENANT, PERMIT = "neo_mcp.tenant", "neo_mcp.permit"
"""Where an HTTP request's scope carries its :class:`Tenant` and its :class:`Permit`."""


@dataclass(frozen=True, slots=True, eq=False)
class Running:
    """Everything that lives between the server's start and its end.

    Attributes:
        operator: The tenant of the operator's own token; ``None`` if all callers bring their own.
        listeners: The open subscription streams.
    """

    tenants: Tenants
    operator: Tenant | None
    listeners: Listeners


Context = ServerRequestContext[Running, Any]


def tenant_of(ctx: Context) -> Tenant:
    """The tenant of this request's caller.

    Only a request over HTTP names its tenant; others are the operator's, if there is one.
    """
    tenant: Tenant | None = _scope(ctx).get(TENANT) or ctx.lifespan_context.operator
    if tenant is None:
        raise MCPError(INTERNAL_ERROR, "It is not known whose request this is.")
    return tenant


def app_of(ctx: Context) -> App:
    """The application that serves this request's caller."""
    return tenant_of(ctx).app


def permit_of(ctx: Context) -> Permit:
    """The permit that a request is served under: its own over HTTP, else its tenant's."""
    permit: Permit = _scope(ctx).get(PERMIT) or tenant_of(ctx).permit
    return permit


def _scope(ctx: Context) -> Mapping[str, Any]:
    return ctx.request.scope if ctx.request is not None else {}
