"""Events folded into the items of the task view."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo_mcp.core.attention import attention
from neo_mcp.core.sanitize import clean
from neo_mcp.core.view import fold as view_fold
from neo_mcp.core.view.fold import MAX_ITEMS, ViewFold
from neo_mcp.core.view.items import (
    ATTENTION_BYTES,
    ITEMS_BYTES,
    attention_view,
    entities,
    item,
    recent_items,
    size,
    todos,
)
from neo_mcp.core.view.model import Item
from neo_mcp.wire import Event
from tests.core.events import EVENTS, approval, ask, call, neo, results, say, settle, user
from tests.core.test_nodes import TAGS, elements, texts
from tests.support.shapes import misfit, texts_in

NOW = datetime(2025, 11, 3, 9, 31, tzinfo=UTC)


def fold(*events: Event) -> ViewFold:
    folded = ViewFold()
    for event in events:
        folded.apply(event)
    return folded


def rendered(folded: ViewFold) -> list[Item]:
    return list(recent_items(folded.held, NOW))[::-1]


def shown(*events: Event) -> list[Item]:
    return rendered(fold(*events))


def one(kind: str, *events: Event) -> Any:  # noqa: ANN401 - an item, whose fields are read at will
    (found,) = [each for each in shown(*events) if each["kind"] == kind]
    return found


@given(events=st.lists(EVENTS, max_size=12), at=st.integers(0, 12))
def test_folding_a_prefix_and_then_the_rest_equals_folding_all(events: list[Event], at: int) -> None:
    whole, parts = fold(*events), fold(*events[:at])
    for event in events[at:]:
        parts.apply(event)
    assert parts == whole
    assert [entry.index for entry in whole.held] == list(range(whole.total - len(whole.held), whole.total))
    assert len({entry.id for entry in whole.held}) == len(whole.held)


@given(events=st.lists(EVENTS, max_size=12), at=st.integers(0, 12))
def test_a_reader_who_takes_what_changed_knows_what_one_does_who_looks_at_all(
    events: list[Event], at: int
) -> None:
    first = fold(*events[:at])
    known = {entry.index: item(entry, NOW) for entry in first.held}
    whole = fold(*events)
    seen = min(at, len(events)) - 1
    known |= {entry.index: item(entry, NOW) for entry in whole.since(seen)}
    assert [known[entry.index] for entry in whole.held] == [item(entry, NOW) for entry in whole.held]


@given(events=st.lists(EVENTS, max_size=12))
def test_whatever_happens_items_are_clean_small_and_of_their_shape(events: list[Event]) -> None:
    whole = fold(*events)
    made = rendered(whole)
    assert size(made) <= ITEMS_BYTES + 64 * 2**10
    assert bool(made) == bool(whole.held)
    for each in made:
        assert misfit(each, Item) is None
        assert all(element["t"] in TAGS for element in elements(each.get("text", [])))
        assert [text for text in texts_in(each) if clean(text) != text] == []
    for need in attention(whole.state):
        view = attention_view(need, None, ATTENTION_BYTES)
        assert size(view) <= ATTENTION_BYTES + 8_000
        assert all(clean(text) == text for text in texts_in(view))
    assert size(todos(whole.state)) < 100_000
    assert size(entities(whole.state.entities)) < 100_000


def test_a_tool_call_is_one_item_from_its_call_to_its_result() -> None:
    events = [
        ask(),
        say("I look.", calls=[call("c", "sh__run", "cloud", cmd="ls")]),
        neo("exec_tool_call", tool_call_id="c", name="sh__run"),
        neo("exec_tool_call_progress", tool_call_id="c", status="running", content="half"),
        neo("tool_response", tool_call_id="c", name="sh__run", content={"stdout": "a\nb"}, is_error=True),
    ]
    states = [one("tool", *events[:count])["state"] for count in range(2, 6)]
    assert states == ["called", "running", "running", "failed"]
    done = one("tool", *events)
    assert done["output"] == "a\nb"
    assert done["progress"] == "half"
    assert json.loads(done["arguments"]) == {"cmd": "ls"}
    assert done["seconds"] == 0.0
    running = one("tool", *events[:3])
    assert running["seconds"] == 60.0
    assert one("tool", *events[:2])["seconds"] is None


def test_a_result_of_an_unknown_call_is_an_item_of_its_own() -> None:
    assert one("tool", neo("tool_response", tool_call_id="c", name="sh__run", content="x"))["state"] == "done"


def test_two_unknown_results_of_one_event_are_two_items() -> None:
    found = shown(results("a", "b"))
    assert len({each["id"] for each in found}) == 2


def test_the_to_do_list_and_questions_are_no_tool_calls() -> None:
    events = [
        say("", calls=[call("t", "todo__TodoWrite", "cloud", todos=[]), call("q", "neo__ask_user", "cloud")]),
        neo("tool_response", tool_call_id="t", name="todo__TodoWrite", content={"ok": True}),
        neo("tool_response", tool_call_id="q", name="neo__ask_user", content={"ok": True}),
    ]
    assert shown(*events) == []


def test_an_approval_says_how_it_was_settled_and_its_tool_waits_for_it() -> None:
    context = {"tool_name": "pulumi__up", "tool_call_id": "c", "git_diff": {"x": "@@ -1 +1 @@\n+a\n"}}
    events = [ask(), say("", calls=[call("c", "pulumi__up", "cloud")]), approval("a1", context=context)]
    assert one("tool", *events)["state"] == "waiting"
    assert one("approval", *events)["state"] == "pending"
    assert one("approval", *events)["diff"][0]["added"] == 1
    settled = [*events, settle("a1", ok=True, said="Go on.")]
    assert one("approval", *settled)["state"] == "approved"
    assert one("decision", *settled)["text"] == [{"t": "p", "c": ["Go on."]}]
    assert one("tool", *settled)["state"] == "called"
    assert one("decision", *events, settle("a1", synthetic=True))["who"] == "Pulumi Cloud"


@pytest.mark.parametrize(("said", "state"), [("Blue.", "answered"), (None, "denied")])
def test_a_question_is_answered_or_dismissed(said: str | None, state: str) -> None:
    question = approval("q1", "Which?", context={"tool_name": "ask_user"}, buttons=["Blue", "Red"])
    events = [ask(), question, settle("q1", ok=False, said=said)]
    assert one("approval", *events)["state"] == state
    assert one("approval", *events)["request"] == "question"


def test_what_ends_with_its_turn_says_so() -> None:
    events = [ask(), say("", calls=[call("c", "sh__run", "cloud")]), approval("a1"), neo("cancelled")]
    assert one("approval", *events)["state"] == "withdrawn"
    assert one("tool", *events)["state"] == "stopped"
    late = [*events, neo("tool_response", tool_call_id="c", name="sh__run", content="late")]
    assert one("tool", *late)["state"] == "done"
    again = [*events, neo("awaiting_approvals")]
    assert one("approval", *again)["state"] == "withdrawn"


def test_a_call_id_that_comes_again_is_another_call() -> None:
    turn = [
        say("", calls=[call("c", "sh__run", "cloud")]),
        neo("tool_response", tool_call_id="c", name="sh__run", content="x"),
    ]
    assert [each["state"] for each in shown(ask(), *turn, *turn) if each["kind"] == "tool"] == [
        "done",
        "done",
    ]


def test_a_compression_is_one_item() -> None:
    kind = "context_compression_event"
    begun = neo(kind, status="compressing", message="Making room")
    assert one("compression", begun)["state"] == "compressing"
    assert one("compression", begun, neo(kind, status="compressed"))["state"] == "compressed"


def test_entities_come_and_go_by_name() -> None:
    stack = {"type": "stack", "project": "web", "name": "prod"}
    found = one("entities", neo("change_entities", changes={"add": [stack], "remove": []}))
    assert (found["added"], found["removed"]) == (["stack web/prod"], [])


def test_what_is_said_with_a_message_about_the_context_is_an_item() -> None:
    stack = {"type": "stack", "project": "web", "name": "prod"}
    assert [each["kind"] for each in shown(ask(entity_diff={"add": [stack], "remove": []}))] == [
        "user",
        "entities",
    ]


def test_other_events_are_short_notes() -> None:
    found = shown(neo("set_task_name", name="Buckets"), user("user_cancel"), neo("awaiting_approvals"))
    assert [each["kind"] for each in found] == ["note"] * 3
    assert found[0]["title"] == 'The task is now called: "Buckets"'
    assert found[1]["who"] == "You"


def test_of_a_long_task_the_newest_items_are_held_and_all_are_counted() -> None:
    events = [say(f"word {number}") for number in range(MAX_ITEMS + 100)]
    folded = fold(*events)
    assert folded.total == MAX_ITEMS + 100
    assert [entry.index for entry in folded.held] == list(range(100, MAX_ITEMS + 100))


def test_older_items_are_had_by_folding_again() -> None:
    folded = ViewFold(range(10, 20))
    for number in range(MAX_ITEMS + 100):
        folded.apply(say(f"word {number}"))
    assert [entry.text for entry in folded.held] == [f"word {number}" for number in range(10, 20)]
    assert folded.total == MAX_ITEMS + 100


def test_the_text_that_is_held_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view_fold, "MAX_CHARACTERS", 100_000)
    folded = ViewFold(_budget=100_000)
    for number in range(40):
        folded.apply(say(f"{number}" + "x" * 30_000))
        folded.apply(say("", calls=[call(f"c{number}", "sh__run", "cloud")]))
        folded.apply(neo("tool_response", tool_call_id=f"c{number}", name="sh__run", content="y" * 30_000))
    assert sum(entry.size for entry in folded.held) <= 100_000
    assert folded.held[-1].index == folded.total - 1


def test_of_very_much_less_is_shown_and_it_says_so() -> None:
    found = one("assistant", say("word " * 20_000))
    assert found["cut"] > 0
    answer = neo("tool_response", tool_call_id="c", name="sh__run", content="z" * 50_000)
    assert one("tool", answer)["output_cut"]
    assert one("tool", answer)["output"].endswith("… [cut]")


def test_of_items_that_do_not_fit_into_an_answer_the_newest_are_shown() -> None:
    many = [say("- *a* `b`\n" * 1500) for _ in range(40)]
    made = shown(*many)
    assert 0 < len(made) < 40
    assert made[-1]["index"] == 39


def test_a_secret_is_taken_out_wherever_it_stands() -> None:
    secret = "ghp_0123456789012345678901234567890123456789"
    events = [
        ask(f"use {secret}"),
        say(f"I use `{secret}`", calls=[call("c", "sh__run", "cloud", token=secret, env={"X": secret})]),
        neo("exec_tool_call_progress", tool_call_id="c", status="x", content=secret),
        neo("tool_response", tool_call_id="c", name="sh__run", content={"stdout": f"{secret}\n"}),
        approval("a", secret, context={"plan_description": secret, "git_diff": {secret: f"+{secret}"}}),
        neo("brand_new", field=secret),
        neo("error", message=secret),
    ]
    text = json.dumps(shown(*events))
    assert secret not in text
    assert text.count("[redacted: GitHub token]") >= 10
    assert "".join(texts(one("error", *events)["text"])) == "[redacted: GitHub token]"
