"""What was reported: each need at least once, none twice as the end of a wait, in a short cursor."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from neo_mcp.core.attention import OVER, attention
from neo_mcp.core.cursor import decode_cursor, encode_cursor
from neo_mcp.core.reported import MAX_KEYS, NOTHING_REPORTED, Needs, Reported, key_of
from neo_mcp.core.state import TaskState, fold
from neo_mcp.wire import Event
from tests.core.events import approval, ask, call, neo, results, say, settle

MAKERS: dict[str, Callable[[], Event]] = {
    **{f"request {n}": lambda n=n: approval(f"a{n}") for n in range(6)},  # type: ignore[misc]  # bound at once
    **{f"answer {n}": lambda n=n: settle(f"a{n}") for n in range(6)},  # type: ignore[misc]  # bound at once
    "changed": lambda: approval("a0", "Run it on production?"),
    "cancelled": lambda: neo("cancelled"),
    "returned": lambda: neo("awaiting_approvals"),
    "message": ask,
    "final": lambda: say("Done.", final=True),
    "error": lambda: neo("error", message="No."),
    "calls": lambda: say("Run these.", final=True, calls=[call("c1")]),
    "results": lambda: results("c1"),
    "words": lambda: say("Hm."),
}
STEPS = st.lists(
    st.tuples(st.sampled_from(sorted(MAKERS)), st.none() | st.tuples(st.integers(1, 4), st.integers(0, 3))),
    max_size=40,
)


class Waiter:
    """A reader whose cursor alone says what it was told of."""

    def __init__(self) -> None:
        self.cursor = encode_cursor("acme", "t", "")
        self.told: set[bytes] = set()

    @property
    def reported(self) -> Reported:
        return decode_cursor(self.cursor, "acme", "t").reported

    def is_over(self, needs: Needs) -> bool:
        """Whether a wait ends."""
        return bool(needs.new(self.reported)) or self.reported.is_resolved(needs.keys)

    def take(self, needs: Needs, shown: int = 1000) -> None:
        """Take the result of a wait, or of one that ran out of time, that shows the first few needs."""
        pending = needs.since(self.reported)
        self.told.update(pending.keys[:shown])
        self.cursor = encode_cursor("acme", "t", "e", pending.reported(shown))


def needs_of(state: TaskState, hidden: int = 0) -> Needs:
    """What needs attention; the last ``hidden`` requests may still be answered by the service."""
    every = attention(state)
    cut = len(every) - min(hidden, sum(need.request is not None for need in every))
    return Needs.of(every[:cut], every[cut:])


class TestAWait:
    @given(steps=STEPS)
    def test_ends_for_what_still_holds_and_was_not_reported_and_misses_nothing(
        self, steps: list[tuple[str, tuple[int, int] | None]]
    ) -> None:
        state, waiter = TaskState(), Waiter()
        for name, wait in steps:
            fold([MAKERS[name]()], state)
            if wait is None:
                continue
            shown, hidden = wait
            needs = needs_of(state, hidden)
            new = {key_of(need) for need in needs.new(waiter.reported)}
            assert new <= set(needs.keys[: needs.count])
            assert not new & waiter.told
            waiter.take(needs, shown)
        needs = needs_of(state)
        while waiter.is_over(needs):
            was = waiter.cursor
            waiter.take(needs)
            assert waiter.cursor != was
        assert set(needs.keys) <= waiter.told

    @given(steps=STEPS)
    def test_blocks_after_a_result_that_showed_everything(
        self, steps: list[tuple[str, tuple[int, int] | None]]
    ) -> None:
        state, waiter = TaskState(), Waiter()
        for name, wait in steps:
            fold([MAKERS[name]()], state)
            needs = needs_of(state, wait[1] if wait else 0)
            waiter.take(needs)
            assert not waiter.is_over(needs)

    def test_ends_when_what_was_reported_is_resolved(self) -> None:
        state, waiter = fold([ask(), approval("a1"), approval("a2")]), Waiter()
        waiter.take(needs_of(state))
        fold([settle("a1")], state)
        assert waiter.is_over(needs_of(state))
        waiter.take(needs_of(state))
        assert not waiter.is_over(needs_of(state))

    def test_does_not_end_for_what_its_caller_answered(self) -> None:
        state, waiter = fold([ask(), approval("a1")]), Waiter()
        needs = needs_of(state)
        waiter.take(needs)
        fold([settle("a1")], state)
        assert waiter.reported.is_resolved(needs_of(state).keys)
        assert not waiter.reported.is_resolved(needs_of(state).keys, needs.keys)

    def test_ends_for_a_request_that_changed_and_not_for_one_that_is_repeated(self) -> None:
        state, waiter = fold([ask(), approval("a1")]), Waiter()
        waiter.take(needs_of(state))
        fold([approval("a1", timestamp="2025-11-03T09:31:00Z")], state)
        assert not waiter.is_over(needs_of(state))
        fold([approval("a1", "Run it on production?")], state)
        assert waiter.is_over(needs_of(state))

    def test_ends_for_a_request_that_comes_back(self) -> None:
        state, waiter = fold([ask(), approval("a1")]), Waiter()
        waiter.take(needs_of(state))
        fold([neo("cancelled"), neo("awaiting_approvals")], state)
        assert waiter.is_over(needs_of(state))

    def test_a_request_that_is_asked_again_after_a_cancel_is_pending(self) -> None:
        state = fold([ask(), approval("a1"), neo("cancelled"), ask(), approval("a1")])
        assert [need.request.id for need in attention(state) if need.request] == ["a1"]

    def test_what_was_reported_stays_so_where_the_service_may_still_answer_it_by_another_clock(self) -> None:
        state, waiter = fold([ask(), approval("a1")]), Waiter()
        waiter.take(needs_of(state))
        assert not waiter.is_over(needs_of(state, hidden=1))
        waiter.take(needs_of(state, hidden=1))
        assert not waiter.is_over(needs_of(state))


class TestMany:
    def test_six_hundred_are_reported_part_by_part_and_then_a_wait_blocks(self) -> None:
        state, waiter = fold([ask(), *(approval(f"a{n}") for n in range(600))]), Waiter()
        needs = needs_of(state)
        seen: list[bytes] = []
        while waiter.is_over(needs):
            pending = needs.since(waiter.reported)
            seen += pending.keys[: min(pending.new, 7)]
            waiter.take(needs, 7)
            assert len(waiter.cursor) < 100
        assert seen == list(needs.keys)

    def test_the_resolution_of_one_of_them_ends_a_wait_and_nothing_is_lost(self) -> None:
        state, waiter = fold([ask(), *(approval(f"a{n}") for n in range(100))]), Waiter()
        waiter.take(needs_of(state))
        assert not waiter.is_over(needs_of(state))
        fold([settle("a50")], state)
        needs = needs_of(state)
        assert waiter.is_over(needs)
        rounds = 0
        while waiter.is_over(needs):
            waiter.take(needs, 9)
            rounds += 1
        assert rounds <= 12

    @given(told=st.sets(st.integers(0, 59)), count=st.integers(0, 60))
    def test_only_what_was_told_is_known_and_at_least_some_of_it(self, told: set[int], count: int) -> None:
        keys = [number.to_bytes(4, "big") for number in range(count)]
        said = {number.to_bytes(4, "big") for number in told}
        known = Reported.of(said, keys).known(keys)
        assert known <= said
        assert len(known) >= min(MAX_KEYS, len(said.intersection(keys)))


def test_the_end_of_a_turn_is_one_need_whichever_process_finds_it_out() -> None:
    state = fold([ask(), say("I begin.")])
    (stalled,) = attention(state, at_rest="idle")
    killed = fold([ask(), say("I begin.")])
    killed.last_event_id = state.last_event_id
    killed.apply(Event(id=state.last_event_id, body=neo("cancelled").body))
    (cancelled,) = attention(killed)
    assert key_of(stalled) == key_of(cancelled)
    assert {stalled.kind, cancelled.kind} <= OVER


def test_a_reader_that_was_told_nothing_is_told_of_all() -> None:
    needs = needs_of(fold([ask(), approval("a1"), approval("a2")]), hidden=1)
    assert needs.new(NOTHING_REPORTED) == needs.due
    assert len(needs.due) == 1
