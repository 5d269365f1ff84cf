"""Parse pages of tasks and events into models.

Owns how the parts of a long page are read, requests a page that is too long again with fewer items, and ends
a chain of pages. The order of pages is :mod:`neo_mcp.api.paging`.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from itertools import islice
from typing import TypeVar

from neo_mcp.api.oversized import oversized_event, synthetic_id
from neo_mcp.api.splitting import END_BYTES, OversizedItem, PageParts, own_value
from neo_mcp.errors import AnswerTooLargeError, UnexpectedResponseError
from neo_mcp.wire import (
    Event,
    EventPage,
    Task,
    TaskPage,
    Unreadable,
    parse_event,
    parse_event_page,
)
from neo_mcp.wire.first_generation import parse_flat_event_page, parse_flat_events
from neo_mcp.wire.tasks import parse_task, parse_task_page

MAX_PAGES = 10_000
"""Maximum number of pages of one reading."""

MAX_EMPTY_PAGES = 100
"""Maximum number of pages in a row without an item."""

_DEFAULT_SIZE = 100

_PageT = TypeVar("_PageT", TaskPage, EventPage)


def read_task(_: object, body: bytes) -> Task:
    """Parse one task.

    Raises:
        ValueError: If it is not one.
    """
    return Task.model_validate_json(body)


def read_tasks(body: bytes | PageParts, start: int, end: int) -> TaskPage:
    """Parse a page's tasks from number ``start`` up to number ``end``; an odd one costs only itself.

    Raises:
        ValueError: If it is not a page.
    """
    if isinstance(body, bytes):
        token, tasks = parse_task_page(body)
        tasks, is_cut = tasks[start:end], len(tasks) > end
    else:
        is_cut = len(body.items) > end
        token, _ = parse_task_page(body.rest)
        tasks = tuple(
            parse_task(item) if isinstance(item, bytes) else None for item in islice(body.take(), start, end)
        )
    page = TaskPage(tasks=tuple(filter(None, tasks)), continuation_token=token)
    gaps = tuple(position for position, task in enumerate(tasks) if task is None)
    return page.model_copy(update={"is_cut": is_cut, "unreadable": gaps})


def read_events(body: bytes | PageParts) -> EventPage:
    """Parse a page of events; one that is too large becomes :class:`~neo_mcp.wire.Unreadable`.

    Raises:
        ValueError: If it is not a page.
    """
    if isinstance(body, bytes):
        return parse_event_page(body)
    page = parse_event_page(body.rest)
    return page.model_copy(update={"events": tuple(_events(body))})


def read_flat_events(body: bytes | PageParts) -> EventPage:
    """The same for the first generation."""
    if isinstance(body, bytes):
        return parse_flat_event_page(body)
    page = parse_flat_event_page(body.rest)
    # Sorted before they are parsed, they could not be freed one by one: the large ones come last.
    oversized: list[OversizedItem] = []

    def small() -> Iterator[bytes]:
        for item in body.take():
            if isinstance(item, bytes):
                yield item
            else:
                oversized.append(item)

    events = list(parse_flat_events(small()))
    for item in oversized:
        sequence = item.value("sequence")
        event_id = f"seq-{sequence}" if sequence else synthetic_id(item.size, events[-1].id if events else "")
        events.append(oversized_event(event_id, item.size, body.max_item))
    return page.model_copy(update={"events": tuple(events)})


async def with_smaller_pages(
    get_page: Callable[[int | None], Awaitable[_PageT]], page_size: int | None
) -> _PageT:
    """A page of ``page_size`` items, or of fewer where that many are above the size limit.

    Raises:
        AnswerTooLargeError: If even a page of one item is, or the server does not go by the size.
    """
    size = page_size
    while True:
        try:
            return await get_page(size)
        except AnswerTooLargeError as error:
            if size == 1 or error.items > (size or _DEFAULT_SIZE):
                raise  # A server that sends more than requested does so again.
            # The number of items before the limit was reached.
            size = max(1, min((size or _DEFAULT_SIZE) // 2, error.items or 1))


class PageChain:
    """A chain of pages that is read in order; it ends even if the server never names a last page."""

    def __init__(self) -> None:
        self._used: set[int] = set()
        self._empty = 0

    def follow(self, page: TaskPage | EventPage) -> str | None:
        """The token of the page after ``page``; ``None`` after the last one, and if the token repeats.

        Raises:
            UnexpectedResponseError: If there are too many pages.
        """
        token = page.continuation_token
        if not token or hash(token) in self._used:
            return None
        is_empty = not (page.tasks or page.unreadable if isinstance(page, TaskPage) else page.events)
        self._empty = self._empty + 1 if is_empty else 0
        self._used.add(hash(token))
        if self._empty > MAX_EMPTY_PAGES or len(self._used) > MAX_PAGES:
            raise UnexpectedResponseError("The API names one more page after every page, without an end.")
        return token


async def task_pages(get_page: Callable[[str | None], Awaitable[TaskPage]]) -> AsyncGenerator[TaskPage, None]:
    """All pages of tasks; stops if the server names a page again."""
    chain = PageChain()
    token: str | None = None
    while True:
        page = await get_page(token)
        yield page
        token = chain.follow(page)
        if token is None:
            return


async def all_tasks(get_page: Callable[[str | None], Awaitable[TaskPage]]) -> AsyncIterator[Task]:
    """All tasks of all pages; stops if the server names a page again."""
    async for page in task_pages(get_page):
        for task in page.tasks:
            yield task


def _events(parts: PageParts) -> Iterator[Event]:
    before = ""
    for item in parts.take():
        if isinstance(item, bytes):
            event = parse_event(item)
            if isinstance(event.body, Unreadable):
                # The stream sends its id beside it.
                own_id = own_value(item[:END_BYTES], item[-END_BYTES:], "id")
                event = event.model_copy(update={"id": own_id or event.id})
        else:
            event = oversized_event(
                item.value("id") or synthetic_id(item.size, before), item.size, parts.max_item
            )
        before = event.id
        yield event
