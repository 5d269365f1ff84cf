"""The application for one identity, put together: for a server, or for a person at a terminal.

Owns which parts there are. What asks people, and what seals, comes from whoever runs it.
"""

import anyio.abc

from neo_mcp.api import SYSTEM_CLOCK, Clock, NeoClient, TokenGuard
from neo_mcp.config import Settings
from neo_mcp.server.approvals import Approvals
from neo_mcp.server.call import App
from neo_mcp.server.creation import Creations
from neo_mcp.server.delivery import Deliveries
from neo_mcp.server.modes import DefaultModes
from neo_mcp.server.quotas import Quotas
from neo_mcp.server.seal import Seal
from neo_mcp.watch import Hub, Turns, Views


def assemble(
    settings: Settings,
    client: NeoClient,
    background: anyio.abc.TaskGroup,
    *,
    approvals: Approvals,
    seal: Seal,
    identity: str,
    quotas: Quotas,
    clock: Clock = SYSTEM_CLOCK,
) -> App:
    """The application of one identity; what runs beside calls belongs to ``background``."""
    return App(
        settings=settings,
        client=client,
        hub=Hub(client, background),
        approvals=approvals,
        seal=seal,
        identity=identity,
        creations=Creations(
            client,
            background,
            clock=clock,
            seconds=settings.create_timeout,
            # Who shares a key answers for others.
            has_replicas=settings.key is not None,
        ),
        default_modes=DefaultModes(client, clock=clock),
        deliveries=Deliveries(client, clock=clock, seconds=settings.call_timeout),
        turns=Turns(client),
        views=Views(client),
        quotas=quotas,
        guard=TokenGuard(settings.token),
    )
