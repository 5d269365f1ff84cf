"""Track the requests that the service may still answer itself, and for how long.

Owns the grace period of a task's new requests, and the task's approval mode as far as known. The request
comes first and its confirmation a moment later, so that only time shows whether a person is needed. If the
mode cannot be read, a request counts at once.
"""

from collections.abc import Awaitable, Callable

import anyio
import anyio.abc

from neo_mcp.clock import Clock
from neo_mcp.core.attention import RESOLVE_SECONDS, may_resolve_itself
from neo_mcp.core.held import preview_of
from neo_mcp.errors import NeoError
from neo_mcp.wire import Task, UserApprovalRequest

MODE_SECONDS = 60.0
"""Seconds for which a task's mode from the API is valid: other clients change it without an event."""


_MAX_WORD = 100
"""Maximum characters of a mode that are stored."""

MAX_PERIODS = 1000
"""Maximum grace periods at a time; beyond them, a request counts at once."""


class Resolving:
    """The grace periods of one task's requests."""

    def __init__(self, clock: Clock, ask: Callable[[], Awaitable[Task]], changed: Callable[[], None]) -> None:
        """Start without new requests.

        Args:
            clock: Time.
            ask: Reads the task from the API.
            changed: Called when a request begins to count without an event.
        """
        self._clock = clock
        self._ask = ask
        self._changed = changed
        self._open: dict[str, tuple[UserApprovalRequest, float]] = {}
        self._periods = 0
        self._changes = 0
        self._mode: str | None = None
        self._learned_at: float | None = None
        self._lock = anyio.Lock()
        self._background: anyio.abc.TaskGroup | None = None

    def use(self, background: anyio.abc.TaskGroup | None) -> None:
        """Announce the ends of grace periods in ``background``; ``None`` announces none."""
        self._background = background

    def learn(self, task: Task) -> None:
        """Record the mode of a task that was read just now: by that, some requests count at once."""
        self._mode = task.approval_mode and task.approval_mode[:_MAX_WORD]
        self._learned_at = self._clock.monotonic()
        for request, _ in list(self._open.values()):
            if not may_resolve_itself(request, self._mode):
                self._forget(request.id)
                self._changed()

    def arrived(self, request: UserApprovalRequest, age: float = 0.0) -> None:
        """Record a request that is this many seconds old by now; 0 for one that was pushed."""
        # Its body is stored by the task's state alone.
        request = preview_of(request)
        seconds = min(RESOLVE_SECONDS - age, RESOLVE_SECONDS)
        self._changes += 1
        has_space = max(self._periods, len(self._open)) < MAX_PERIODS
        if seconds <= 0 or not has_space or (self._is_known and not may_resolve_itself(request, self._mode)):
            self._open.pop(request.id, None)
            return
        due = self._clock.monotonic() + seconds
        self._open[request.id] = request, due
        if self._background is not None:
            self._periods += 1
            self._background.start_soon(self._announce, request, due)

    @property
    def changes(self) -> int:
        """A number that changes whenever a request begins or ceases to count."""
        if self._open:
            now = self._clock.monotonic()
            for request_id in [key for key, (_, due) in self._open.items() if due <= now]:
                self._forget(request_id)
        return self._changes

    def has(self, request_id: str) -> bool:
        """True if the service may still answer the request itself."""
        return request_id in self._open

    @property
    def is_asking(self) -> bool:
        """True if the mode, which decides about open requests, is being read from the API."""
        return bool(self._open) and not self._is_known and self._background is not None

    def _forget(self, request_id: str) -> None:
        self._changes += self._open.pop(request_id, None) is not None

    @property
    def _is_known(self) -> bool:
        learned = self._learned_at
        return learned is not None and self._clock.monotonic() - learned < MODE_SECONDS

    async def _announce(self, request: UserApprovalRequest, due: float) -> None:
        """Wait for the end of the period, or until it is clear that there is none."""
        try:
            async with anyio.create_task_group() as waiting:
                waiting.start_soon(self._ask_mode, waiting.cancel_scope)
                await self._clock.sleep(max(due - self._clock.monotonic(), 0.0))
                waiting.cancel_scope.cancel()
        finally:
            self._periods -= 1
        # Unless it was requested anew meanwhile.
        if self._open.get(request.id, (request, due))[1] == due:
            self._forget(request.id)
            self._changed()

    async def _ask_mode(self, period: anyio.CancelScope) -> None:
        async with self._lock:
            if self._is_known:
                return
            try:
                self.learn(await self._ask())
            except NeoError:
                period.cancel()
            else:
                self._changed()
