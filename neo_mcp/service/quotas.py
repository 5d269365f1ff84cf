"""How much one identity may have at a time, so that it leaves room for the others."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from neo_mcp.errors import NeoError

ALONE, ONE_OF_SEVERAL = 800, 120
"""Requests in flight by default: for the only identity of a server, and for each of several."""


class QuotaError(NeoError):
    """Too much at a time."""


class Quota:
    """Counts what is in use of one kind.

    Attributes:
        most: How many there may be.
        used: How many there are.
    """

    def __init__(self, most: int, *, what: str, next_step: str) -> None:
        """Count from nothing.

        Args:
            most: How many there may be.
            what: What is counted, in the plural.
            next_step: What to do when there are too many.
        """
        self.most = most
        self.used = 0
        self._what = what
        self._next_step = next_step

    def take(self, count: int = 1) -> None:
        """Have ``count`` more.

        Raises:
            QuotaError: If that were too many.
        """
        if self.used + count > self.most:
            raise QuotaError(
                f"There are {self.used} of at most {self.most} {self._what} at a time.",
                next_step=self._next_step,
            )
        self.used += count

    def give_back(self, count: int = 1) -> None:
        """Have ``count`` fewer."""
        self.used -= count

    @contextmanager
    def taken(self, count: int = 1) -> Iterator[None]:
        """Have ``count`` more within this block.

        Raises:
            QuotaError: If that were too many.
        """
        self.take(count)
        try:
            yield
        finally:
            self.give_back(count)


@dataclass(frozen=True, slots=True)
class Quotas:
    """What one identity may have.

    Attributes:
        requests: HTTP requests in flight, streams included.
        waits: Tasks that are waited for.
        streams: Streams of notifications, and what is subscribed to on them.
        sessions: Sessions of the handshake eras.
    """

    requests: Quota
    waits: Quota
    streams: Quota
    sessions: int

    @classmethod
    def of(cls, requests: int) -> "Quotas":
        """What goes with so many requests in flight: besides waits and streams, there is room for others."""
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
