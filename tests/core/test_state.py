"""Folding events into state."""

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from neo_mcp import wire
from neo_mcp.core.attention import activity, attention, calls_elsewhere, first_line, open_calls
from neo_mcp.core.render.lines import event_line
from neo_mcp.core.running import Announcement
from neo_mcp.core.sanitize import clean
from neo_mcp.core.state import TaskState, Turn, fold
from neo_mcp.core.todos import Todo, read_todos
from tests.core.events import (
    EVENTS,
    KINDS,
    TEXT,
    approval,
    ask,
    call,
    neo,
    results,
    say,
    settle,
    user,
)


def test_every_event_type_is_drawn_here() -> None:
    known, other = get_args(get_args(wire.EventBody)[0])
    types = {body.model_fields["type"].default for body in get_args(get_args(known)[0])}
    assert types <= KINDS
    assert other is wire.UnknownBody
    assert "brand_new" in KINDS


@given(events=st.lists(EVENTS, max_size=12), at=st.integers(0, 12))
def test_folding_a_prefix_and_then_the_rest_equals_folding_all(events: list[wire.Event], at: int) -> None:
    whole = fold(events)
    assert fold(events[at:], fold(events[:at])) == whole
    assert attention(fold(events)) == attention(whole)
    assert whole.events == len(events)
    assert whole.last_event_id == (events[-1].id if events else "")


@given(events=st.lists(EVENTS, max_size=12))
def test_activity_is_one_short_clean_line(events: list[wire.Event]) -> None:
    text = activity(fold(events))
    assert text
    assert "\n" not in text
    assert "\x1b" not in text
    assert len(text) < 1_500


@given(TEXT, st.integers(2, 200))
def test_the_first_line_with_words_is_cut_to_its_limit(text: str, limit: int) -> None:
    line = first_line(text, limit)
    assert len(line) <= limit
    assert len(line.splitlines()) <= 1
    assert bool(line) == any(clean(part).strip() for part in text.lstrip()[: 5 * limit].splitlines())


def test_settings_that_travel_as_events_are_kept() -> None:
    state = fold(
        [
            ask(entity_diff={"add": [{"type": "stack", "name": "prod", "project": "billing"}]}),
            neo("set_task_name", name="Rotate keys"),
            neo("warning", message="Quota at 90 %"),
            neo("warning", message="Quota at 95 %"),
            neo("context_compression_event", status="compressed"),
            neo("provide_pulumi_access_token", encrypted_pulumi_access_token="sealed"),
            neo("never_heard_of"),
        ]
    )
    assert (state.name, state.warnings, state.last_warning) == ("Rotate keys", 2, "Quota at 95 %")
    assert (state.compression, state.strange, state.turns, state.turn) == ("compressed", 1, 1, Turn.RUNNING)
    assert state.entities == (wire.Stack(name="prod", project="billing"),)
    assert state.last_timestamp == "2025-11-03T09:30:00Z"


def test_an_entity_mentioned_again_replaces_what_was_known_of_it() -> None:
    open_request = {
        "type": "pull_request",
        "number": 7,
        "merged": False,
        "repo": {"name": "infra", "org": "acme"},
    }
    state = fold([ask(entity_diff={"add": [open_request]})])
    fold([neo("change_entities", changes={"add": [open_request | {"merged": True}]})], state)
    assert [wire.describe(entity) for entity in state.entities] == ["pull request acme/infra#7 (merged)"]
    fold([neo("change_entities", changes={"remove": [open_request]})], state)
    assert state.entities == ()


def test_entities_of_the_same_name_but_another_kind_or_place_stay_apart() -> None:
    added = [
        {"type": "stack", "name": "prod", "project": "billing"},
        {"type": "stack", "name": "prod", "project": "search"},
        {"type": "repository", "name": "infra", "org": "acme", "forge": "github"},
        {"type": "repository", "name": "infra", "org": "acme", "forge": "gitlab"},
        {"type": "policy_issue", "id": "pi-1"},
        {"type": "environment", "name": "prod"},
        {"type": "environment", "name": "dev"},
    ]
    state = fold([neo("change_entities", changes={"add": added})])
    assert len(state.entities) == len(added)
    fold([neo("change_entities", changes={"remove": added[:1] + added[-1:]})], state)
    assert len(state.entities) == len(added) - 2


