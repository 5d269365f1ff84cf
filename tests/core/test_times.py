"""Times that the API leaves out."""

import re
from datetime import datetime, tzinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo_mcp.core.render.lines import event_line, event_lines
from neo_mcp.core.render.transcript import conversation
from neo_mcp.core.state import fold
from neo_mcp.core.times import all_dated, dated, has_time, since_words
from neo_mcp.core.view.fold import ViewFold
from neo_mcp.watch import EventLog
from neo_mcp.wire import Event
from tests.core.events import EVENTS, TEXT, approval, ask, neo, say, settle

ZERO = "0001-01-01T00:00:00Z"


def at(event: Event, timestamp: str) -> Event:
    return event.model_copy(update={"body": event.body.model_copy(update={"timestamp": timestamp})})


def times(events: list[Event]) -> list[tuple[str, bool]]:
    return [(event.body.timestamp, event.timestamp_estimated) for event in all_dated(events)]


def test_an_event_without_a_time_has_that_of_the_event_before() -> None:
    known = "2025-11-03T09:30:00Z"
    events = [
        at(ask(), ""),
        ask(),
        at(say("x"), ZERO),
        at(say("y"), "1970-01-01T00:00:00Z"),
        at(say("z"), ""),
    ]
    assert times(events) == [("", False), (known, False), (known, True), (known, True), (known, True)]
    assert fold(events).last_timestamp == known


SINCE = datetime(2024, 1, 1)  # noqa: DTZ001 - what is drawn gets its zone later
ZEROS = f"""
0
0.0
{ZERO}
0001-01-01 00:00:00+00:00
0001-01-01T01:00:00+01:00
0000-00-00T00:00:00Z
1970-01-01T00:00:00.000Z
1970-01-01T01:00:00+01:00
1969-12-31T19:00:00-05:00
"""


@pytest.mark.parametrize("text", ["", " ", *ZEROS.strip().splitlines()])
def test_a_zero_in_any_zone_and_spelling_is_no_time(text: str) -> None:
    assert not has_time(text)


@given(st.datetimes(min_value=SINCE), st.timezones())
def test_any_moment_since_there_are_tasks_is_a_time(moment: datetime, zone: tzinfo) -> None:
    assert has_time(moment.isoformat())
    assert has_time(moment.replace(tzinfo=zone).isoformat())
    assert since_words(moment.isoformat()).startswith(" since ")


@given(TEXT)
def test_a_text_in_the_place_of_a_time_is_not_shown(text: str) -> None:
    shown = since_words(text)
    assert not shown or re.fullmatch(r" since [0-9T:.Z+-]+", shown)


@given(st.lists(st.tuples(EVENTS, st.sampled_from(["", ZERO, "2025-11-03T09:30:00Z"])), max_size=8))
def test_times_are_the_same_wherever_the_events_go_through(drawn: list[tuple[Event, str]]) -> None:
    events = [
        at(event, timestamp).model_copy(update={"id": f"e{number}"})
        for number, (event, timestamp) in enumerate(drawn)
        if event.body.type != "provide_pulumi_access_token"
    ]
    whole = times(events)
    log = EventLog()
    for event in events:
        log.extend([event])
    # Of very long events the log holds the last ones alone, as it dated them.
    held = [(each.body.timestamp, each.timestamp_estimated) for each in log.since("").events]
    assert held == whole[len(whole) - len(held) :]
    again = dict(zip((event.id for event in events), all_dated(all_dated(events)), strict=True))
    assert [(each.body.timestamp, each.timestamp_estimated) for each in again.values()] == whole


def test_an_estimated_time_is_marked_in_the_transcript_and_the_view() -> None:
    events = [ask(), at(say("Done."), "")]
    assert "**Neo** · about 09:30" in "\n".join(conversation(events))
    view = ViewFold()
    for event in events:
        view.apply(event)
    assert [entry.estimated for entry in view.held] == [False, True]
    dump = dated(events[1], "2025-11-03T09:30:00Z").model_dump(mode="json", by_alias=True)
    assert (dump["timestampEstimated"], dump["eventBody"]["timestamp"]) == (True, "2025-11-03T09:30:00Z")
    assert "timestampEstimated" not in events[0].model_dump(mode="json", by_alias=True)


def test_a_question_that_the_service_answered_says_so() -> None:
    question = approval("q1", context={"tool_name": "ux__ask_user"})
    for answer in (settle("q1", ok=False, synthetic=True, said="blue"), settle("q1", synthetic=True)):
        events = [ask(), question, answer]
        assert "answered automatically q1" in event_lines(events, 500).lines[-1]
        assert "**Answered** automatically (`q1`)" in "\n".join(conversation(events))
        view = ViewFold()
        for event in events:
            view.apply(event)
        assert [entry.state for entry in view.held][-2:] == ["answered", "answered automatically"]
    assert event_line(settle("a1", synthetic=True)) == "approved automatically a1"
    assert event_line(settle("a1", ok=False)) == "declined or answered a1"


def test_an_approval_that_the_service_closes_was_not_answered() -> None:
    closed = settle("a1", ok=False, synthetic=True)
    events = [ask(), approval("a1"), neo("cancelled"), closed]
    assert event_lines(events, 500).lines[-1] == "declined or answered automatically a1"
    assert (
        event_line(settle("q1", ok=False, synthetic=True, said="blue")) == "answered automatically q1: blue"
    )
