"""A task's events by pages, and by asking again and again for servers that have no stream.

Owns the pace, and the position in the pages. Polling yields the same sequence as
:mod:`neo_mcp.api.stream`.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from neo_mcp.api.pages import PageChain
from neo_mcp.api.stream import Patience, Seen, StreamState, StreamStatus, is_passing
from neo_mcp.clock import Clock
from neo_mcp.errors import BadRequestError, NeoError, RateLimitedError
from neo_mcp.wire import Event, EventPage, Task
from neo_mcp.wire.ids import MAX_ID

PACE = 2.0
"""Seconds between two polls of a task."""

_SEQUENCE_ID = "seq-"


async def one_by_one(batches: AsyncGenerator[Sequence[Event], None]) -> AsyncGenerator[Event, None]:
    """Yield the events of ``batches``, and close them at the end."""
    events: Sequence[Event]
    event: Event | None
    async with aclosing(batches):
        async for events in batches:
            for event in events:
                yield event
            events, event = (), None  # noqa: PLW2901 - gone before the next ones come, maybe a page as well


class EventPages:
    """A task's pages; every reading begins with the page at which the last one ended, which may have grown.

    Args:
        get_page: Fetches the page that a continuation token names, or the first for ``None``.
    """

    def __init__(self, get_page: Callable[[str | None], Awaitable[EventPage]]) -> None:
        self._get_page = get_page
        self._token: str | None = None

    async def read(self) -> AsyncGenerator[tuple[Event, ...], None]:
        """Yield the events from that page on, oldest first; stop where the server names a page again.

        A page's events come together. They are to be let go before the next ones are asked for.
        """
        page: EventPage | None = await self._last_page()
        chain = PageChain()
        while page is not None:
            yield page.events
            token = chain.follow(page)
            # Gone before the next one comes: either may be as large as an answer can be.
            page = None
            if token is not None and token != self._token:
                self._token = token
                page = await self._get_page(token)

    async def _last_page(self) -> EventPage:
        """The page at which the last reading ended; the first one where the server has forgotten it."""
        try:
            return await self._get_page(self._token)
        except BadRequestError:
            if self._token is None:
                raise
        self._token = None
        return await self._get_page(None)


@dataclass(frozen=True, slots=True)
class Polling:
    """The part of the client that polling takes.

    Attributes:
        pages: The task's pages.
        get_task: Asks for the task's present state.
        is_open: Whether more can be expected of a task in this state.
        report: Takes every change of the connection.
    """

    pages: EventPages
    get_task: Callable[[], Awaitable[Task]]
    is_open: Callable[[Task], bool]
    report: Callable[[StreamStatus], None]


async def poll(
    polling: Polling,
    *,
    last_event_id: str,
    is_known: Callable[[str], bool] | None,
    patience: Patience,
    clock: Clock,
) -> AsyncGenerator[list[Event], None]:
    """Every event after ``last_event_id`` once, until the task has ended and none are left.

    Raises:
        NeoError: If the first poll fails, or a later one with an error that is not temporary.
        StreamLostError: If there was no progress for too long.
    """
    seen = Seen(is_known)
    after = _sequence(last_event_id)
    looked = False
    polling.report(StreamStatus(StreamState.PAGING))
    while True:
        delay = PACE
        try:
            # The task first: what it did before it ended is in the pages that are fetched afterwards.
            ended = not polling.is_open(await polling.get_task())
            async with aclosing(polling.pages.read()) as pages:
                async for events in pages:
                    seen.begin_batch()
                    new = [e for e in events if seen.add(e.id) and not 0 <= _sequence(e.id) <= after]
                    events = ()  # noqa: PLW2901 - let go before the next page comes
                    if new:
                        yield new
                    new = []
            looked = True
            if patience.failures:
                polling.report(StreamStatus(StreamState.PAGING))
            patience.progress()
            if ended:
                return
        except NeoError as error:
            if not looked or not is_passing(error):
                raise
            asked = error.retry_after if isinstance(error, RateLimitedError) else None
            delay = patience.next_delay(str(error), asked)
            polling.report(StreamStatus(StreamState.RETRYING, patience.failures, str(error)))
        await clock.sleep(delay)


def _sequence(event_id: str) -> int:
    """The number in the id of an event of the first generation; -1 for any other id."""
    digits = event_id.removeprefix(_SEQUENCE_ID)
    is_number = event_id.startswith(_SEQUENCE_ID) and digits.isdecimal() and len(digits) <= MAX_ID
    return int(digits) if is_number else -1
