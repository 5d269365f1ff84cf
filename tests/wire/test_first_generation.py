"""The first generation's answers read in the second's terms, and nothing is lost."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo_mcp import wire
from neo_mcp.wire.first_generation import (
    FlatEvent,
    FlatEventPage,
    flat_message,
    flat_user_input,
    parse_flat_event_page,
)

NOW = "2025-01-15T10:30:00Z"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


def event_of(raw: object) -> wire.Event:
    return parse_flat_event_page(json.dumps({"events": [raw]}).encode()).events[0]


def test_the_documented_page_reads_in_order_of_sequence() -> None:
    raw = {
        "events": [
            {"type": "user_input", "timestamp": NOW, "content": "Continue", "sequence": 2},
            {"type": "console_output", "timestamp": NOW, "content": "Processing request...", "sequence": 1},
        ],
        "continuationToken": "next_page_token",
    }
    page = FlatEventPage.model_validate_json(json.dumps(raw)).to_page()
    first, second = page.events
    assert (first.id, first.type) == ("seq-1", "agentResponse")
    assert first.body == wire.AssistantMessage(timestamp=NOW, content="Processing request...")
    assert (second.id, second.from_person) == ("seq-2", True)
    assert second.body == wire.UserMessage(timestamp=NOW, content="Continue")
    assert page.continuation_token == "next_page_token"


def test_fields_that_are_new_are_kept() -> None:
    event = event_of({"type": "console_output", "content": "hi", "sequence": 1, "colour": "green"})
    assert event.body.model_extra == {"colour": "green"}


def test_an_event_of_another_type_is_kept_whole() -> None:
    raw = {"type": "error", "timestamp": NOW, "content": {"why": "quota"}, "sequence": 3, "code": 9}
    event = event_of(raw)
    assert type(event.body) is wire.UnknownBody
    assert event.body.model_dump() == {key: value for key, value in raw.items() if key != "sequence"}


def test_output_that_is_no_text_is_kept_as_json() -> None:
    event = event_of({"type": "console_output", "content": {"stack": "prod"}, "sequence": 1})
    assert event.body == wire.AssistantMessage(content='{"stack": "prod"}')


def test_an_event_without_a_number_comes_last_with_the_same_id_every_time() -> None:
    raw = {"events": [{"type": "console_output", "content": "lost"}, {"content": "first", "sequence": 1}]}
    pages = [parse_flat_event_page(json.dumps(raw, indent=indent).encode()) for indent in (None, 2)]
    assert pages[0] == pages[1]
    assert [event.id.partition("-")[0] for event in pages[0].events] == ["seq", "unreadable"]


@given(bad=JSON)
def test_one_bad_event_costs_only_itself(bad: object) -> None:
    good = {"type": "console_output", "content": "hi", "sequence": 1}
    page = parse_flat_event_page(json.dumps({"events": [good, bad]}).encode())
    assert "seq-1" in [event.id for event in page.events]
    assert len(page.events) == 2


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_a_page_is_read_or_refused_as_no_page(data: bytes) -> None:
    refusal: ValueError | None = None
    events: tuple[wire.Event, ...] = ()
    try:
        events = parse_flat_event_page(data).events
    except ValueError as error:
        refusal = error
    assert all(event.id for event in events)
    assert refusal is None or (type(refusal) is ValueError and str(refusal))


def test_nulls_stand_for_what_is_empty() -> None:
    assert parse_flat_event_page(b'{"events":null,"continuationToken":null}').events == ()
    assert (
        FlatEvent.model_validate(dict.fromkeys(("type", "timestamp", "content", "sequence"))).sequence is None
    )


def test_the_answer_to_a_create_is_a_task() -> None:
    raw = {"id": "task_abc123", "name": "Task name", "status": "pending", "createdAt": NOW, "entities": []}
    task = wire.Task.model_validate_json(json.dumps(raw))
    assert (task.id, task.status, task.is_running) == ("task_abc123", wire.TaskStatus.PENDING, True)


def test_an_entity_of_this_generation_is_shown_by_its_id() -> None:
    raw = {"id": "t", "status": "running", "entities": [{"type": "stack", "id": "my-stack"}]}
    task = wire.Task.model_validate_json(json.dumps(raw))
    assert [wire.describe(entity) for entity in task.entities] == ["stack my-stack"]


def test_a_message_is_flat_and_its_entities_go_by_id() -> None:
    repository = wire.Repository(name="infra", org="acme")
    added = (
        wire.Stack(name="prod", project="billing"),
        repository,
        wire.PullRequest(number=7, repo=repository),
        wire.PolicyIssue(id="pi-1"),
        wire.UnknownEntity.model_validate({"type": "environment", "id": "dev"}),
    )
    diff = wire.EntityDiff(add=added, remove=(repository,))
    assert flat_message(wire.UserMessage(content="Tidy up", timestamp=NOW, entity_diff=diff)) == {
        "content": "Tidy up",
        "timestamp": NOW,
        "entity_diff": {
            "add": [
                {"type": "stack", "id": "billing/prod"},
                {"type": "repository", "id": "acme/infra"},
                {"type": "pull_request", "id": "acme/infra#7"},
                {"type": "policy_issue", "id": "pi-1"},
                {"type": "environment", "id": "dev"},
            ],
            "remove": [{"type": "repository", "id": "acme/infra"}],
        },
    }
    assert flat_message(wire.UserMessage(content="Hi", timestamp=NOW)) == {"content": "Hi", "timestamp": NOW}


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (wire.UserMessage(content="Go on.", timestamp=NOW), "Go on."),
        (wire.UserConfirmation(approval_request_id="a", ok=True, timestamp=NOW), "Yes, please proceed."),
        (
            wire.UserConfirmation(approval_request_id="a", ok=False, timestamp=NOW),
            "No, please do not do that.",
        ),
        (
            wire.UserConfirmation(approval_request_id="a", ok=False, instructions="eu-west-1", timestamp=NOW),
            "eu-west-1",
        ),
    ],
)
def test_every_answer_travels_as_words(event: wire.UserMessage | wire.UserConfirmation, words: str) -> None:
    assert flat_user_input(event) == {"event": {"type": "user_input", "content": words, "timestamp": NOW}}
