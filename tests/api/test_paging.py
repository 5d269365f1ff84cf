"""Following a task by pages, where there is no stream."""

from neo_mcp.api.paging import EventPages, Polling, poll
from neo_mcp.api.stream import Patience, StreamState, StreamStatus
from neo_mcp.errors import ServerError
from neo_mcp.wire import AssistantMessage, Event, EventPage, Task
from tests.api.support import FakeClock


async def test_after_a_passing_failure_it_says_that_pages_come_again() -> None:
    events = [Event(id=f"e{number}", body=AssistantMessage(content="Hm.")) for number in range(2)]
    looks = iter([Task(id="t", status="running"), None, Task(id="t", status="idle")])
    told: list[StreamStatus] = []

    async def get_task() -> Task:
        task = next(looks)
        if task is None:
            raise ServerError("Out for a moment.", status=503)
        return task

    async def get_page(_: str | None) -> EventPage:
        return EventPage(events=tuple(events))

    clock = FakeClock()
    polling = Polling(EventPages(get_page), get_task, lambda task: task.is_running, told.append)
    patience = Patience(300.0, clock)
    got = [
        batch
        async for batch in poll(polling, last_event_id="", is_known=None, patience=patience, clock=clock)
    ]
    assert got == [events]
    assert [status.state for status in told] == [
        StreamState.PAGING,
        StreamState.RETRYING,
        StreamState.PAGING,
    ]


async def test_an_event_that_a_page_names_twice_is_yielded_once() -> None:
    event = Event(id="e0", body=AssistantMessage(content="Hm."))

    async def get_task() -> Task:
        return Task(id="t", status="idle")

    async def get_page(_: str | None) -> EventPage:
        return EventPage(events=(event, event))

    clock = FakeClock()
    polling = Polling(EventPages(get_page), get_task, lambda _: False, lambda _: None)
    events = poll(
        polling, last_event_id="", is_known=lambda _: False, patience=Patience(300.0, clock), clock=clock
    )
    assert [batch async for batch in events] == [[event]]
