"""Offering a write again and again to a server that does not take it for now.

Owns the wait between a refusal and the next attempt, and that nothing is sent again before somebody has
looked whether it landed after all: a proxy may answer a refusal although it has passed the request on.
"""

from collections.abc import Awaitable, Callable, Collection
from typing import TypeVar

from neo_mcp.api.clock import Clock
from neo_mcp.api.retry import patient_delay
from neo_mcp.errors import ApiError, NeoError, RateLimitedError

CONFLICT = 409
FOR_NOW = frozenset({425, 429})
"""Too early, and too many requests: statuses that say nothing of the request itself."""

_T = TypeVar("_T")


async def nobody_looks() -> None:
    """Stand in for ``landed`` where there is no way to find out."""


async def offer(
    send: Callable[[], Awaitable[_T]],
    *,
    refusals: Collection[int],
    seconds: float,
    clock: Clock,
    landed: Callable[[], Awaitable[_T | None]] = nobody_looks,
) -> _T:
    """Send; after a refusal wait as told, look whether it landed all the same, and send again.

    Args:
        send: Makes one attempt.
        refusals: Statuses after which it may be sent again.
        seconds: For how long. A server that asks for a longer wait than is left is not asked again.
        clock: Time, sleep and chance.
        landed: Looks; ``None`` if it has not landed. Where looking fails, nothing is sent, and it is
            asked again later.

    Returns:
        What ``send`` returned, or what ``landed`` found.

    Raises:
        NeoError: What ``send`` raised; the last refusal if the time is over.
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
        told = refusal.retry_after if isinstance(refusal, RateLimitedError) else None
        knows = False
        while not knows:
            attempt += 1
            left = deadline - clock.monotonic()
            over = left <= 0 or (told or 0.0) > left
            if not over:
                await clock.sleep(min(left, max(told or 0.0, patient_delay(attempt, clock.jitter()))))
            try:
                found = await landed()
                knows = True
            except NeoError:
                found = None
            if found is not None:
                return found
            if over:
                raise refusal
