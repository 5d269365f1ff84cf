"""Values that their own keys name a secret are shown nowhere: in no text and no structure."""

import json
from typing import Any

import pytest
from hypothesis import given

from neo_mcp.core.masking import MASK, masked
from neo_mcp.core.render import content_head, content_text, event_line
from neo_mcp.core.sanitize import exact_json, holds_secret, redacted_json
from neo_mcp.core.transcript import event_block
from neo_mcp.wire import parse_event
from tests.core.events import JSON

SECRET = "hunter2-hunter2"
ARGUMENTS: list[Any] = [
    {"environment_variables": {"DB_PASSWORD": {"secret": SECRET}, "REGION": SECRET}},
    {"environmentVariables": {"DB_PASSWORD": SECRET}},
    {"ENVIRONMENT_VARIABLES": [{"name": "A", "value": SECRET}]},
    {"environment-variables": SECRET},
    {"config": {"db:password": {"secret": SECRET}}},
    {"config": [{"secret": SECRET}]},
    {"config": {"secret": [SECRET, {"value": SECRET}]}},
    {"Secret": SECRET},
]


def call_of(arguments: Any, **more: Any) -> bytes:  # noqa: ANN401 - any JSON
    call = {"id": "c1", "name": "pulumi__pulumi_up", "args": arguments, **more}
    body = {"type": "assistant_message", "content": "", "tool_calls": [call], "is_final": True}
    return json.dumps({"id": "1", "type": "agentResponse", "eventBody": body}).encode()


@pytest.mark.parametrize("arguments", ARGUMENTS)
def test_a_calls_secrets_are_in_no_rendering_of_it(arguments: Any) -> None:  # noqa: ANN401 - any JSON
    event = parse_event(call_of(arguments, execution_mode="cli"))
    wire = event.model_dump(mode="json", by_alias=True)
    shown = [
        event_line(event),
        event_block(event),
        exact_json(arguments),
        exact_json(arguments, indent=2),
        json.dumps(redacted_json(wire)),
        content_text(arguments),
        content_head(arguments, 1000)[0],
    ]
    for text in shown:
        assert SECRET not in text
    assert holds_secret(arguments)


@pytest.mark.parametrize("arguments", ARGUMENTS)
def test_a_results_secrets_are_in_no_rendering_of_it(arguments: Any) -> None:  # noqa: ANN401 - any JSON
    body = {"type": "tool_response", "tool_call_id": "c1", "name": "x", "content": arguments}
    event = parse_event(json.dumps({"id": "1", "eventBody": body}))
    assert SECRET not in event_line(event) + event_block(event)


def test_names_stay_so_that_a_reader_knows_what_is_set() -> None:
    arguments = {"environment_variables": {"REGION": "eu", "COUNT": 3, "EMPTY": None}, "stack": "dev"}
    assert masked(arguments) == {
        "environment_variables": {"REGION": MASK, "COUNT": MASK, "EMPTY": None},
        "stack": "dev",
    }


@pytest.mark.parametrize(
    "value", [{"secret": None}, {"secrets": "x"}, {"environment": {"A": "b"}}, {"secret": {}}]
)
def test_what_names_no_secret_stays(value: Any) -> None:  # noqa: ANN401 - any JSON
    assert masked(value) is value
    assert not holds_secret(value)


@given(JSON)
def test_masking_again_changes_nothing(value: Any) -> None:  # noqa: ANN401 - any JSON
    once = masked(value)
    assert json.dumps(masked(once)) == json.dumps(once)
