"""Retry writes that the server refuses for now, after checking whether they landed.

Owns the wait between a refusal and the next attempt, and the check before each attempt whether the write
landed after all: a proxy may answer with a refusal although it has passed the request on.
"""

from collections.abc import Awaitable, Callable, Collection
from typing import TypeVar

from neo_mcp.api.retry import patient_delay
from neo_mcp.clock import Clock
from neo_mcp.errors import ApiError, NeoError, RateLimitedError

CONFLICT = 409
FOR_NOW = frozenset({425, 429})
"""Statuses (425, 429) that say nothing about the request itself."""

_T = TypeVar("_T")


async def nobody_looks() -> None:
    """Stand in for ``landed`` where no check is possible."""


async def offer(
    send: Callable[[], Awaitable[_T]],
    *,
    refusals: Collection[int],
    seconds: float,
    clock: Clock,
    landed: Callable[[], Awaitable[_T | None]] = nobody_looks,
) -> _T:
    """Send; after a refusal wait, check whether it landed all the same, and send again.

    Args:
        send: Makes one attempt.
        refusals: Statuses after which it may be sent again.
        seconds: Time for all attempts. If the server asks for a longer wait than is left, there is no further
            attempt.
        clock: Time, sleep and chance.
        landed: Checks whether it landed; ``None`` if not. If the check fails, nothing is sent, and the check
            is repeated later.

    Returns:
        The result of ``send``, or of ``landed``.

    Raises:
        NeoError: The error of ``send``; the last refusal if the time is over.
    """
    deadline = clock.monotonic() + seconds
    attempt = 0
    while True:
        try:
            return await send()
        except ApiError as error:
            if error.status not in refusals:
                raise
            refusal = error
        retry_after = refusal.retry_after if isinstance(refusal, RateLimitedError) else None
        knows = False
        while not knows:
            attempt += 1
            left = deadline - clock.monotonic()
            over = left <= 0 or (retry_after or 0.0) > left
            if not over:
                await clock.sleep(min(left, max(retry_after or 0.0, patient_delay(attempt, clock.jitter()))))
            try:
                result = await landed()
                knows = True
            except NeoError:
                result = None
            if result is not None:
                return result
            if over:
                raise refusal
