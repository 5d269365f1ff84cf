"""Whatever bytes arrive, an event comes out: whole where possible, in its place in any case."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from neo_mcp import wire
from neo_mcp.wire import Event, UnknownBody, Unreadable, parse_event, parse_event_page

GOOD = {
    "id": "good",
    "isSynthetic": False,
    "type": "agentResponse",
    "eventBody": {"type": "warning", "message": "m"},
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
TYPES = [
    "assistant_message",
    "exec_tool_call",
    "exec_tool_call_progress",
    "tool_response",
    "user_approval_request",
    "awaiting_approvals",
    "error",
    "warning",
    "cancelled",
    "context_compression_event",
    "change_entities",
    "set_task_name",
    "user_message",
    "user_confirmation",
    "user_cancel",
    "tool_result",
    "unreadable",
    "unheard_of",
]
FIELDS = [
    *("timestamp", "content", "message", "name", "id", "status", "reason", "ok", "is_final", "is_error"),
    *(
        "tool_calls",
        "tool_results",
        "tool_call_id",
        "token_usage",
        "metadata",
        "buttons",
        "context",
        "changes",
    ),
    *(
        "approval_type",
        "sensitivity",
        "source",
        "entity_diff",
        "commands",
        "instructions",
        "approval_request_id",
    ),
]
ODD_BODIES = st.builds(
    lambda fields, kind: fields | {"type": kind},
    st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=6),
    st.sampled_from(TYPES),
)


def envelope(body: object, **fields: object) -> dict[str, Any]:
    return GOOD | {"id": "e1", "eventBody": body} | fields


def event_of(body: object, **fields: object) -> Event:
    return parse_event(json.dumps(envelope(body, **fields)))


@given(st.binary() | st.text() | JSON.map(json.dumps))
@example(b"\xff\xfe{\x00}\x00")
@example("\ud800")
@example("[" * 100_000)
@example('{"id":"e","eventBody":{"type":"x","n":' + "9" * 5000 + "}}")
@example('{"id":"e","eventBody":{"type":"x","n":NaN,"m":-Infinity,"o":1e999}}')
def test_reading_an_event_never_fails(data: str | bytes) -> None:
    event = parse_event(data)
    assert event.id
    assert parse_event(data).id == event.id
    assert json.loads(event.model_dump_json())["id"] == event.id


@given(body=ODD_BODIES, fields=st.dictionaries(st.sampled_from(["id", "isSynthetic", "type"]), JSON))
def test_an_odd_body_never_costs_the_event_its_place(body: dict[str, Any], fields: dict[str, Any]) -> None:
    raw = json.dumps(envelope(body) | fields)
    event = parse_event(raw, fallback_id="from-the-stream")
    sent = fields.get("id", "e1")
    if not isinstance(sent, str) or not sent:
        assert event.id == "from-the-stream"
    assert not isinstance(event.body, Unreadable) or body["type"] == "unreadable"
    assert parse_event(event.model_dump_json()).id == event.id


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
@example(b"[" * 100_000)
@example(b'{"events":' * 5_000)
@example(b'{"events":[],"continuationToken":5}')
@example(b'{"error":"not a page"}')
@example(b"<html>502</html>")
def test_a_page_is_read_or_refused_as_no_page(data: bytes) -> None:
    refusal: ValueError | None = None
    events: tuple[Event, ...] = ()
    try:
        events = parse_event_page(data).events
    except ValueError as error:
        refusal = error
    assert all(event.id for event in events)
    assert refusal is None or (type(refusal) is ValueError and str(refusal))


@given(bad=JSON | ODD_BODIES.map(envelope))
def test_one_bad_event_in_a_page_costs_only_itself(bad: object) -> None:
    page = parse_event_page(json.dumps({"events": [GOOD, bad, GOOD], "continuationToken": "next"}).encode())
    assert [event.id for event in page.events][::2] == ["good", "good"]
    assert len(page.events) == 3
    assert page.continuation_token == "next"


@pytest.mark.parametrize("depth", [62, 63, 190, 250, 900, 50_000])
@pytest.mark.parametrize("pair", ["[ ]", '{"a": }', '{"]":"[","b": }'])
def test_what_is_nested_too_deeply_is_left_out_and_the_rest_read(depth: int, pair: str) -> None:
    opening, closing = (part * depth for part in pair.split())
    value = f"{opening}0{closing}"
    good = '{"id":"good","eventBody":{"type":"warning","message":"m"}}'
    deep = '{"id":"deep","eventBody":{"type":"x","n":' + value + ',"last":"[{"}}'
    event = parse_event(deep)
    assert event.id == "deep"
    assert isinstance(event.body, UnknownBody)
    assert event.body.model_extra is not None
    assert event.body.model_extra["last"] == "[{"
    written = event.model_dump_json()
    assert ("[nested too deeply]" in written) == (depth > 62)
    assert parse_event(written) == event
    page = parse_event_page(f'{{"events":[{good},{deep},{good}]}}'.encode())
    assert page.events[1] == event
    assert [each.id for each in page.events[::2]] == ["good", "good"]


def test_an_event_of_too_many_values_is_unreadable_in_its_place() -> None:
    event = parse_event(
        '{"id":"e","eventBody":{"type":"x","n":[' + "[]," * 200_000 + "[]]}}", fallback_id="e"
    )
    assert event.id == "e"
    assert isinstance(event.body, Unreadable)
    assert "250,000 values" in event.body.reason


@pytest.mark.parametrize("digits", [101, 5000, 200_000])
def test_a_number_of_too_many_digits_costs_no_event(digits: int) -> None:
    odd = '{"id":"odd","eventBody":{"type":"x","n":' + "1" * digits + ',"m":[NaN,1e999,"' + "[" * 99 + '"]}}'
    event = parse_event(odd)
    assert event.id == "odd"
    assert parse_event_page(f'{{"events":[{odd}]}}'.encode()).events[0].id == "odd"
    assert not isinstance(event.body, Unreadable)


@pytest.mark.parametrize("data", ["{", "", "null", "[]", '"text"', "17", "{}", b"\xff\xff", '{"id":"e"'])
def test_bytes_that_are_no_event_get_the_same_id_every_time(data: str | bytes) -> None:
    first, again = parse_event(data), parse_event(data)
    assert isinstance(first.body, Unreadable)
    assert first.id == again.id
    assert first.id != parse_event("something else").id
    assert parse_event(data, fallback_id="sse-1").id == "sse-1"


def test_an_event_without_an_id_gets_the_same_one_from_a_page_and_from_the_stream() -> None:
    raw = {"type": "agentResponse", "eventBody": {"type": "warning", "message": "m"}, "id": ""}
    page = parse_event_page(json.dumps({"events": [raw]}, indent=2).encode())
    assert page.events[0] == parse_event(json.dumps(raw))
    assert isinstance(page.events[0].body, wire.WarningEvent)


@pytest.mark.parametrize("body", [None, [], "text", 3, True])
def test_a_body_that_is_no_object_keeps_the_events_id(body: object) -> None:
    event = event_of(body)
    assert (event.id, type(event.body)) == ("e1", Unreadable)


@pytest.mark.parametrize("data", ["\ufeff" + json.dumps(GOOD), b"\xef\xbb\xbf" + json.dumps(GOOD).encode()])
def test_a_byte_order_mark_is_no_obstacle(data: str | bytes) -> None:
    assert parse_event(data) == parse_event(json.dumps(GOOD))


@pytest.mark.parametrize(
    "data",
    [
        r'{"id":"e","eventBody":{"type":"warning","message":"half \ud83d"}}',
        '{"id":"e","eventBody":{"type":"warning","message":"half \ud83d"}}',
        b'{"id":"e","eventBody":{"type":"warning","message":"half \xf0\x9f"}}',
    ],
)
def test_text_that_no_utf8_can_carry_is_replaced_and_the_rest_kept(data: str | bytes) -> None:
    event = parse_event(data)
    assert isinstance(event.body, wire.WarningEvent)
    assert event.body.message.startswith("half \ufffd")
    assert event.model_dump_json().encode()


def test_nulls_stand_for_what_is_empty() -> None:
    message = event_of(
        {
            "type": "assistant_message",
            "timestamp": None,
            "content": None,
            "is_final": None,
            "tool_calls": None,
            "token_usage": None,
        }
    )
    assert message.body == wire.AssistantMessage()
    result = event_of(
        {"type": "tool_response", "tool_call_id": "c", "name": None, "content": None, "is_error": None}
    )
    assert result.body == wire.ToolResponse(tool_call_id="c")
    diff = event_of({"type": "change_entities", "changes": {"add": None, "remove": None}})
    assert diff.body == wire.ChangeEntities()
    said = event_of({"type": "user_message", "content": None, "commands": None, "entity_diff": None})
    assert said.body == wire.UserMessage(content="")
    results = event_of({"type": "tool_result", "tool_results": None})
    assert results.body == wire.ToolResults()


def test_nulls_in_an_approval_leave_an_approval() -> None:
    request = {"id": "a", "type": "user_approval_request", "message": None, "buttons": None, "context": None}
    nulls = {"approval_type": None, "sensitivity": None, "source": None}
    assert event_of(request | nulls).body == wire.UserApprovalRequest(id="a")
    context = {
        "tool_name": None,
        "plan_description": None,
        "git_diff": {"a.py": None},
        "last_approval_diff": None,
    }
    body = event_of(request | {"context": context}).body
    assert isinstance(body, wire.UserApprovalRequest)
    assert body.context is not None
    assert body.context.git_diff == {"a.py": ""}


@pytest.mark.parametrize(
    "odd",
    [
        {"timestamp": 1762162200},
        {"content": [{"type": "text", "text": "done"}]},
        {"token_usage": []},
        {"token_usage": {"model": {"input_tokens": "many"}}},
        {"tool_calls": [{"id": "c", "name": "n", "args": None, "execution_mode": 4}]},
        {"tool_calls": [{"id": "c", "name": "n", "args": ["a", "list"]}]},
    ],
)
def test_an_odd_field_that_decides_nothing_costs_nobody_the_end_of_the_turn(odd: dict[str, object]) -> None:
    body = event_of({"type": "assistant_message", "content": "done", "is_final": True, **odd}).body
    assert isinstance(body, wire.AssistantMessage)
    assert body.is_final
    assert "done" in body.content


@pytest.mark.parametrize(
    "odd",
    [
        {"buttons": "OK"},
        {"sensitivity": 9},
        {"approval_type": {"kind": "general"}},
        {"source": []},
        {"context": "none"},
        {"context": {"git_diff": ["a.py"]}},
        {"context": {"tool_name": 3}},
    ],
)
def test_an_odd_field_that_decides_nothing_costs_nobody_an_approval(odd: dict[str, object]) -> None:
    body = event_of({"type": "user_approval_request", "id": "a", "message": "Deploy?", **odd}).body
    assert isinstance(body, wire.UserApprovalRequest)
    assert (body.id, body.message) == ("a", "Deploy?")


@pytest.mark.parametrize(
    "body",
    [
        {"type": "user_approval_request", "message": "no id"},
        {"type": "user_confirmation", "approval_request_id": "a", "ok": "perhaps"},
        {"type": "tool_response", "content": {"a": 1}},
        {"type": "assistant_message", "is_final": "who knows"},
        {"no": "type"},
        {"reason": "looks like our own marker"},
        {"type": ["not", "text"]},
    ],
)
def test_a_body_that_lacks_what_matters_is_kept_whole_as_unknown(body: dict[str, object]) -> None:
    event = event_of(body)
    assert type(event.body) is UnknownBody
    kept = event.body.model_dump()
    assert {key: kept[key] for key in body if key != "type"} == {k: v for k, v in body.items() if k != "type"}


def test_nulls_in_a_task_are_taken_for_what_is_empty() -> None:
    raw = dict.fromkeys(wire.Task.model_fields) | {"id": "t"}
    assert wire.Task.model_validate(raw) == wire.Task(id="t")
    assert wire.TaskPage.model_validate_json('{"tasks":null,"continuationToken":null}').tasks == ()
    assert parse_event_page(b'{"events":null,"continuationToken":null}').events == ()
