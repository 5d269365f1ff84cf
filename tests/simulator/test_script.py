"""The interpreter alone: no clock, no network."""

from itertools import count
from typing import Any

import pytest

from neo_mcp.simulator.script import (
    Action,
    AskPerson,
    Decision,
    Emit,
    Pause,
    Reply,
    RunLocally,
    Step,
    Surroundings,
    Text,
    Turn,
    render,
    verb_of,
)


def play(
    steps: list[Step], *replies: Reply, read_only: bool = False, plan: Step | None = None
) -> list[Action]:
    """Everything a turn does when the world answers like that."""
    numbers = count(1)
    around = Surroundings("the prompt", lambda prefix: f"{prefix}-{next(numbers)}", lambda: read_only)
    script = Turn(around).play(steps, plan)
    waiting = list(replies)
    actions: list[Action] = []
    reply: Reply = None
    while True:
        try:
            action = script.send(reply)
        except StopIteration:
            return actions
        actions.append(action)
        reply = waiting.pop(0) if isinstance(action, AskPerson | RunLocally) else None


def bodies(actions: list[Action]) -> list[dict[str, Any]]:
    return [action.body for action in actions if not isinstance(action, Pause)]


def test_a_turn_without_an_end_gets_one() -> None:
    assert bodies(play([]))[-1]["is_final"]


def test_nothing_follows_a_final_message() -> None:
    assert len(bodies(play([{"final": "x"}, {"say": "y"}]))) == 1


def test_an_approved_tool_runs_under_the_id_it_was_asked_for() -> None:
    step = {"tool": "pulumi__up", "approval": {"message": "?"}, "result": {"a": 1}}
    said, asked, started, answered, _ = bodies(play([step], Decision(ok=True)))
    call = said["tool_calls"][0]["id"]
    assert asked["context"]["tool_call_id"] == started["tool_call_id"] == answered["tool_call_id"] == call
    assert answered["content"] == {"a": 1}


def test_a_denied_tool_does_not_run() -> None:
    step = {"tool": "pulumi__up", "approval": {"message": "?"}, "denied": [{"final": "No: {{instructions}}"}]}
    kinds = bodies(play([step, {"say": "never"}], Decision(ok=False, instructions="wait")))
    assert "exec_tool_call" not in [body["type"] for body in kinds]
    assert kinds[-2]["is_error"]
    assert kinds[-1]["content"] == "No: wait"


def test_a_read_only_turn_never_even_asks() -> None:
    step = {"tool": "pulumi__up", "writes": True, "approval": {"message": "?"}}
    actions = play([step], read_only=True)
    assert not any(isinstance(action, AskPerson) for action in actions)
    assert "pulumi__up" in bodies(actions)[-1]["content"]


def test_a_plan_is_revised_until_it_is_approved() -> None:
    plan = {"description": "first", "revised": "second: {{instructions}}"}
    replies = [Decision(ok=False, instructions="a"), Decision(ok=False, instructions="b"), Decision(ok=True)]
    asked = [
        a.body["context"]["plan_description"]
        for a in play([], *replies, plan=plan)
        if isinstance(a, AskPerson)
    ]
    assert asked == ["first", "second: a", "second: b"]


def test_messages_count_their_tokens_and_the_context_grows() -> None:
    messages = [a.body for a in play([{"say": "x" * 400}, {"final": "y"}]) if isinstance(a, Emit)]
    first, second = (next(iter(body["token_usage"].values())) for body in messages)
    assert first["output_tokens"] > second["output_tokens"]
    assert second["cache_read_input_tokens"] > first["cache_read_input_tokens"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a {{x}} b {{y}}", "a 1 b {{y}}"),
        (["a", "{{x}}"], "a\n1"),
        ({"lines": ["a", "b"]}, "a\nb"),
        ("${not} a {placeholder}", "${not} a {placeholder}"),
    ],
)
def test_texts_are_rendered(text: Text, expected: str) -> None:
    assert render(text, {"x": "1"}) == expected


def test_a_long_text_is_made_from_a_line() -> None:
    text = render({"line": "row {{n}}", "bytes": 1000}, {})
    assert text.startswith("row 1\nrow 2\n")
    assert len(text) == pytest.approx(1000, rel=0.3)


@pytest.mark.parametrize("step", [{}, {"sing": "la"}, {"say": "x", "final": "y"}])
def test_a_step_has_exactly_one_verb(step: Step) -> None:
    with pytest.raises(ValueError, match="exactly one verb"):
        verb_of(step)
