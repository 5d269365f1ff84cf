"""Bodies of requests and calls in a task's state: bounded, and let go in the right order."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo_mcp.core import held
from neo_mcp.core.attention import AttentionKind, attention, request_kind
from neo_mcp.core.context import MAX_ENTITIES_BYTES
from neo_mcp.core.held import CUT_ARGUMENTS, MAX_HELD_BYTES, Body, body_of, is_body_of
from neo_mcp.core.sizes import memory_of
from neo_mcp.core.state import TaskState
from neo_mcp.wire import (
    ApprovalContext,
    AssistantMessage,
    Cancelled,
    ChangeEntities,
    Event,
    EventBody,
    ExecToolCall,
    Stack,
    TokenUsage,
    ToolCall,
    ToolExecutionMode,
    UserApprovalRequest,
    UserConfirmation,
)

MIB = 2**20


def applied(*bodies: EventBody, state: TaskState | None = None) -> TaskState:
    state = state or TaskState()
    for body in bodies:
        state.apply(Event(id=f"e{state.events}", body=body))
    return state


def asks(request_id: str, size: int = MIB, call_id: str | None = None) -> UserApprovalRequest:
    context = ApprovalContext(tool_call_id=call_id, git_diff={"main.py": "+" * size})
    return UserApprovalRequest(id=request_id, message=f"May I {request_id}?", context=context)


def calls(*ids: str, size: int = MIB, mode: ToolExecutionMode | None = None) -> AssistantMessage:
    made = tuple(
        ToolCall(id=call_id, name="shell__run", args={"command": "x" * size}, execution_mode=mode)
        for call_id in ids
    )
    return AssistantMessage(tool_calls=made, is_final=mode is not None)


def held_bytes(state: TaskState) -> int:
    return memory_of([state.approvals, state.calls, state.local_calls])


def test_all_of_very_many_pending_requests_stay_pending_with_their_digests() -> None:
    state = applied(*(asks(f"r{number}") for number in range(600)))
    assert [request.id for request in state.pending_approvals] == [f"r{number}" for number in range(600)]
    assert held_bytes(state) <= MAX_HELD_BYTES
    assert len(state.previews) > 500
    assert state.approvals["r0"].message == "May I r0?"


def test_requests_that_fit_are_held_whole() -> None:
    state = applied(*(asks(f"r{number}", 10_000) for number in range(100)))
    assert not state.previews
    assert state.approvals["r0"] == asks("r0", 10_000)


def test_the_withdrawn_go_before_the_pending() -> None:
    old = applied(asks("old", 2 * MIB), Cancelled())
    state = applied(asks("new", MIB), asks("newer", MIB // 2), state=old)
    assert "old" not in state.approvals
    assert not state.withdrawn
    assert not state.previews


def test_withdrawn_requests_without_an_end_take_bounded_memory() -> None:
    state = TaskState()
    for number in range(300):
        applied(asks(f"r{number}"), Cancelled(), state=state)
    assert held_bytes(state) <= MAX_HELD_BYTES
    assert not state.pending_approvals


def test_calls_without_results_take_bounded_memory() -> None:
    state = applied(*(calls(f"c{number}") for number in range(300)))
    assert held_bytes(state) <= MAX_HELD_BYTES


def test_a_call_that_a_request_waits_for_goes_after_all_requests() -> None:
    state = applied(calls("c0", size=MIB), asks("r0", call_id="c0"), *(asks(f"r{n}") for n in range(1, 60)))
    assert "c0" in state.calls
    assert "r0" in state.previews


def test_local_calls_that_do_not_fit_say_that_their_arguments_are_cut() -> None:
    state = applied(calls(*(f"c{n}" for n in range(30)), mode=ToolExecutionMode.CLI))
    assert len(state.local_calls) == 30
    assert held_bytes(state) <= MAX_HELD_BYTES
    assert CUT_ARGUMENTS in state.local_calls["c0"].args


def test_a_request_that_is_answered_leaves_nothing_behind() -> None:
    state = applied(*(asks(f"r{number}") for number in range(20)))
    applied(*(UserConfirmation(approval_request_id=f"r{n}", ok=True) for n in range(20)), state=state)
    assert not state.approvals
    assert not state.previews
    assert state.sizes.total == 0


def test_a_body_that_is_not_held_is_known_when_it_is_read_again() -> None:
    state = applied(calls("c"), *(asks(f"r{number}", call_id="c") for number in range(30)))
    preview = state.approvals["r0"]
    assert body_of(state, preview) is None
    assert is_body_of(state, Body(asks("r0", call_id="c")))
    assert not is_body_of(state, Body(asks("r0", call_id="d")))
    assert not is_body_of(state, Body(asks("r0", size=5, call_id="c")))
    assert not is_body_of(state, Body(preview))
    assert not is_body_of(state, Body(asks("other")))
    applied(Cancelled(), state=state)
    assert not is_body_of(state, Body(asks("r0", call_id="c")))


def test_a_request_whose_call_is_a_preview_is_not_held_whole() -> None:
    state = applied(calls("c", size=4 * MIB), asks("r0", size=5, call_id="c"))
    assert CUT_ARGUMENTS in state.calls["c"].args
    assert "r0" not in state.previews
    assert body_of(state, state.approvals["r0"]) is None
    state = applied(calls("c", size=5), asks("r0", size=5, call_id="c"))
    assert body_of(state, state.approvals["r0"]) == Body(state.approvals["r0"], state.calls["c"])


def test_the_same_request_again_is_the_same_although_only_a_preview_is_held() -> None:
    state = applied(*(asks(f"r{number}") for number in range(30)))
    before = state.asked_in["r0"]
    applied(asks("r0"), state=state)
    assert state.asked_in["r0"] == before
    applied(asks("r0", size=7), state=state)
    assert state.asked_in["r0"] != before


def test_a_name_a_warning_and_a_to_do_list_without_end_are_cut() -> None:
    todos = [{"content": "x" * MIB, "status": "pending"}] * 50
    state = applied(AssistantMessage(content="y" * (8 * MIB)))
    applied(
        AssistantMessage(tool_calls=(ToolCall(id="t", name="todo__TodoWrite", args={"todos": todos}),)),
        state=state,
    )
    assert memory_of([state.last_message]) < MIB
    assert sum(len(todo.content) for todo in state.todos) < MIB


def test_of_more_requests_than_there_is_room_for_the_newest_are_counted() -> None:
    state = TaskState()
    for number in range(20_000):
        applied(asks(f"r{number}", 10), state=state)
    listed = len(state.pending_approvals)
    assert listed > 1000
    assert state.unlisted == 20_000 - listed
    assert state.memory <= MAX_HELD_BYTES * 1.1
    assert memory_of([state.approvals, state.asked_in, state.previews]) <= MAX_HELD_BYTES
    for number in range(listed):
        if number % 200 == 0:
            assert {need.kind for need in attention(state)} == {AttentionKind.APPROVAL}
        applied(UserConfirmation(approval_request_id=f"r{number}", ok=True), state=state)
    (need,) = attention(state)
    assert need.kind is AttentionKind.STALLED
    assert f"{20_000 - listed} more requests" in need.message
    for number in range(listed, 20_000):
        applied(UserConfirmation(approval_request_id=f"r{number}", ok=True), state=state)
    assert (attention(state), state.unlisted) == ((), 0)


def test_requests_that_are_only_counted_end_with_their_turn_and_leave_room_for_others() -> None:
    state = applied(*(asks(f"r{number}", 10) for number in range(5000)), Cancelled(), asks("new"))
    assert (state.unlisted, [request.id for request in state.pending_approvals]) == (0, ["new"])


def test_local_calls_without_end_are_counted() -> None:
    state = applied(calls(*(f"c{n}" for n in range(30_000)), size=1, mode=ToolExecutionMode.CLI))
    assert state.unlisted_calls == 30_000 - len(state.local_calls)
    assert 500 < len(state.local_calls) < 5000
    assert state.memory <= MAX_HELD_BYTES * 1.1


@pytest.mark.parametrize("is_junk_inside", [False, True])
def test_fields_that_are_not_known_count_and_are_not_part_of_a_preview(is_junk_inside: bool) -> None:
    junk: dict[str, Any] = {"junk": [[] for _ in range(20_000)]}
    inside = junk if is_junk_inside else {}
    outside = {} if is_junk_inside else junk
    state = TaskState()
    for number in range(50):
        request = {"id": f"r{number}", "context": {"tool_name": "pulumi__up", **inside}, **outside}
        applied(UserApprovalRequest.model_validate(request), state=state)
    assert len(state.pending_approvals) == 50
    assert memory_of(state.approvals) <= MAX_HELD_BYTES


def test_a_preview_of_a_question_is_one_however_long_its_tools_name_is() -> None:
    name = "x" * MIB + "__ask_user"
    context = ApprovalContext(tool_name=name, git_diff={"a": "+" * 5 * MIB})
    state = applied(UserApprovalRequest(id="q", context=context))
    assert state.previews.keys() == {"q"}
    assert request_kind(state.approvals["q"]) is AttentionKind.QUESTION
    assert memory_of(state.approvals["q"]) < 5000


def test_entities_and_a_time_without_end_are_cut() -> None:
    state = TaskState()
    for number in range(300):
        added = [{"type": "stack", "name": f"s{number}", "project": "p" * 9000, "more": "m" * 9000}]
        applied(
            ChangeEntities.model_validate({"changes": {"add": added}, "timestamp": "2026" * MIB}), state=state
        )
    assert memory_of(state.entities) <= MAX_ENTITIES_BYTES + 1000
    assert state.lacks_entities
    assert [entity.name for entity in state.entities if isinstance(entity, Stack)][-1] == "s299"
    assert len(state.last_timestamp) < 1000


def test_models_and_tools_without_end_are_bounded() -> None:
    state = TaskState()
    for number in range(3000):
        used = {f"{number}" + "m" * 1000: TokenUsage(input_tokens=1)}
        applied(AssistantMessage(content="", token_usage=used), state=state)
        applied(ExecToolCall(tool_call_id=f"c{number}", name="n" * 1000), state=state)
    assert sum(used.input_tokens for used in state.usage.values()) == 3000
    assert memory_of(state.usage) < MIB // 5
    assert memory_of([tool.name for tool in state.tools.values()]) < MIB // 5


@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("ask"), st.integers(0, 5), st.integers(0, 3000)),
            st.tuples(st.just("answer"), st.integers(0, 5), st.just(0)),
            st.tuples(st.just("call"), st.integers(0, 5), st.integers(0, 3000)),
            st.tuples(st.just("local"), st.integers(0, 5), st.integers(0, 3000)),
            st.tuples(st.just("cancel"), st.just(0), st.just(0)),
        ),
        max_size=40,
    )
)
def test_what_is_held_is_bounded_and_accounted_for_at_every_step(steps: list[tuple[str, int, int]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(held, "MAX_HELD_BYTES", 30_000)
        state = TaskState()
        pending: set[str] = set()
        for kind, number, size in steps:
            match kind:
                case "ask":
                    applied(asks(f"r{number}", size), state=state)
                    pending.add(f"r{number}")
                case "answer":
                    applied(UserConfirmation(approval_request_id=f"r{number}", ok=True), state=state)
                    pending.discard(f"r{number}")
                case "call":
                    applied(calls(f"c{number}", size=size), state=state)
                case "local":
                    applied(calls(f"c{number}", size=size, mode=ToolExecutionMode.CLI), state=state)
                case _:
                    applied(Cancelled(), state=state)
                    pending -= {request_id for request_id in pending if request_id in state.withdrawn}
                    pending &= state.approvals.keys()
            assert {request.id for request in state.pending_approvals} == pending
            assert state.sizes.total == sum(state.sizes._sizes.values())
            assert state.previews.keys() <= state.approvals.keys()
            held_keys = (
                {held.REQUEST + key for key in state.approvals}
                | {held.CALL + key for key in state.calls}
                | {held.LOCAL + key for key in state.local_calls}
            )
            assert state.sizes._sizes.keys() == held_keys
