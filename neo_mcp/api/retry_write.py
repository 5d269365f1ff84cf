"""Retry writes that the server refuses for now, after checking whether they landed.

Owns the wait between a refusal and the next attempt, and the check before each attempt whether the write
landed after all: a proxy may answer with a refusal although it has passed the request on.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import count
from typing import Generic, TypeVar

from neo_mcp.api.retry import FailureKind, kind_of_status, patient_delay
from neo_mcp.clock import Clock
from neo_mcp.errors import ApiError, ConflictError, NeoError, RateLimitedError

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class WriteRetry(Generic[_T]):
    """The rule by which one write is retried.

    Attributes:
        clock: Time, sleep and chance.
        seconds: Time for all attempts. If the server asks for a longer wait than is left, there is no further
            attempt.
        landed: Checks whether an attempt landed; returns its result, or ``None`` if not. If the check fails,
            nothing is sent, and the check is repeated later.
        while_busy: Whether to retry after a conflict (409), too.
    """

    clock: Clock
    seconds: float
    landed: Callable[[], Awaitable[_T | None]] | None = None
    while_busy: bool = False

    async def run(self, send: Callable[[], Awaitable[_T]]) -> _T:
        """Send; after a refusal wait, check whether it landed all the same, and send again.

        Raises:
            NeoError: The error of ``send``; the last refusal if the time is over.
        """
        deadline = self.clock.monotonic() + self.seconds
        attempts = count(1)
        while True:
            try:
                return await send()
            except ApiError as error:
                if not self._is_refusal(error):
                    raise
                refusal = error
            is_checked = False
            while not is_checked:
                is_over = not await self._wait(refusal, next(attempts), deadline - self.clock.monotonic())
                is_checked, result = await self._check()
                if result is not None:
                    return result
                if is_over:
                    raise refusal

    def _is_refusal(self, error: ApiError) -> bool:
        if isinstance(error, ConflictError) and self.while_busy:
            return True
        return kind_of_status(error.status) is FailureKind.REFUSED

    async def _wait(self, refusal: ApiError, attempt: int, remaining: float) -> bool:
        """Wait until the next attempt; return false at once if there is no time for one."""
        asked = refusal.retry_after if isinstance(refusal, RateLimitedError) else None
        if remaining <= 0 or (asked or 0.0) > remaining:
            return False
        delay = max(asked or 0.0, patient_delay(attempt, self.clock.jitter()))
        await self.clock.sleep(min(remaining, delay))
        return True

    async def _check(self) -> tuple[bool, _T | None]:
        """Return whether the check was possible, and the result of an attempt that landed."""
        if self.landed is None:
            return True, None
        try:
            return True, await self.landed()
        except NeoError:
            return False, None
