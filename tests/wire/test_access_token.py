"""The encrypted access token that passes by in a task's events is never kept, in any form."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo_mcp.wire import Event, ProvidePulumiAccessToken, parse_event, parse_event_page
from neo_mcp.wire.first_generation import parse_flat_event_page

SECRET = "pulenc-v1-5eCr3tT0k3n"
TYPE = "provide_pulumi_access_token"
_LETTER = re.compile(r"\\.|[A-Za-z]")
BODY = {"type": TYPE, "timestamp": "2025-11-03T09:30:00Z", "encrypted_pulumi_access_token": SECRET}


def envelope(event_body: object, /, **fields: object) -> dict[str, Any]:
    return {"id": "e1", "isSynthetic": False, "type": "agentResponse", "eventBody": event_body, **fields}


def escaped(raw: object) -> str:
    """The same JSON with every letter in a string escaped."""
    return re.sub(r'"(?:[^"\\]|\\.)*"', lambda text: _LETTER.sub(_escape, text[0]), json.dumps(raw))


def _escape(match: re.Match[str]) -> str:
    return rf"\u{ord(match[0]):04x}" if len(match[0]) == 1 else match[0]


HIDING_PLACES: list[object] = [
    envelope(BODY),
    envelope(BODY | {"timestamp": {"odd": [SECRET]}}),
    envelope(BODY | {"encrypted_pulumi_access_token": {"value": [SECRET]}}),
    envelope({"type": TYPE, "token": SECRET}),
    envelope({"type": TYPE, "payload": {"deep": [SECRET]}}),
    envelope({"type": "ProvidePulumiAccessToken", "token": SECRET}),
    envelope({"Type": TYPE, "Token": SECRET}),
    envelope({"type": "brand_new", "EncryptedPulumiAccessToken": SECRET}),
    envelope({"type": "brand_new", "encrypted-pulumi-access-token": SECRET}),
    envelope({"type": "brand_new", "event": BODY}),
    envelope({"type": "brand_new", "events": [1, [BODY]]}),
    envelope({"type": "tool_response", "tool_call_id": "c", "name": "n", "content": [BODY]}),
    envelope({"type": "tool_response", "tool_call_id": "c", "name": "n", "content": json.dumps(BODY)}),
    envelope({"type": "warning", "message": f"sent {json.dumps(json.dumps(BODY))}"}),
    envelope({"type": "warning", "message": f"encrypted_pulumi_access_token: {SECRET}"}),
    envelope(json.dumps(BODY)),
    envelope([BODY]),
    envelope({"type": "warning", "message": "m"}, EventBody=BODY),
    envelope({"type": "warning", "message": "m"}, body=BODY),
    {"Id": "e1", "IsSynthetic": False, "Type": "agentResponse", "EventBody": BODY},
    {"id": "e1", "event_body": BODY},
    BODY | {"id": "e1"},
    BODY,
    [BODY],
    json.dumps(BODY),
]


def assert_clean(event: Event) -> None:
    shown = [repr(event), str(event), repr(event.body), event.model_dump_json(), str(event.model_dump())]
    shown += [str(event.model_extra), str(event.body.model_extra), event.model_dump_json(by_alias=True)]
    assert all(SECRET not in text for text in shown)


@pytest.mark.parametrize("raw", HIDING_PLACES)
@pytest.mark.parametrize("write", [json.dumps, escaped])
def test_the_token_is_gone_wherever_it_hides(raw: object, write: Any) -> None:  # noqa: ANN401 - two writers
    assert_clean(parse_event(write(raw)))
    page = parse_event_page(f'{{"events":[{write(raw)}],"more":{write(raw)}}}'.encode())
    assert_clean(page.events[0])
    assert SECRET not in repr(page)


@pytest.mark.parametrize("raw", [json.dumps(envelope(BODY))[:-n] for n in range(1, 40, 6)])
def test_the_token_is_gone_from_an_event_cut_short(raw: str) -> None:
    assert_clean(parse_event(raw))


@pytest.mark.parametrize(
    "flat",
    [
        BODY | {"sequence": 1},
        {"type": "console_output", "content": BODY, "sequence": 2},
        {"type": "console_output", "content": json.dumps(BODY), "sequence": 3},
        {"type": "other", "encryptedPulumiAccessToken": SECRET, "sequence": 4},
        BODY,
    ],
)
def test_the_token_is_gone_from_first_generation_events(flat: dict[str, object]) -> None:
    page = parse_flat_event_page(json.dumps({"events": [flat]}).encode())
    assert_clean(page.events[0])
    if "sequence" in flat:
        assert page.events[0].id == f"seq-{flat['sequence']}"


def test_the_event_itself_keeps_its_place() -> None:
    event = parse_event(json.dumps(envelope(BODY)))
    assert event.id == "e1"
    assert event.body == ProvidePulumiAccessToken()
    assert event.body.model_dump() == {"type": TYPE}
    assert event.body.timestamp == ""


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_talk_about_the_token_is_left_alone(text: str) -> None:
    words = f"{text} PULUMI_ACCESS_TOKEN and provide_pulumi_access_token and encrypted_pulumi_access_token"
    event = parse_event(json.dumps(envelope({"type": "warning", "message": words})))
    assert event.body.model_dump()["message"] == words
