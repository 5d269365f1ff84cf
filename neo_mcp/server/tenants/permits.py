"""Permits: what a request is served under, until its credential ends, which may be before the request does.

Owns ending what is open. A call that only reads ends at once, and its result is dropped; a call that writes
may finish what it has begun. Who issues permits and why they end is decided elsewhere
(:mod:`neo_mcp.server.http.auth`, :mod:`neo_mcp.server.http.credential_watch`,
:mod:`neo_mcp.server.tenants.tenants`).
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

import anyio
from mcp.server.context import CallNext, HandlerResult, ServerMiddleware, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_REQUEST

from neo_mcp.clock import SYSTEM_CLOCK, Clock
from neo_mcp.errors import NeoError
from neo_mcp.server.tool_results import tool_error
from neo_mcp.server.tools import TOOLS

GRACE_SECONDS = 10.0
"""Seconds for which a call that writes may run after its permit has ended."""

LISTEN = "subscriptions/listen"

_WRITES = frozenset({"tasks/update", "tasks/cancel"})

Context = ServerRequestContext[Any, Any]


class Permit:
    """Bounds what is served under one credential.

    Attributes:
        why: Why it has ended; ``None`` as long as it is good.
    """

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self.why: NeoError | None = None
        self._clock = clock
        self._scopes: dict[anyio.CancelScope, float] = {}

    def end(self, why: NeoError) -> None:
        """Cancel everything that is held under it, each after its grace; only the first end counts."""
        if self.why is None:
            self.why = why
            for scope, grace in self._scopes.items():
                self._cancel(scope, grace)

    def held(self, grace: float = 0.0) -> AbstractContextManager[anyio.CancelScope]:
        """Run the block until the permit ends, and for ``grace`` seconds more."""
        return _Held(self, grace)

    def begin(self, scope: anyio.CancelScope, grace: float) -> None:
        """Cancel ``scope`` once the permit has ended, after its grace."""
        self._scopes[scope] = grace
        if self.why is not None:
            self._cancel(scope, grace)

    def leave(self, scope: anyio.CancelScope) -> None:
        """Undo :meth:`begin`."""
        del self._scopes[scope]

    def _cancel(self, scope: anyio.CancelScope, grace: float) -> None:
        if grace > 0:
            scope.deadline = min(scope.deadline, self._clock.deadline(grace))
        else:
            scope.cancel()


class _Held:
    """A block that runs under a permit; two of them are entered for each request."""

    __slots__ = ("_grace", "_permit", "_scope")

    def __init__(self, permit: Permit, grace: float) -> None:
        self._permit = permit
        self._grace = grace
        self._scope = anyio.CancelScope()

    def __enter__(self) -> anyio.CancelScope:
        self._permit.begin(self._scope, self._grace)
        return self._scope.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._permit.leave(self._scope)
        return self._scope.__exit__(kind, error, trace)


def ended_with_permit(permit_of: Callable[[Context], Permit]) -> ServerMiddleware[Any]:
    """Answer a request with an error once its permit has ended: a middleware of the SDK's server.

    Args:
        permit_of: Knows the permit that a request is served under.
    """

    async def serve(ctx: Context, call_next: CallNext) -> HandlerResult:
        permit = permit_of(ctx)
        writes = _writes(ctx)
        result: HandlerResult = None
        # A listen stream ends by itself, and in its own way.
        with permit.held(GRACE_SECONDS if writes or ctx.method == LISTEN else 0.0) as scope:
            result = await call_next(ctx)
        if permit.why is None or not (scope.cancelled_caught or _is_reading(ctx)):
            return result
        text = str(permit.why)
        if writes and ctx.method == "tools/call":
            text += " What this call had begun may have been done: check with get_task before you repeat it."
        if ctx.method == "tools/call":
            return tool_error(text)
        raise MCPError(INVALID_REQUEST, text)

    return serve


def _writes(ctx: Context) -> bool:
    """True if the request may change something."""
    if ctx.method != "tools/call":
        return ctx.method in _WRITES
    name = (ctx.params or {}).get("name")
    tool = TOOLS.get(name) if isinstance(name, str) else None
    return tool is not None and not tool.read_only


def _is_reading(ctx: Context) -> bool:
    """True if the result is data of a task, which is not for a caller whose permit has ended."""
    return ctx.method != LISTEN and not _writes(ctx)
