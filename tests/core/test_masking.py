"""Values that their own keys name a secret are shown nowhere: in no text and no structure."""

import json
from typing import Any

import pytest
from hypothesis import given

from neo_mcp.core.masking import masked
from neo_mcp.core.members import mask_members
from neo_mcp.core.render.content import content_head, content_text
from neo_mcp.core.render.lines import event_line
from neo_mcp.core.render.transcript import event_block
from neo_mcp.core.sanitize import clean, exact_json, holds_secret, redacted_json
from neo_mcp.core.secret_names import MASK
from neo_mcp.wire import parse_event
from tests.core.events import JSON
from tests.core.renderings import renderings
from tests.support.examples import some

SECRET = "hunter2-hunter2"
ARGUMENTS: list[Any] = [
    {"environment_variables": {"DB_PASSWORD": {"secret": SECRET}, "REGION": SECRET}},
    {"environmentVariables": {"DB_PASSWORD": SECRET}},
    {"ENVIRONMENT_VARIABLES": [{"name": "A", "value": SECRET}]},
    {"environment-variables": SECRET},
    {"Environment Variables": {"A": SECRET}},
    {"environment_variables": {"a": {"b": {"c": [SECRET]}}}},
    {"environment_variables": [f"A={SECRET}"]},
    {"environment_variables": {f"A={SECRET}": ""}},
    {"environment_variables": {"name": SECRET}},
    {"environment_variables": [{"name": f"A {SECRET}", "value": "x"}]},
    {"env_vars": {"A": SECRET}},
    {"envVars": [SECRET]},
    {"env": {"A": SECRET}},
    {"env": [{"name": "A", "value": SECRET}]},
    {"config": {"db:password": {"secret": SECRET}}},
    {"config": [{"secret": SECRET}]},
    {"config": {"secret": [SECRET, {"value": SECRET}]}},
    {"secret": {"value": {"secret": SECRET}}},
    {"Secret": SECRET},
    {
        "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
        "ciphertext": "v1:abc",
        "plaintext": SECRET,
    },
]


def spellings(arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """The same, as JSON has it, and as texts do."""
    text = json.dumps(arguments)
    return {
        "value": arguments,
        "JSON": text,
        "JSON in JSON": json.dumps(text),
        "deeper": json.dumps(json.dumps(text)),
        "field": {"input": text},
        "field in JSON": {"input": json.dumps({"body": text})},
        "prose": f'I run it with {text} now, as "agreed".',
        "prose with JSON in JSON": f"args: {json.dumps(text)} now",
        "prose, deeper": f"args: {json.dumps(json.dumps(text))} now",
        "pretty": json.dumps(arguments, indent=2),
        "pretty in prose": f"Like so:\n```json\n{json.dumps(arguments, indent=2)}\n```\n",
        "single quotes": repr(arguments),
        "cut": text[:-3],
        "lines": f"{text}\n{text}",
    }


EVERY = [value for arguments in ARGUMENTS for value in spellings(arguments).values()]


@pytest.mark.parametrize("value", some(EVERY, every=4))
def test_no_rendering_of_any_event_shows_a_secret(value: Any) -> None:  # noqa: ANN401 - any JSON
    assert not [words for words in renderings(value) if SECRET in words]


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


@pytest.mark.parametrize("start", ["\x1b", "\x1b[", "\x9b", "\x1b]", "\x1b[0m", "\x9b31m", "\u200b", "\x00"])
@pytest.mark.parametrize("name", ["secret", "environment_variables", "envVars"])
def test_a_sequence_in_a_key_does_not_disguise_it(start: str, name: str) -> None:
    for at in (0, 1, len(name)):
        key = name[:at] + start + name[at:]
        assert SECRET not in exact_json({"a": [{key: {"X": SECRET}}]})
        if at == 0 and not start.endswith("m"):
            assert SECRET not in clean(json.dumps({key: {"X": SECRET}}, ensure_ascii=False))


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


@pytest.mark.parametrize(
    "text",
    [
        '"secret": true, "secret": null, "secret": process.env.A, "secret": ""',
        'config.get("env") and {"env": "prod"} and "environment": {"a": "b"}',
        "the secret: the door; environment_variables are set below",
        'const secret = new random.RandomPassword("secret");',
    ],
)
def test_what_names_no_value_in_a_text_stays(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize(
    "unit",
    some(
        [
            '"secret": "',
            '"secret":{',
            '"env":{"a":"b",',
            '\\"secret\\":\\"',
            '"environment_variables": {"A": "b"},',
            '"secret":',
            "environment: <<: a ",
            "environment: # environment:\n",
            "env: # ",
            "secret: /* ",
            "[env]\n//",
            ".env(Map.of(: \u201c`",
        ],
        every=3,
    ),
)
def test_a_text_of_a_million_such_names_is_read_through(unit: str) -> None:
    # One note stands for the rest of what would take long.
    shown = mask_members(unit * (1_000_000 // len(unit)))
    assert mask_members(shown) == shown


@pytest.mark.parametrize("unit", ["secret: # a\n", '{"secret": "name=secret '])
def test_one_note_stands_for_the_rest_of_what_would_take_long(unit: str) -> None:
    shown = mask_members(unit * (1_000_000 // len(unit)))
    assert shown.endswith(MASK)
    assert len(shown) < 500_000


def test_what_is_nested_too_deep_is_not_shown() -> None:
    value: Any = {"secret": SECRET}
    for _ in range(900):
        value = {"a": [value]}
    assert SECRET not in exact_json(value)


@given(JSON)
def test_masking_again_changes_nothing(value: Any) -> None:  # noqa: ANN401 - any JSON
    once = masked(value)
    assert json.dumps(masked(once)) == json.dumps(once)
