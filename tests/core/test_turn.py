"""Finding the moment at which a turn needs whoever handed it over."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo_mcp.core.attention import AttentionKind, attention
from neo_mcp.core.state import fold
from neo_mcp.core.turn import REQUESTS, TurnFold, TurnResult
from neo_mcp.wire import Event
from tests.core.events import EVENTS, approval, ask, call, neo, results, say, settle, user

NOBODY: frozenset[AttentionKind] = frozenset()
LATER = "2025-11-03T09:31:00Z"


def turn(*events: Event, base: str = "", asked: frozenset[AttentionKind] = REQUESTS) -> TurnFold:
    found = TurnFold(base, asked)
    for event in events:
        found.apply(event)
    return found


def kinds(result: TurnResult | None) -> list[str]:
    assert result is not None
    return [str(need.kind) for need in result.needs]


class TestWhateverHappens:
    @given(events=st.lists(EVENTS, max_size=12), at=st.integers(0, 12), asked=st.booleans())
    def test_what_was_found_never_changes(self, events: list[Event], at: int, *, asked: bool) -> None:
        who = REQUESTS if asked else NOBODY
        early, late = turn(*events[:at], asked=who), turn(*events, asked=who)
        if early.result is not None:
            assert late.result == early.result

    @given(events=st.lists(EVENTS, max_size=12), asked=st.booleans())
    def test_what_is_found_is_what_needed_somebody_at_that_moment(
        self, events: list[Event], *, asked: bool
    ) -> None:
        who = REQUESTS if asked else NOBODY
        result = turn(*events, asked=who).result
        if result is not None:
            assert result.state == fold(events[: result.state.events])
            assert any(need.kind not in who for need in result.needs)

    @given(events=st.lists(EVENTS, max_size=12))
    def test_while_nothing_is_found_only_people_who_are_asked_are_needed(self, events: list[Event]) -> None:
        found = turn(*events)
        if found.result is None:
            assert found.state == fold(events)
            assert all(need.kind in REQUESTS for need in attention(found.state))
            assert found.now() is None

    @given(before=st.lists(EVENTS, max_size=8), after=st.lists(EVENTS, max_size=4))
    def test_what_came_before_the_base_does_not_count(self, before: list[Event], after: list[Event]) -> None:
        base = ask("Go on.")
        found = turn(*before, base, *after, base=base.id)
        assert found.begun
        if found.result is not None:
            assert found.result.state.events > len(before)


@pytest.mark.parametrize(
    ("last", "kind"),
    [
        (say("Done.", final=True), "turn_ended"),
        (neo("error", message="No."), "error"),
        (neo("cancelled", operation_was_running=True), "cancelled"),
        (say("Run this.", final=True, calls=[call("c1")]), "local_tools"),
    ],
)
def test_a_turn_ends_or_needs_the_host_and_a_new_one_changes_nothing(last: Event, kind: str) -> None:
    found = turn(ask(), say("I look."), last, results("c1"), ask("More."), say("More is done.", final=True))
    assert kinds(found.result) == [kind]
    assert found.result is not None
    assert found.result.state.last_event_id == last.id


def test_a_turn_that_stops_without_a_word_is_over_once_the_next_one_starts() -> None:
    silent = say("I look.")
    found = turn(ask(), silent)
    assert found.now() is None
    assert kinds(found.now(at_rest="idle")) == ["stalled"]
    found.apply(ask("Are you there?"))
    assert kinds(found.result) == ["stalled"]
    assert found.result is not None
    assert found.result.state.last_event_id == silent.id


def test_a_message_that_is_not_taken_ends_nothing() -> None:
    found = turn(ask(), approval("a1"), ask("Hurry."), neo("awaiting_approvals"))
    assert found.result is None


def test_what_is_asked_of_a_person_lasts_until_it_is_answered_and_beyond() -> None:
    found = turn(ask(), approval("a1"), settle("a1"), say("I go on."))
    assert found.now() is None
    found.apply(say("Done.", final=True))
    assert kinds(found.result) == ["turn_ended"]


def test_a_base_that_is_gone_lets_the_present_count() -> None:
    found = turn(ask(), say("Done.", final=True), base="gone")
    assert not found.begun
    found.begin()
    assert kinds(found.result) == ["turn_ended"]


class TestRequestsThatNobodyIsAskedAbout:
    def test_such_a_request_is_what_is_looked_for(self) -> None:
        request = approval("a1")
        found = turn(ask(), request, settle("a1"), say("Done.", final=True), asked=NOBODY)
        assert kinds(found.result) == ["approval"]
        assert found.result is not None
        assert found.result.state.last_event_id == request.id

    def test_one_that_the_service_settles_at_once_is_not(self) -> None:
        found = turn(ask(), approval("a1"), asked=NOBODY)
        assert kinds(found.now()) == ["approval"]
        found.apply(settle("a1", synthetic=True))
        assert found.now() is None
        found.apply(say("Done.", final=True))
        assert kinds(found.result) == ["turn_ended"]

    def test_one_that_the_service_settles_later_was_waited_for(self) -> None:
        late = user("user_confirmation", synthetic=True, timestamp=LATER, approval_request_id="a1", ok=True)
        found = turn(ask(), approval("a1"), asked=NOBODY)
        pending = found.now()
        found.apply(late)
        assert found.result == pending
        assert kinds(pending) == ["approval"]

    def test_the_second_one_is_found_if_only_the_first_is_settled_at_once(self) -> None:
        second = approval("a2")
        found = turn(ask(), approval("a1"), second, settle("a1", synthetic=True), asked=NOBODY)
        assert found.unconfirmed
        found.apply(neo("warning", message="Still here.", timestamp=LATER))
        assert found.result is not None
        assert [need.request.id for need in found.result.needs if need.request] == ["a2"]

    def test_questions_alone_may_be_asked(self) -> None:
        question = approval("q1", context={"tool_name": "ask_user"})
        asked = frozenset({AttentionKind.QUESTION})
        assert not turn(ask(), question, asked=asked).unconfirmed
        assert turn(ask(), approval("a1"), asked=asked).unconfirmed
