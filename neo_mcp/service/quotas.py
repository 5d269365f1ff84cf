"""Limits on a tenant's concurrent use, so that others are served as well."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from neo_mcp.errors import NeoError

ALONE, ONE_OF_SEVERAL = 800, 120
"""Default requests in flight: for the only tenant of a server, and for each of several."""


class QuotaError(NeoError):
    """Too much in use at a time."""


class Quota:
    """Counts uses of one kind.

    Attributes:
        limit: The limit.
        used: The current number.
    """

    def __init__(self, limit: int, *, what: str, next_step: str) -> None:
        """Start at zero.

        Args:
            limit: The limit.
            what: The counted thing, in the plural.
            next_step: Advice when there are too many.
        """
        self.limit = limit
        self.used = 0
        self._what = what
        self._next_step = next_step

    def take(self, count: int = 1) -> None:
        """Acquire ``count`` slots.

        Raises:
            QuotaError: If there are not enough.
        """
        if self.used + count > self.limit:
            raise QuotaError(
                f"There are {self.used} of at most {self.limit} {self._what} at a time.",
                next_step=self._next_step,
            )
        self.used += count

    def give_back(self, count: int = 1) -> None:
        """Release ``count`` slots."""
        self.used -= count

    @contextmanager
    def taken(self, count: int = 1) -> Iterator[None]:
        """Acquire ``count`` slots within this block.

        Raises:
            QuotaError: If there are not enough.
        """
        self.take(count)
        try:
            yield
        finally:
            self.give_back(count)


@dataclass(frozen=True, slots=True)
class Quotas:
    """The limits of one tenant.

    Attributes:
        requests: HTTP requests in flight, streams included.
        waits: Tasks in waits.
        streams: Streams of notifications, and their subscriptions.
        sessions: Sessions of the handshake eras.
    """

    requests: Quota
    waits: Quota
    streams: Quota
    sessions: int

    @classmethod
    def of(cls, requests: int) -> "Quotas":
        """Limits for this number of requests in flight: waits and streams leave slots for others."""
        later = "Try again when some of them are over."
        return cls(
            requests=Quota(requests, what="requests", next_step=later),
            waits=Quota(
                requests * 2 // 3,
                what="tasks waited for",
                next_step="Let some of the waits end, then wait again with the same cursor.",
            ),
            streams=Quota(
                requests // 4, what="subscriptions", next_step="End some of them before you ask for more."
            ),
            sessions=requests * 2,
        )
