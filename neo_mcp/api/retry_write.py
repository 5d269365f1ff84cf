"""Retry writes that the server refuses for now, after checking whether they landed.

Owns the wait between a refusal and the next attempt, and the check before each attempt whether the write
landed after all: a proxy may answer with a refusal although it has passed the request on.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
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
        attempt = 0
        while True:
            try:
                return await send()
            except ApiError as error:
                is_busy = self.while_busy and isinstance(error, ConflictError)
                if not is_busy and kind_of_status(error.status) is not FailureKind.REFUSED:
                    raise
                refusal = error
            retry_after = refusal.retry_after if isinstance(refusal, RateLimitedError) else None
            knows = False
            while not knows:
                attempt += 1
                left = deadline - self.clock.monotonic()
                over = left <= 0 or (retry_after or 0.0) > left
                if not over:
                    delay = max(retry_after or 0.0, patient_delay(attempt, self.clock.jitter()))
                    await self.clock.sleep(min(left, delay))
                try:
                    result = await self.landed() if self.landed else None
                    knows = True
                except NeoError:
                    result = None
                if result is not None:
                    return result
                if over:
                    raise refusal
