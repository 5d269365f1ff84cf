"""The last result of a wait, for others that wait for the same: an event answers hundreds at one moment.

Owns what a result on one task depends on. What it does not name is the same for all callers of a service.
"""

from dataclasses import dataclass
from typing import Self

from neo_mcp.core.reported import Reported
from neo_mcp.service.inputs import WaitInput
from neo_mcp.service.results import WaitResult
from neo_mcp.service.writes.local_results import Progress
from neo_mcp.watch import News, Reader


@dataclass(frozen=True, slots=True)
class Basis:
    """All that a result depends on.

    Attributes:
        second: The time, in whole seconds: some of a result's words say how long ago something was.
    """

    args: WaitInput
    matched: bool
    event_id: str
    reported: Reported
    news: News
    events: int
    may_go_on: bool
    announced_here: frozenset[str]
    progress: Progress
    second: int

    @classmethod
    def of(
        cls, args: WaitInput, reader: Reader, news: News, progress: Progress, *, matched: bool, now: float
    ) -> Self:
        """The basis of the result for ``reader``, at ``now`` seconds of a monotonic clock."""
        return cls(
            args=args,
            matched=matched,
            event_id=reader.event_id,
            reported=reader.reported,
            news=news,
            events=reader.watcher.log.state.events,
            may_go_on=reader.may_go_on,
            announced_here=reader.watcher.announced_here,
            progress=progress,
            second=int(now),
        )


class LastWait:
    """The last result, and its basis."""

    def __init__(self) -> None:
        self._last: tuple[Basis, WaitResult] | None = None

    def get(self, basis: Basis) -> WaitResult | None:
        """The last result, if it has this basis."""
        return self._last[1] if self._last is not None and self._last[0] == basis else None

    def put(self, basis: Basis, result: WaitResult) -> None:
        """Replace it."""
        self._last = (basis, result)
