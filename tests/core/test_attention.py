"""What needs somebody, for every sequence of events that the contract tells of."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from neo_mcp.core.attention import (
    OVER,
    Attention,
    AttentionKind,
    attention,
    open_calls,
    turn_is_over,
)
from neo_mcp.core.state import fold
from neo_mcp.wire import Event
from tests.core.events import EVENTS, approval, ask, call, neo, results, say, settle, user

K = AttentionKind


def needs(*events: Event) -> tuple[Attention, ...]:
    return attention(fold(events))


def kinds(*events: Event) -> list[AttentionKind]:
    return [need.kind for need in needs(*events)]


def after_each(events: Iterable[Event]) -> list[list[AttentionKind]]:
    """What is needed after each event of a conversation."""
    so_far: list[Event] = []
    steps = []
    for event in events:
        so_far.append(event)
        steps.append(kinds(*so_far))
    return steps


def test_an_approval_is_pending_until_a_confirmation_names_it() -> None:
    conversation = [
        ask(),
        say("I will update prod."),
        approval("a1"),
        settle("another"),
        settle("a1"),
        say("Done.", final=True),
    ]
    assert after_each(conversation) == [[], [], [K.APPROVAL], [K.APPROVAL], [], [K.TURN_ENDED]]


def test_an_approval_that_the_service_settles_itself_is_gone() -> None:
    assert kinds(ask(), approval("a1"), settle("a1", synthetic=True)) == []


def test_an_approval_that_is_denied_is_gone() -> None:
    assert kinds(ask(), approval("a1"), settle("a1", ok=False, said="Use eu-west-1.")) == []


def test_an_approval_carries_its_request_and_message() -> None:
    (need,) = needs(ask(), approval("a1", "Run pulumi up on prod?"))
    assert need.request is not None
    assert (need.request.id, need.message, need.calls) == ("a1", "Run pulumi up on prod?", ())


def test_several_approvals_are_settled_one_by_one_oldest_first() -> None:
    asked = [ask(), approval("a1"), approval("a2"), approval("a3")]
    pending = [need.request.id for need in needs(*asked, settle("a2")) if need.request]
    assert pending == ["a1", "a3"]


def test_a_request_of_the_asking_tool_is_a_question_and_is_answered_with_a_no() -> None:
    for tool in ("ask_user", "neo__ask_user"):
        question = approval("q1", "Which region?", context={"tool_name": tool})
        assert kinds(ask(), question) == [K.QUESTION]
        assert kinds(ask(), question, settle("q1", ok=False, said="eu-west-1")) == []
    assert kinds(ask(), approval("a1", context={"tool_name": "task_user"})) == [K.APPROVAL]


def test_leaving_plan_mode_shows_a_plan() -> None:
    plan = approval("p1", "Ready to go?", approval_type="plan_exit", context={"plan_description": "# Plan"})
    assert after_each([ask(), plan, settle("p1")]) == [[], [K.PLAN], []]


def test_an_approval_of_a_new_kind_is_still_an_approval() -> None:
    assert kinds(ask(), approval("a1", approval_type="two_person_rule", sensitivity="extreme")) == [
        K.APPROVAL
    ]


def test_local_tools_are_needed_until_every_one_has_its_result() -> None:
    conversation = [
        ask(),
        say("Please run these.", final=True, calls=[call("c1"), call("c2"), call("c3", mode="cloud")]),
        user("exec_tool_call", tool_call_id="c1", name="shell__run"),
        results("c1"),
        user("exec_tool_call", tool_call_id="c2", name="shell__run"),
        results("c2"),
        say("Thanks, done.", final=True),
    ]
    local = [K.LOCAL_TOOLS]
    assert after_each(conversation) == [[], local, local, local, [], [], [K.TURN_ENDED]]
    (need,) = needs(*conversation[:4])
    assert [waiting.id for waiting in need.calls] == ["c2"]
    assert need.message == "Please run these."


def announce(call_id: str) -> Event:
    """Word that a call is about to run, as the service records it: without an author."""
    return neo("exec_tool_call", tool_call_id=call_id, name="shell__run")


def test_calls_that_somebody_else_runs_are_no_reason_for_attention() -> None:
    parked = [ask(), say("Run these.", final=True, calls=[call("c1"), call("c2")])]
    assert kinds(*parked, announce("c1")) == [K.LOCAL_TOOLS]
    assert kinds(*parked, announce("c1"), announce("c2")) == []
    state = fold([*parked, announce("c1"), announce("c2")])
    assert attention(state, at_rest="idle") == ()
    (need,) = attention(state, announced_here={"c2"})
    assert [each.id for each in need.calls] == ["c1", "c2"]
    assert [each.id for each in open_calls(state, {"c2"})] == ["c2"]


def test_a_later_batch_of_local_tools_takes_the_place_of_an_earlier_one() -> None:
    asked = [ask(), say("Run these.", final=True, calls=[call("c1"), call("c2")]), results("c1")]
    again = say("Rather this.", final=True, calls=[call("c3")])
    (need,) = needs(*asked, again)
    assert [waiting.id for waiting in need.calls] == ["c3"]
    assert kinds(*asked, again, results("c2")) == [K.LOCAL_TOOLS]
    assert kinds(*asked, again, results("c3")) == []


def test_neo_may_end_its_turn_without_the_results_that_it_asked_for() -> None:
    asked = [ask(), say("Run this.", final=True, calls=[call("c1"), call("w1", mode="worker")])]
    assert kinds(*asked, say("I go without.", final=True)) == [K.TURN_ENDED]


def test_local_tools_in_a_message_that_is_not_final_are_not_needed_yet() -> None:
    assert kinds(ask(), say("Soon.", calls=[call("c1")])) == []


def test_calls_for_a_worker_are_nobodys_business_here_and_do_not_end_the_turn() -> None:
    parked = [ask(), say("A worker runs this.", final=True, calls=[call("w1", mode="worker")])]
    assert kinds(*parked) == []
    assert kinds(*parked, neo("tool_response", tool_call_id="w1", name="n", content={})) == []
    assert kinds(*parked, results("w1"), say("Done.", final=True)) == [K.TURN_ENDED]


def test_a_final_message_ends_the_turn_with_its_words() -> None:
    (need,) = needs(ask(), say("Looking."), say("All keys are rotated.", final=True))
    assert (need.kind, need.message) == (K.TURN_ENDED, "All keys are rotated.")


def test_a_final_message_with_calls_that_neo_runs_itself_ends_the_turn() -> None:
    assert kinds(ask(), say("Done.", final=True, calls=[call("c1", mode="cloud")])) == [K.TURN_ENDED]


def test_a_final_message_without_words_ends_the_turn_with_the_last_ones() -> None:
    (need,) = needs(ask(), say("All keys are rotated."), say("", final=True))
    assert (need.kind, need.message) == (K.TURN_ENDED, "All keys are rotated.")


def test_a_second_final_message_is_the_one_that_counts() -> None:
    (need,) = needs(ask(), say("Done.", final=True), say("One more thing.", final=True))
    assert need.message == "One more thing."


def test_an_error_ends_the_turn_with_its_message() -> None:
    (need,) = needs(ask(), say("Looking."), neo("error", message="model overloaded"))
    assert (need.kind, need.message) == (K.ERROR, "model overloaded")


def test_an_error_without_a_message_says_so() -> None:
    (need,) = needs(ask(), neo("error", message=None))
    assert need.message == "Neo reported an error."


def test_a_cancel_ends_the_turn() -> None:
    stopped = [ask(), user("user_cancel"), neo("cancelled", operation_was_running=True)]
    assert after_each(stopped) == [[], [], [K.CANCELLED]]


def test_what_neo_still_says_after_a_turn_is_over_does_not_reopen_it() -> None:
    late = say("The preview had finished.", final=True)
    assert kinds(ask(), neo("cancelled"), late) == [K.CANCELLED]
    assert kinds(ask(), neo("error", message="boom"), late) == [K.ERROR]


def test_a_message_starts_a_second_turn() -> None:
    for ending in (say("Done.", final=True), neo("error", message="boom"), neo("cancelled")):
        first = [ask(), ending]
        assert kinds(*first, ask("And staging?")) == []
        (need,) = needs(*first, ask("And staging?"), say("Staging too.", final=True))
        assert (need.kind, need.message) == (K.TURN_ENDED, "Staging too.")


def test_approvals_are_withdrawn_when_the_turn_is_cancelled_or_fails() -> None:
    assert kinds(ask(), approval("a1"), neo("cancelled")) == [K.CANCELLED]
    assert kinds(ask(), approval("a1"), neo("error", message="boom")) == [K.ERROR]


def test_withdrawn_approvals_come_back_when_neo_says_that_it_waits_for_them() -> None:
    stopped = [ask(), approval("a1"), neo("error", message="boom"), ask("Go on.")]
    assert kinds(*stopped) == []
    assert kinds(*stopped, neo("awaiting_approvals")) == [K.APPROVAL]
    assert kinds(*stopped, neo("awaiting_approvals"), settle("a1")) == []


def test_approvals_of_a_cancelled_turn_never_come_back() -> None:
    stopped = [ask(), approval("a1"), neo("cancelled"), ask("Go on.")]
    assert kinds(*stopped, neo("awaiting_approvals")) == []
    assert kinds(*stopped, approval("a2"), ask("Hurry."), neo("awaiting_approvals")) == [K.APPROVAL]


def test_approvals_of_a_failed_turn_do_not_come_back_once_neo_has_worked_again() -> None:
    failed = [ask(), approval("a1"), neo("error", message="boom"), ask("Again."), say("I try again.")]
    assert kinds(*failed, neo("awaiting_approvals")) == []


def test_input_that_is_refused_leaves_the_approval_pending() -> None:
    assert kinds(ask(), approval("a1"), ask("Hurry up."), neo("awaiting_approvals")) == [K.APPROVAL]


def test_an_approval_that_the_service_closes_after_a_cancel_starts_nothing() -> None:
    stopped = [ask(), approval("a1"), neo("cancelled")]
    assert kinds(*stopped, settle("a1", ok=False, synthetic=True)) == [K.CANCELLED]


def test_an_approval_that_a_person_settles_after_a_cancel_sets_neo_going_again() -> None:
    assert kinds(ask(), approval("a1"), neo("error", message="boom"), settle("a1")) == []


def test_local_tools_are_withdrawn_when_the_turn_is_cancelled() -> None:
    parked = [ask(), say("Run this.", final=True, calls=[call("c1")])]
    assert kinds(*parked, neo("cancelled")) == [K.CANCELLED]
    assert kinds(*parked, neo("cancelled"), results("c1")) == [K.CANCELLED]


def test_an_approval_comes_before_local_tools_and_both_before_an_ending() -> None:
    parked = [ask(), say("Run this.", final=True, calls=[call("c1")]), approval("a1")]
    assert kinds(*parked) == [K.APPROVAL, K.LOCAL_TOOLS]
    assert kinds(ask(), approval("a1"), say("Waiting for you.", final=True)) == [K.APPROVAL]
    assert kinds(ask(), approval("a1"), say("Waiting.", final=True), settle("a1")) == []


def test_housekeeping_needs_nobody() -> None:
    chores = [
        neo("context_compression_event", status="compressing"),
        neo("set_task_name", name="n"),
        neo("warning", message="w"),
        neo("change_entities", changes={}),
        neo("provide_pulumi_access_token", encrypted_pulumi_access_token="sealed"),
        neo("exec_tool_call", tool_call_id="c", name="n"),
        neo("never_heard_of"),
    ]
    assert kinds(ask(), *chores) == []


def test_a_planned_change_from_question_to_pull_request() -> None:
    conversation = [
        ask(
            "Encrypt all buckets.",
            entity_diff={"add": [{"type": "stack", "name": "prod", "project": "data"}]},
        ),
        say("Which key should I use?"),
        approval("q1", "Which key?", approval_type="general", context={"tool_name": "neo__ask_user"}),
        settle("q1", ok=False, said="The one called data."),
        approval(
            "p1", "Leave plan mode?", approval_type="plan_exit", context={"plan_description": "1. Encrypt"}
        ),
        settle("p1"),
        neo("exec_tool_call", tool_call_id="c1", name="pulumi__preview"),
        neo("tool_response", tool_call_id="c1", name="pulumi__preview", content={"changes": 3}),
        approval("a1", "Run pulumi up?", context={"tool_name": "pulumi__up"}),
        settle("a1", synthetic=True),
        say("Opened pull request #12.", final=True),
    ]
    expected = [[], [], [K.QUESTION], [], [K.PLAN], [], [], [], [K.APPROVAL], [], [K.TURN_ENDED]]
    assert after_each(conversation) == expected


@given(st.lists(EVENTS, max_size=15))
def test_a_turn_is_over_only_when_nothing_is_pending(events: list[Event]) -> None:
    found = attention(fold(events))
    over = [need for need in found if need.kind in OVER]
    assert turn_is_over(fold(events)) == bool(over)
    assert not over or len(found) == 1
