"""The bounded log against a plain list: what is held is exact, what is missing is counted."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from neo_mcp.core.held import text_bytes
from neo_mcp.watch import EventLog
from neo_mcp.wire import AssistantMessage, Event

IDS = [f"e{number}" for number in range(30)]
APPENDED = st.lists(st.tuples(st.sampled_from(IDS), st.integers(0, 400)), max_size=60)


def event(event_id: str, size: int) -> Event:
    return Event(id=event_id, body=AssistantMessage(content="x" * size))


def filled(appended: list[tuple[str, int]], **bounds: int) -> tuple[EventLog, list[Event]]:
    """A log, and the events that it has taken."""
    log = EventLog(**bounds)
    model: list[Event] = []
    for event_id, size in appended:
        new = event(event_id, size)
        added = log.append(new)
        assert added == (event_id not in {known.id for known in model})
        if added:
            model.append(new)
    return log, model


@given(appended=APPENDED, max_events=st.integers(1, 12), max_bytes=st.integers(0, 2000))
def test_readers_get_what_came_after_their_cursor_or_its_newest_part_and_a_count_of_the_rest(
    appended: list[tuple[str, int]], max_events: int, max_bytes: int
) -> None:
    log, model = filled(appended, max_events=max_events, max_bytes=max_bytes)
    ids = [each.id for each in model]
    assert len(log) == len(model)
    assert log.last_id == (ids[-1] if ids else "")
    for cursor in ["", "unknown", *IDS]:
        since = log.since(cursor)
        after = model[ids.index(cursor) + 1 :] if cursor in ids else model
        assert list(since.events) == after[since.missing :]
        assert len(since.events) + since.missing == len(after)
        assert log.knows(cursor) == (cursor in ids or not cursor)
        assert log.place(cursor) == (ids.index(cursor) if cursor in ids else None)


@given(appended=APPENDED, max_events=st.integers(1, 12), max_bytes=st.integers(0, 2000))
def test_what_is_held_keeps_to_the_bounds_and_is_as_much_as_they_allow(
    appended: list[tuple[str, int]], max_events: int, max_bytes: int
) -> None:
    log, model = filled(appended, max_events=max_events, max_bytes=max_bytes)
    held = list(log.since("").events)
    sizes = [text_bytes(each.body) for each in model]
    assert held == model[len(model) - len(held) :]
    assert len(held) <= max_events
    if model:
        assert held[-1] == model[-1]
    if len(held) > 1:
        assert sum(sizes[len(model) - len(held) :]) <= max_bytes
    if len(held) < min(len(model), max_events) and max(sizes) <= max_bytes:
        assert sum(sizes[len(model) - len(held) - 1 :]) > max_bytes


@given(appended=APPENDED, max_events=st.integers(1, 12))
def test_the_state_is_that_of_all_events_held_or_not(
    appended: list[tuple[str, int]], max_events: int
) -> None:
    log, model = filled(appended, max_events=max_events)
    assert log.state.events == len(model)
    assert log.state.last_event_id == log.last_id


def test_one_event_larger_than_the_bound_is_held_alone() -> None:
    log = EventLog(max_bytes=1000)
    for number, size in enumerate([10, 5000]):
        log.append(event(f"e{number}", size))
    assert [each.id for each in log.since("").events] == ["e1"]
    assert log.since("").missing == 1
    log.append(event("e2", 10))
    assert [each.id for each in log.since("").events] == ["e2"]
    assert log.since("e0").missing == 1
    assert log.since("e1").missing == 0


def test_what_is_evicted_is_known_for_ever() -> None:
    log = EventLog(max_events=2)
    ids = [str(uuid.uuid4()) for _ in range(5000)]
    for event_id in ids:
        assert log.append(event(event_id, 1))
    assert all(map(log.knows, ids))
    assert not any(log.append(event(event_id, 1)) for event_id in ids)
    assert log.since(ids[9]).missing == 5000 - 10 - 2
    assert [each.id for each in log.since(ids[9]).events] == ids[-2:]