def test_model_tokens_add_up_by_model() -> None:
    used = [{"big": {"input_tokens": 10, "output_tokens": 2}}, {"big": {"input_tokens": 5}, "small": {}}]
    state = fold(neo("assistant_message", content="", is_final=False, token_usage=usage) for usage in used)
    assert state.usage["big"] == wire.TokenUsage(input_tokens=15, output_tokens=2)
    assert state.usage["small"] == wire.TokenUsage()


def test_the_to_do_list_is_the_last_one_written() -> None:
    def write(*items: object) -> wire.Event:
        return say("", calls=[call("t", "todo__TodoWrite", "cloud", todos=list(items))])

    state = fold([ask(), write({"content": "old", "status": "pending"})])
    items = (
        {"content": "plan", "status": "completed"},
        {"content": "apply", "status": "in_progress"},
        "junk",
    )
    fold([write(*items)], state)
    assert state.todos == (Todo("plan", "completed"), Todo("apply", "in_progress"))
    assert activity(state) == "to-do 1 of 2 done, now: apply"


def test_a_to_do_list_in_another_shape_is_empty() -> None:
    for args in ({}, {"todos": None}, {"todos": "all"}, {"todos": {"content": "x"}}, {"todos": [1, None]}):
        assert read_todos(wire.ToolCall(id="t", name="todo__TodoWrite", args=args)) == ()


def test_tools_under_way_tell_how_far_they_are() -> None:
    state = fold([ask(), neo("exec_tool_call", tool_call_id="c", name="pulumi__preview")])
    assert activity(state) == "running pulumi__preview"
    fold([neo("exec_tool_call_progress", tool_call_id="c", status="running", metadata={})], state)
    assert activity(state) == "running pulumi__preview (running)"
    progress = neo(
        "exec_tool_call_progress", tool_call_id="c", status="running", metadata={}, content="12 of 40\n"
    )
    fold([progress], state)
    assert activity(state) == 'running pulumi__preview ("12 of 40")'
    fold([neo("tool_response", tool_call_id="c", name="pulumi__preview", content={})], state)
    assert state.tools == {}
    assert activity(state) == "working"


def test_a_new_task_is_not_started() -> None:
    state = TaskState()
    assert (state.turn, activity(state), attention(state)) == (Turn.NOT_STARTED, "not started", ())


def test_a_message_in_the_middle_of_a_turn_leaves_the_local_calls_open() -> None:
    parked = [ask(), say("Run this.", final=True, calls=[call("c1"), call("c2")])]
    state = fold([*parked, ask("And mind the budget.")])
    assert list(state.local_calls) == ["c1", "c2"]
    assert list(fold([results("c1")], state).local_calls) == ["c2"]
    assert list(fold([*parked, neo("cancelled"), ask("Go on.")]).local_calls) == []


def test_calls_of_a_turn_that_was_stopped_without_a_word_are_over_once_neo_speaks_again() -> None:
    state = fold(
        [ask(), say("Run this.", final=True, calls=[call("c1")]), ask("Start over."), say("I will.")]
    )
    assert (state.local_calls, state.asked_by != "") == ({}, True)


def test_an_announcement_counts_for_the_batch_that_it_came_after() -> None:
    def announce(call_id: str) -> wire.Event:
        return neo("exec_tool_call", tool_call_id=call_id, name="shell__run")

    first = announce("c1")
    state = fold([ask(), announce("c1"), say("Run this.", final=True, calls=[call("c1")]), announce("c3")])
    assert state.announced == {}
    fold([first, announce("c1")], state)
    assert state.announced == {"c1": Announcement(first.id, "2025-11-03T09:30:00Z", 2)}
    fold([say("Once more.", final=True, calls=[call("c1")])], state)
    assert state.announced == {}
    fold([announce("c1"), results("c1")], state)
    assert state.announced == {}


def test_a_cancel_after_the_end_of_a_turn_changes_nothing() -> None:
    assert fold([ask(), say("Done.", final=True), neo("cancelled")]).turn is Turn.ENDED
    assert fold([ask(), neo("error", message="boom"), neo("cancelled")]).turn is Turn.FAILED
    assert fold([ask(), say("Done.", final=True), ask(), neo("cancelled")]).turn is Turn.CANCELLED
    assert fold([ask(), approval("a1"), say("Done.", final=True), neo("cancelled")]).turn is Turn.CANCELLED


