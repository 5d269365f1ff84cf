"""The bounded log against a plain list: what is held is exact, what is missing is counted."""

import tracemalloc
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo_mcp.core.sizes import event_bytes
from neo_mcp.watch import EventIds, EventLog
from neo_mcp.watch.log import Budget, TooManyEventsError
from neo_mcp.wire import AssistantMessage, Event

BATCH = 7
IDS = [f"e{number}" for number in range(30)]
APPENDED = st.lists(st.tuples(st.sampled_from(IDS), st.integers(0, 400)), max_size=60)


def event(event_id: str, size: int) -> Event:
    return Event(id=event_id, body=AssistantMessage(content="x" * size))


def filled(log: EventLog, appended: list[tuple[str, int]]) -> tuple[EventLog, list[Event]]:
    """A log, and the events that it has taken."""
    model: list[Event] = []
    for start in range(0, len(appended), BATCH):
        batch = [event(event_id, size) for event_id, size in appended[start : start + BATCH]]
        known = len(model)
        for new in batch:
            if new.id not in {each.id for each in model}:
                model.append(new)
        assert log.extend(batch) == model[known:]
    return log, model


@given(appended=APPENDED, max_events=st.integers(1, 12), max_bytes=st.integers(0, 12_000))
def test_readers_get_what_came_after_their_cursor_or_its_newest_part_and_a_count_of_the_rest(
    appended: list[tuple[str, int]], max_events: int, max_bytes: int
) -> None:
    log, model = filled(EventLog(max_events=max_events, max_bytes=max_bytes), appended)
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


@given(appended=APPENDED, max_events=st.integers(1, 12), max_bytes=st.integers(0, 12_000))
def test_what_is_held_keeps_to_the_bounds_and_is_as_much_as_they_allow(
    appended: list[tuple[str, int]], max_events: int, max_bytes: int
) -> None:
    log, model = filled(EventLog(max_events=max_events, max_bytes=max_bytes), appended)
    held = list(log.since("").events)
    sizes = [event_bytes(each) for each in model]
    assert held == model[len(model) - len(held) :]
    assert len(held) <= max_events
    assert sum(sizes[len(model) - len(held) :]) <= max_bytes
    if len(held) < min(len(model), max_events):
        assert sum(sizes[len(model) - len(held) - 1 :]) > max_bytes


@given(appended=APPENDED, max_events=st.integers(1, 12))
def test_the_state_is_that_of_all_events_held_or_not(
    appended: list[tuple[str, int]], max_events: int
) -> None:
    log, model = filled(EventLog(max_events=max_events), appended)
    assert log.state.events == len(model)
    assert log.state.last_event_id == log.last_id


def test_an_event_larger_than_the_bound_is_known_and_not_held() -> None:
    log = EventLog(max_bytes=3000)
    for number, size in enumerate([10, 5000]):
        log.extend([event(f"e{number}", size)])
    assert (log.since("").events, log.since("").missing) == ([], 2)
    assert (log.state.last_message, log.knows("e1"), log.place("e1")) == ("x" * 5000, True, 1)
    log.extend([event("e2", 10)])
    assert [each.id for each in log.since("").events] == ["e2"]
    assert log.since("e0").missing == 1
    assert log.since("e1").missing == 0


@pytest.mark.parametrize(
    "body",
    [
        {"type": "brand_new", "content": "x" * 50_000},
        {"type": "warning", "message": "", "more": "x" * 50_000},
        {"type": "warning", "message": "\U0001f600" + "x" * 12_500},
        {"type": "tool_response", "tool_call_id": "c", "content": [[] for _ in range(800)]},
        {"type": "tool_response", "tool_call_id": "c", "content": {str(n): n * 1000 for n in range(400)}},
    ],
)
def test_whatever_an_event_holds_counts(body: dict[str, Any]) -> None:
    """Fields that are not known, numbers, empty lists, and letters that take four bytes each."""
    log = EventLog(max_bytes=400_000)
    for number in range(100):
        log.extend([Event.model_validate({"id": f"e{number}", "eventBody": body})])
    assert 3 <= len(log.since("").events) <= 10


def test_ids_are_told_apart_at_little_more_than_a_dozen_bytes_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neo_mcp.watch.ids.MAX_RECENT", 1000)
    tracemalloc.start()
    try:
        ids = EventIds()
        for number in range(100_000):
            assert ids.add(f"e{number}")
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 1.6e6
    assert ids.memory >= held * 0.8
    assert [ids.number(f"e{number}") for number in (0, 999, 1000, 54_321, 99_999)] == [
        0,
        999,
        1000,
        54_321,
        99_999,
    ]
    assert not any(ids.add(f"e{number}") for number in range(0, 100_000, 997))
    assert "e100000" not in ids


@given(st.lists(st.sampled_from(IDS)), st.integers(1, 5))
def test_ids_keep_their_numbers(given_ids: list[str], max_recent: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("neo_mcp.watch.ids.MAX_RECENT", max_recent)
        ids, model = EventIds(), list[str]()
        for event_id in given_ids:
            assert ids.add(event_id) == (event_id not in model)
            model += [event_id] if event_id not in model else []
        assert len(ids) == len(model)
        for event_id in IDS:
            assert ids.number(event_id) == (model.index(event_id) if event_id in model else None)


def test_a_task_of_more_events_than_can_be_told_apart_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neo_mcp.watch.log.MAX_IDS", 10)
    log = EventLog()
    for number in range(10):
        log.extend([event(f"e{number}", 1)])
    with pytest.raises(TooManyEventsError, match="page"):
        log.extend([event("e10", 1)])


def test_what_is_evicted_is_known_for_ever() -> None:
    log = EventLog(max_events=2)
    ids = [str(uuid.uuid4()) for _ in range(5000)]
    for event_id in ids:
        assert log.extend([event(event_id, 1)])
    assert all(map(log.knows, ids))
    assert not any(log.extend([event(event_id, 1)]) for event_id in ids)
    assert log.since(ids[9]).missing == 5000 - 10 - 2
    assert [each.id for each in log.since(ids[9]).events] == ids[-2:]


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 400)), max_size=80),
    st.integers(0, 6000),
    st.sets(st.integers(0, 4)),
)
def test_logs_of_one_budget_keep_to_it_together_and_hold_their_newest(
    appended: list[tuple[int, int]], max_bytes: int, closed: set[int]
) -> None:
    budget = Budget(max_bytes)
    logs = {number: EventLog(budget=budget) for number in range(5)}
    models: dict[int, list[Event]] = {number: [] for number in logs}
    for index, (number, size) in enumerate(appended):
        if index == len(appended) // 2:
            for gone in closed:
                del logs[gone]
        if number in logs:
            new = event(f"e{index}", size)
            logs[number].extend([new])
            models[number].append(new)
    stored = [event_bytes(each) for log in logs.values() for each in log.since("").events]
    assert sum(stored) <= max_bytes
    for number, log in logs.items():
        since, model = log.since(""), models[number]
        assert list(since.events) == model[since.missing :]
        assert len(log) == len(model)


def test_the_largest_log_gives_way_and_others_keep_theirs() -> None:
    size = event_bytes(event("e0", 1000))
    budget = Budget(20 * size)
    small, large = EventLog(budget=budget), EventLog(budget=budget)
    for number in range(4):
        small.extend([event(f"e{number}", 1000)])
    for number in range(100):
        large.extend([event(f"e{number}", 1000)])
    assert len(small.since("").events) == 4
    assert 8 <= len(large.since("").events) <= 16
