"""The context of a request handler: the tenant's services, and the call that it serves."""

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mcp.server.context import ServerRequestContext
from mcp_types import CallToolRequestParams

from neo_mcp.core.sanitize import one_line
from neo_mcp.errors import NeoError
from neo_mcp.server.seal import Seal
from neo_mcp.service.acting import Acting
from neo_mcp.service.approvals.used_answers import Ledger
from neo_mcp.service.tasks import TaskService

if TYPE_CHECKING:
    from neo_mcp.server.elicitation import HostAsker
    from neo_mcp.service.commands.wait import Progress

_MAX_PROGRESS = 2000
"""Characters of a progress notification."""


@dataclass(frozen=True, slots=True)
class App:
    """Everything of one tenant that lives as long as the server runs.

    Attributes:
        tasks: What commands need.
        seal: Protects state that a client stores for the server; what is sealed is bound to ``identity``.
        identity: Names the principal and token; opaque, the same in every process.
        used_answers: Answers of people that were used.
        acting: Names the user whom the server acts as, where that is a surprise.
    """

    tasks: TaskService
    seal: Seal
    identity: str
    used_answers: Ledger
    acting: Acting

    def stop(self, why: NeoError) -> None:
        """End every wait with ``why``, and give creations under way a last moment; for the end."""
        self.tasks.stop(why)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool."""

    app: App
    ctx: ServerRequestContext[Any, Any]
    params: CallToolRequestParams

    @property
    def tasks(self) -> TaskService:
        """The tenant's tasks."""
        return self.app.tasks

    @property
    def asker(self) -> "HostAsker":
        """Asks the person at the host that sent the call."""
        from neo_mcp.server.elicitation import HostAsker  # noqa: PLC0415 - most calls ask no one

        return HostAsker(self.ctx, self.params, self.app.used_answers)

    @property
    def on_progress(self) -> "Progress | None":
        """Sends progress notifications; ``None`` if the host wants none."""
        ctx, steps = self.ctx, itertools.count(1)
        is_requested = ctx.meta is not None and "progress_token" in ctx.meta
        # Within a process, progress is reported without a token; over HTTP, leaving it out saves time.
        if ctx.request is not None and not is_requested:
            return None

        async def report(text: str) -> None:
            await ctx.session.report_progress(next(steps), None, one_line(text, _MAX_PROGRESS))

        return report
