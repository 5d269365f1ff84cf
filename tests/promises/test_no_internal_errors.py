"""Whatever comes from outside, no tool, prompt, resource or completion answers that it went wrong inside."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neo_mcp.server.prompts import PROMPTS
from neo_mcp.server.tools import TOOLS
from tests.support.ends import MODERN_META
from tests.support.host import ERAS, LEGACY, ORG, Json, World
from tests.support.processes import environment, running

TASK = "TASK"
NAMES = ("acme", "Acme", "globex", "no-such", "..", "a/b", "${ORGANIZATION}")
URIS = (
    f"neo://{ORG}/tasks",
    f"neo://ACME/tasks/{TASK}",
    f"neo://{ORG}/tasks/{TASK}/transcript?start=0&count=1",
    f"neo://{ORG}/tasks/{TASK}/events?before=-1",
    f"neo://{ORG}/tasks/{TASK}/events?offset=999999999",
    "neo://acme/tasks/%2e%2e",
    "neo://[/tasks",
    "http://[::1",
    "neo://docs/security.md",
    "ui://",
)
ENTITIES = ("stack a/b", "repository .github", "pull request a/b#1", "policy issue", "https://[/pull/1", "#")
CURSORS = ("auaq2Wc", "MQ", "é", ".", "a.b", "=" * 9)
KEYS = ("name", "type", "organization", "tool_call_id", "content", "is_error", "a.b", "toolCallId", "")

texts = st.one_of(
    st.sampled_from([TASK, f"{ORG}/{TASK}", f'"{TASK}"', *NAMES, *URIS, *ENTITIES, *CURSORS]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.sampled_from(["", " ", "null", "[]", "{}", "[[", '{"a": 1}', "1e9", "٣", "\0", "\x1b[2J", "x" * 3000]),
)
numbers = st.one_of(st.integers(-(10**20), 0), st.floats(-1e300, 0.1, allow_nan=False), st.just(10**9))
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from(KEYS), texts), inner, max_size=3),
    ),
    max_leaves=8,
)


def schema_values(schema: Json) -> st.SearchStrategy[Any]:
    """Values that are nearly what a schema declares, and others."""
    plain: dict[str, st.SearchStrategy[Any]] = {
        "string": st.sampled_from(schema["enum"]) if "enum" in schema else texts,
        "array": st.lists(schema_values(schema.get("items", {})), max_size=3)
        if "items" in schema
        else values,
        "object": objects(schema),
    }
    return st.one_of(plain.get(schema.get("type", ""), values), values)


def objects(schema: Json) -> st.SearchStrategy[Json]:
    properties = {name: schema_values(inner) for name, inner in schema.get("properties", {}).items()}
    required = {name: properties.pop(name) for name in schema.get("required", ())}
    return st.fixed_dictionaries(required, optional=properties)


def calls(name: str) -> st.SearchStrategy[Json]:
    arguments = st.one_of(objects(TOOLS[name].definition.input_schema), values)
    return st.fixed_dictionaries({"name": st.just(name)}, optional={"arguments": arguments})


names = st.one_of(st.sampled_from([*PROMPTS]), values)
references = st.one_of(
    st.fixed_dictionaries({"type": st.just("ref/prompt"), "name": names}),
    st.fixed_dictionaries({"type": st.just("ref/resource"), "uri": texts}),
    values,
)
arguments_of = {
    name: st.dictionaries(st.sampled_from([*spec.arguments]), values) for name, spec in PROMPTS.items()
}
completed = st.fixed_dictionaries(
    {"name": st.one_of(st.sampled_from(["organization", "task_id", "stack"]), values), "value": values}
)
METHODS: dict[str, st.SearchStrategy[Any]] = {
    **{f"tools/call {name}": calls(name) for name in TOOLS},
    **{
        f"prompts/get {name}": st.fixed_dictionaries({"name": st.just(name), "arguments": given})
        for name, given in arguments_of.items()
    },
    "prompts/get": st.fixed_dictionaries({"name": names}, optional={"arguments": values}),
    "resources/read": st.fixed_dictionaries({"uri": st.one_of(st.sampled_from(URIS), values)}),
    "resources/list": st.fixed_dictionaries({}, optional={"cursor": values}),
    "completion/complete": st.fixed_dictionaries(
        {"ref": references, "argument": st.one_of(completed, values)},
        optional={"context": st.one_of(st.fixed_dictionaries({"arguments": values}), values)},
    ),
    "prompts/list": st.fixed_dictionaries({}, optional={"cursor": values}),
    "resources/templates/list": st.fixed_dictionaries({}, optional={"cursor": values}),
    "tasks/get": st.fixed_dictionaries({"taskId": values}),
    "tasks/update": st.fixed_dictionaries({"taskId": values}, optional={"inputResponses": values}),
    "tasks/cancel": st.fixed_dictionaries({"taskId": values}),
}


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("method", METHODS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=4)
@given(data=st.data())
async def test_no_odd_value_is_an_internal_error(
    world: World, tmp_path_factory: pytest.TempPathFactory, era: str, method: str, data: st.DataObject
) -> None:
    sent = data.draw(st.lists(METHODS[method], min_size=25, max_size=40))
    task_id = world.simulator.add_task(ORG)
    env = environment(world.simulator.url, str(tmp_path_factory.mktemp("home")), NEO_MCP_WAIT_SECONDS="1")
    meta = {} if era == LEGACY else {"_meta": MODERN_META}
    async with running("serve", env=env) as server:
        if era == LEGACY:
            await server.initialize()
        for number, params in enumerate(sent):
            message = {
                "jsonrpc": "2.0",
                "id": number,
                "method": method.split(maxsplit=1)[0],
                "params": {**params, **meta},
            }
            await server.send_line(json.dumps(message).replace(TASK, task_id).encode())
        due = set(range(len(sent)))
        while due:
            answer = await server.read()
            due.discard(answer.get("id", -1))
            asked = sent[answer["id"]] if answer.get("id") in range(len(sent)) else None
            text = json.dumps(answer)
            assert "went wrong inside" not in text, asked
            if error := answer.get("error"):
                assert error["code"] != -32603, (error, asked)
                assert error["message"].strip(), asked
                assert error["message"] != "Invalid request parameters", asked
    assert b"Traceback" not in server.stderr, server.stderr.decode()[-3000:]


@pytest.mark.parametrize("name", PROMPTS)
@pytest.mark.parametrize("absent", [None, "", "  "])
async def test_null_and_blanks_are_absent_in_prompts(
    world: World, tmp_path: Path, name: str, absent: str | None
) -> None:
    spec = PROMPTS[name]
    example = {"policy_issue": "pi-1", "pull_request": "acme/shop#7", "task_id": "b6a0f1c2"}
    least = {argument: example.get(argument, 2026) for argument in spec.required}
    others = dict.fromkeys(spec.all_arguments.keys() - least.keys(), absent)
    async with running("serve", env=environment(world.simulator.url, str(tmp_path))) as server:
        await server.initialize()
        whole = await server.request("prompts/get", name=name, arguments={**others, **least})
        assert whole == await server.request("prompts/get", name=name, arguments=least) | {"id": whole["id"]}
        for argument in least:
            missing = await server.request("prompts/get", name=name, arguments={**least, argument: absent})
            assert missing["error"]["message"] == f"The prompt {name} needs {argument}."


WRONG: list[tuple[str, Json, str]] = [
    ("prompts/get", {}, "'params.name' is required"),
    ("prompts/get", {"name": 5}, "'params.name': input should be a valid string"),
    ("tools/call", {}, "'params.name' is required"),
    ("resources/read", {"uri": []}, "'params.uri': input should be a valid string"),
    ("completion/complete", {"ref": {}}, "'params.argument' is required"),
    ("tools/list", {"cursor": 5}, "'params.cursor'"),
    ("resources/subscribe", {"uri": None}, "'params.uri'"),
    ("logging/setLevel", {"level": "loud"}, "'params.level'"),
    ("initialize", {}, "'params.capabilities' is required"),
]


@pytest.mark.parametrize(("method", "params", "words"), WRONG)
async def test_an_error_of_the_protocol_names_what_is_wrong(
    world: World, tmp_path: Path, method: str, params: Json, words: str
) -> None:
    async with running("serve", env=environment(world.simulator.url, str(tmp_path))) as server:
        await server.initialize()
        error = (await server.request(method, **params))["error"]
    assert error["code"] == -32602
    assert words in error["message"]
