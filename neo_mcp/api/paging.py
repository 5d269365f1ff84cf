"""A task's events by asking again and again, for servers that have no stream.

Owns the pace, and where in the pages to go on. Gives out the same sequence as :mod:`neo_mcp.api.stream`.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass

from neo_mcp.api.clock import Clock
from neo_mcp.api.stream import Patience, Seen, StreamState, StreamStatus, is_passing
from neo_mcp.errors import BadRequestError, NeoError, RateLimitedError
from neo_mcp.wire import Event, EventPage, Task

PACE = 2.0
"""Seconds between two looks at a task."""

_SEQUENCE_ID = "seq-"


@dataclass(frozen=True, slots=True)
class Pages:
    """What paging needs from the client.

    Attributes:
        get_page: Fetches the page that a continuation token names, or the first for ``None``.
        get_task: Asks for the task's present state.
        is_open: Whether more can be expected of a task in this state.
        report: Takes every change of the connection.
    """

    get_page: Callable[[str | None], Awaitable[EventPage]]
    get_task: Callable[[], Awaitable[Task]]
    is_open: Callable[[Task], bool]
    report: Callable[[StreamStatus], None]


async def page_through(
    pages: Pages,
    *,
    last_event_id: str,
    is_known: Callable[[str], bool] | None,
    patience: Patience,
    clock: Clock,
) -> AsyncGenerator[Event, None]:
    """Every event after ``last_event_id`` once, until the task has ended and none are left.

    Raises:
        NeoError: If the first look fails, or a later one in a way that time does not heal.
        StreamLostError: If there was no progress for too long.
    """
    seen = Seen(is_known)
    after = _sequence(last_event_id)
    token: str | None = None
    looked = False
    pages.report(StreamStatus(StreamState.PAGING))
    while True:
        delay = PACE
        try:
            # The task first: what it did before it ended is in the pages that are fetched afterwards.
            ended = not pages.is_open(await pages.get_task())
            while True:
                page = await _page(pages, token)
                for event in page.events:
                    if seen.add(event.id) and not 0 <= _sequence(event.id) <= after:
                        yield event
                if not page.continuation_token or page.continuation_token == token:
                    break
                token = page.continuation_token
            looked = True
            if patience.failures:
                pages.report(StreamStatus(StreamState.PAGING))
            patience.progress()
            if ended:
                return
        except NeoError as error:
            if not looked or not is_passing(error):
                raise
            asked = error.retry_after if isinstance(error, RateLimitedError) else None
            delay = patience.next_delay(str(error), asked)
            pages.report(StreamStatus(StreamState.RETRYING, patience.failures, str(error)))
        await clock.sleep(delay)


async def _page(pages: Pages, token: str | None) -> EventPage:
    """One page; the first one where the server has forgotten what ``token`` names."""
    try:
        return await pages.get_page(token)
    except BadRequestError:
        if token is None:
            raise
    return await pages.get_page(None)


def _sequence(event_id: str) -> int:
    """The number in the id of an event of the first generation; -1 for any other id."""
    digits = event_id.removeprefix(_SEQUENCE_ID)
    return int(digits) if event_id.startswith(_SEQUENCE_ID) and digits.isdecimal() else -1