def test_plan_mode_ends_with_the_plan_that_was_accepted() -> None:
    plan = approval("p1", approval_type="plan_exit")
    assert not fold([ask(), plan, settle("p1", ok=False)]).plan_accepted
    assert fold([ask(), plan, settle("p1")]).plan_accepted
    assert not fold([ask(), approval("a1"), settle("a1")]).plan_accepted


def test_progress_with_a_name_and_content_alone_is_shown() -> None:
    running = [ask(), neo("exec_tool_call", tool_call_id="c", name="pulumi__preview")]
    progress = neo("exec_tool_call_progress", name="pulumi__preview", content="12 of 40")
    assert activity(fold([*running, progress])) == 'running pulumi__preview ("12 of 40")'
    assert event_line(progress) == "progress of pulumi__preview: 12 of 40"
    assert fold([*running, progress]).strange == 0


def test_a_batch_of_local_calls_is_known_by_the_event_that_asked_for_it() -> None:
    first, second = (say("Run this.", final=True, calls=[call("c1")]) for _ in range(2))
    state = fold([ask(), first])
    assert state.asked_by == first.id
    fold([results("c1"), say("Thanks.")], state)
    assert (state.asked_by, state.local_calls) == (first.id, {})
    fold([second], state)
    assert (state.asked_by, list(state.local_calls)) == (second.id, ["c1"])


def test_results_that_come_after_a_cancel_start_nothing() -> None:
    state = fold([ask(), say("Run this.", final=True, calls=[call("c1")]), neo("cancelled"), results("c1")])
    assert state.turn is Turn.CANCELLED


def test_a_request_to_cancel_is_not_yet_a_cancel() -> None:
    assert fold([ask(), user("user_cancel")]).turn is Turn.RUNNING


_IDS = st.sampled_from(["c1", "c2", "c3"])
MOVES: st.SearchStrategy[tuple[str, str]] = st.tuples(
    st.sampled_from(["message", "ask", "announce", "result", "cancelled", "error", "final", "word"]), _IDS
)


def event_of(move: str, call_id: str) -> wire.Event:
    match move:
        case "message":
            return ask("And this.")
        case "ask":
            return say("Run these.", final=True, calls=[call("c1"), call(call_id)])
        case "announce":
            return neo("exec_tool_call", tool_call_id=call_id, name="shell__run")
        case "result":
            return results(call_id)
        case "final" | "word":
            return say("Done.", final=move == "final")
        case _:
            return neo(move, message="No.")


@given(st.lists(MOVES, max_size=14))
def test_a_local_call_is_open_or_run_by_a_client_or_not_awaited(moves: list[tuple[str, str]]) -> None:
    state = TaskState()
    for move, call_id in moves:
        state.apply(event_of(move, call_id))
        awaited, elsewhere = set(state.local_calls), set(calls_elsewhere(state))
        still_open = {each.id for each in open_calls(state)}
        assert set(state.announced) == elsewhere
        assert (still_open | elsewhere, still_open & elsewhere) == (awaited, set())
        needs = [need for need in attention(state) if need.calls]
        assert bool(needs) == bool(still_open)
        assert move != "result" or call_id not in awaited


@given(st.lists(MOVES, max_size=10), st.sampled_from(["final", "error"]), st.integers(1, 3))
def test_a_turn_that_has_ended_is_not_cancelled_any_more(
    moves: list[tuple[str, str]], ending: str, cancels: int
) -> None:
    ended = fold(event_of(*move) for move in [*moves, ("message", ""), (ending, "")])
    before = attention(ended)
    cancelled = fold([event_of("cancelled", "")] * cancels, ended)
    assert attention(cancelled) == before
    assert cancelled.turn is {"final": Turn.ENDED, "error": Turn.FAILED}[ending]


@given(st.lists(MOVES, max_size=10), _IDS)
def test_the_same_result_once_more_changes_nothing(moves: list[tuple[str, str]], call_id: str) -> None:
    state = fold(event_of(*move) for move in [*moves, ("result", call_id)])
    before = (state.turn, dict(state.local_calls), dict(state.announced), attention(state))
    fold([event_of("result", call_id)], state)
    assert (state.turn, state.local_calls, state.announced, attention(state)) == before
