"""Every argument of every tool, in every form in which hosts and models write it."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo_mcp.errors import InvalidArgumentError
from neo_mcp.server.app import NeoServer
from neo_mcp.server.tools import TOOLS
from neo_mcp.service.inputs import CreateTaskInput, RespondInput, UpdateTaskInput, WaitInput
from neo_mcp.service.reading import GRANTS, HOST_ARGUMENTS, IDS, NAMES, nearest, whole
from neo_mcp.service.schema import Arguments, declared_schema, read_arguments
from neo_mcp.service.task_names import parse_task_name, with_ids
from tests.generate.answers import answers_of, envelope, line
from tests.support.host import ORG, World

MODELS = {name: tool.input_model for name, tool in TOOLS.items()}
FIELDS = [(name, field) for name, model in MODELS.items() for field in model.model_fields]
KEYWORDS = {
    *("type", "description", "enum", "properties", "required", "items", "additionalProperties"),
    *("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"),
}
"""What the models of all vendors take in a schema."""


BLANKS = [
    *(
        "",
        " ",
        "\n\t",
        "\u200b",
        "\ufeff \n",
        "\u2060",
        "\u3164",
        "\x00",
        "\u115f\u1160",
        "\u2800",
        "\u3000\u00a0",
    ),
    *("\u00ad", "\u180e", "\u200e\u202c", "\ufe0f", "\x1b[0m", "\uffa0\u200d", "\U000e0020"),
]
"""Texts that show nothing."""


AROUND = [
    (" ", "\n"),
    *((each, each) for each in "\"'`"),
    ("'\u200b", " '"),
    ("\u201c", "\u201d"),
    ("<", ">"),
]


def sample(schema: dict[str, Any]) -> Any:  # noqa: ANN401 - any JSON
    """A value that the schema allows."""
    match schema["type"]:
        case "string":
            return schema.get("enum", ["7"])[-1]
        case "integer":
            return schema.get("minimum", 7)
        case "number":
            return float(schema["minimum"] + 2)
        case "boolean":
            return True
        case "array":
            return [sample(schema["items"])]
        case _:
            return {name: sample(each) for name, each in schema["properties"].items()}


def spellings(schema: dict[str, Any], value: Any) -> Iterator[Any]:  # noqa: ANN401 - any JSON
    """Other forms that mean exactly ``value``."""
    match schema["type"]:
        case "string" if "enum" in schema:
            yield from (f" {value} ", value.upper(), value.replace("-", "_"), f'"{value}"')
            yield re.sub("[_-]", " ", value)
        case "string":
            yield int(value)
        case "integer":
            yield from (float(value), str(value), f" {value}.0 ", f'"{value}"')
        case "number":
            yield from (int(value), str(value), str(int(value)))
        case "boolean":
            yield from ("true", " True", "TRUE")
        case "array":
            yield from (json.dumps(value), f" {json.dumps(value)}\n", value[0])
            yield from ([each] for each in spellings(schema["items"], value[0]))
        case _:
            yield json.dumps(value)
            yield {
                **value,
                **{
                    name: next(iter(spellings(schema["properties"][name], each)), each)
                    for name, each in value.items()
                },
            }


def required(model: type[Arguments]) -> dict[str, Any]:
    schema = declared_schema(model)
    return {name: sample(schema["properties"][name]) for name in schema.get("required", ())}


def schema_of(model: type[Arguments], field: str) -> dict[str, Any]:
    found: dict[str, Any] = declared_schema(model)["properties"][field]
    return found


@pytest.mark.parametrize(("tool", "field"), FIELDS)
def test_what_means_the_same_is_read_as_the_same(tool: str, field: str) -> None:
    model, schema = MODELS[tool], schema_of(MODELS[tool], field)
    value = sample(schema)
    expected = read_arguments(model, {**required(model), field: value})
    for spelling in spellings(schema, value):
        assert read_arguments(model, {**required(model), field: spelling}) == expected, spelling


@pytest.mark.parametrize(("tool", "field"), FIELDS)
@pytest.mark.parametrize("blank", [None, *BLANKS])
def test_null_and_blanks_mean_absent(tool: str, field: str, blank: str | None) -> None:
    model = MODELS[tool]
    if field in required(model):
        with pytest.raises(InvalidArgumentError, match=f"`{field}` is required"):
            read_arguments(model, {**required(model), field: blank})
    else:
        assert read_arguments(model, {**required(model), field: blank}) == read_arguments(
            model, required(model)
        )


@pytest.mark.parametrize(
    "text", ["x", ".", "\u00e9", "\u200b\u4e00", "\U0001f44d\ufe0f", "\x1b[1mgo", "\u3164\u0627"]
)
def test_what_shows_one_character_is_no_blank(text: str) -> None:
    assert read_arguments(CreateTaskInput, {"prompt": text}).prompt == text


@pytest.mark.parametrize(("tool", "field"), [each for each in FIELDS if each[1] in IDS])
@pytest.mark.parametrize(("before", "after"), AROUND)
def test_what_is_around_an_id_is_taken_off(tool: str, field: str, before: str, after: str) -> None:
    model, schema = MODELS[tool], schema_of(MODELS[tool], field)
    value = [f"{before}a/b-1{after}"] if schema["type"] == "array" else f"{before}a-1{after}"
    bare = ["a/b-1"] if schema["type"] == "array" else "a-1"
    read = read_arguments(model, {**required(model), field: value})
    assert read == read_arguments(model, {**required(model), field: bare})
    if field == "organization":
        assert read == read_arguments(model, {**required(model), field: f"{before}a-1/{after}"})
    nothing = f"{before} {after}"
    if field in GRANTS:
        with pytest.raises(InvalidArgumentError, match="blank item"):
            read_arguments(model, {**required(model), field: [nothing]})
    elif field not in required(model) and schema["type"] == "string":
        assert read_arguments(model, {**required(model), field: nothing}) == read_arguments(
            model, required(model)
        )


@pytest.mark.parametrize(("tool", "field"), FIELDS)
@pytest.mark.parametrize("odd", ["yes", "5s", 4000.5, True, {"a": 1}, [[1]], "{", "[1", "nan", "1e999"])
def test_what_means_something_else_is_refused_with_what_is_taken(tool: str, field: str, odd: Any) -> None:  # noqa: ANN401 - any JSON
    model, schema = MODELS[tool], schema_of(MODELS[tool], field)
    problem, found = "", None
    try:
        found = getattr(read_arguments(model, {**required(model), field: odd}), field)
    except InvalidArgumentError as error:
        problem = str(error)
    if problem:
        assert f"`{field}" in problem
        assert "takes" in problem or "required" in problem
    else:
        text = odd if isinstance(odd, str) else json.dumps(odd)
        assert found in (odd, text, [odd], [text]), schema


@pytest.mark.parametrize("tool", MODELS)
@pytest.mark.parametrize("name", sorted(HOST_ARGUMENTS))
def test_what_hosts_add_means_nothing(tool: str, name: str) -> None:
    model = MODELS[tool]
    assert read_arguments(model, {**required(model), name: {"any": "thing"}}) == read_arguments(
        model, required(model)
    )
    assert name not in model.model_fields


@pytest.mark.parametrize("tool", TOOLS)
async def test_unknown_arguments_are_named_and_stop_only_what_writes(world: World, tool: str) -> None:
    task_id = world.simulator.add_task(ORG, events=[("agentResponse", {"type": "warning", "message": "x"})])
    arguments = required(MODELS[tool]) | (
        {"task_id": task_id} if "task_id" in MODELS[tool].model_fields else {}
    )
    async with world.host() as host:
        if TOOLS[tool].read_only:
            if tool == "wait_for_events":
                arguments["until"] = "any"
            found = await host.call(tool, **arguments, dry_run=True, verbose=None)
            assert "Unknown arguments were ignored: 'dry_run'." in found["note"]
        else:
            text = await host.refused(tool, **arguments, dry_run=True)
            assert "unknown argument `dry_run`" in text
            assert "The arguments are:" in text
            assert not [request for request in world.simulator.requests if request.method != "GET"]


async def test_an_ignored_argument_is_named_with_the_one_that_is_meant(world: World) -> None:
    async with world.host() as host:
        found = await host.call("list_tasks", pagesize=2, Organisation=ORG, verbose=True)
    assert found["note"] == (
        "Unknown arguments were ignored: 'pagesize' (did you mean `page_size`?), "
        "'Organisation' (did you mean `organization`?), 'verbose'."
    )


LISTS = [
    (model, name)
    for model in MODELS.values()
    for name, schema in declared_schema(model)["properties"].items()
    if schema["type"] == "array" and schema["items"]["type"] == "string"
]


@pytest.mark.parametrize(("model", "name"), LISTS)
@pytest.mark.parametrize("text", ["[a, b]", "a, b", "a,b", "a; b", "a\nb"])
def test_text_that_lists_several_items_is_no_single_one(model: type[Arguments], name: str, text: str) -> None:
    if name in NAMES and not text.startswith("["):
        assert getattr(read_arguments(model, {**required(model), name: text}), name) == [text]
        return
    with pytest.raises(InvalidArgumentError, match=rf"`{name}` takes a list"):
        read_arguments(model, {**required(model), name: text})


def test_blank_items_are_dropped_where_the_list_permits_nothing() -> None:
    read = read_arguments(CreateTaskInput, {"prompt": "x", "commands": ["", "/fix", None], "entities": [" "]})
    assert (read.commands, read.entities) == (["/fix"], [])
    for name in GRANTS:
        assert getattr(read_arguments(CreateTaskInput, {"prompt": "x", name: []}), name) == []
        with pytest.raises(InvalidArgumentError, match="blank item"):
            read_arguments(CreateTaskInput, {"prompt": "x", name: ["a/b", ""]})


def test_the_output_of_a_local_tool_may_be_blank() -> None:
    results = [{"tool_call_id": "c", "content": "", "is_error": "false"}]
    given = {"task_id": "t", "action": "tool_results", "tool_results": json.dumps(results)}
    read = read_arguments(RespondInput, given)
    assert read.tool_results is not None
    assert (read.tool_results[0].content, read.tool_results[0].is_error) == ("", False)


async def test_all_arguments_may_come_as_one_text(world: World) -> None:
    task_id = world.simulator.add_task(ORG)
    server = NeoServer(world.settings())
    for arguments, is_read in (
        (json.dumps({"task_id": task_id}), True),
        (f' {{"task_id": "{task_id}"}}\n', True),
        ("tasks please", False),
        (["a"], False),
        (7, False),
    ):
        params = {"name": "get_task", "arguments": arguments, **envelope({})}
        answer = json.loads(await answers_of(server, line("tools/call", params)))
        assert answer["result"].get("isError", False) is not is_read
        assert is_read or "`arguments` takes an object: " in answer["result"]["content"][0]["text"]


@given(st.text())
def test_any_text_in_place_of_all_arguments_is_read_as_an_object_or_stays(text: str) -> None:
    read = whole(text)
    assert isinstance(read, dict) or read == text


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("taskId", "task_id"),
        ("TASK-ID", "task_id"),
        ("task_ids", "task_ids"),
        ("tsk_id", "task_id"),
        ("taks_id", "task_id"),
        ("explanation", None),
        ("dry_run", None),
        ("organisation", "organization"),
        ("org", None),
        ("utnil", "until"),
        ("util", "until"),
        ("utl", "until"),
        ("ul", None),
        ("unit", "until"),
        ("minds", "kinds"),
    ],
)
def test_the_nearest_name_is_proposed(name: str, meant: str | None) -> None:
    assert nearest(name, WaitInput.model_fields) == meant


def test_advice_for_an_unknown_argument_works() -> None:
    with pytest.raises(InvalidArgumentError, match=r"did you mean `approval_mode`\?"):
        read_arguments(UpdateTaskInput, {"task_id": "t", "approvalMode": "auto"})
    assert read_arguments(UpdateTaskInput, {"task_id": "t", "approval_mode": "auto"}).approval_mode == "auto"


def page_of(organization: str, task_id: str) -> str:
    return f"https://app.pulumi.com/{organization}/neo/tasks/{task_id}"


ID = "8b1c3a52-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    "name",
    [
        f"https://app.pulumi.com/acme/neo/tasks/{ID}",
        f"https://APP.pulumi.com/acme/neo/tasks/{ID}/?tab=x#y",
        f"<https://app.pulumi.com/acme/neo/tasks/{ID}>",
        f"neo://acme/tasks/{ID}",
        f"neo://acme/tasks/{ID}/transcript",
        f"acme/{ID}",
        f' "acme/{ID}"\n',
        f"acme/{ID}/",
        f"Task acme/{ID}",
        f"[Task]( https://app.pulumi.com/acme/neo/tasks/{ID} 'x' )",
        f"acme / {ID}",
        f"NEO://acme/tasks/{ID}",
        f"app.pulumi.com/acme/neo/tasks/{ID}",
        f"app.pulumi.com/acme/neo/tasks/{ID}/?tab=x",
        f"/acme/neo/tasks/{ID}",
        f"acme/neo/tasks/{ID}/?tab=x",
        f"[Task](https://app.pulumi.com/acme/neo/tasks/{ID})",
        f"[The \u201ctask\u201d](<https://app.pulumi.com/acme/neo/tasks/{ID}>).",
        f"https://app.pulumi.com/acme/neo/tasks/{ID}.",
        f"\u201cacme/{ID}\u201d",
    ],
)
def test_a_task_is_named_in_many_ways(name: str) -> None:
    assert parse_task_name(name, page_of) == (ID, "acme")
    read = with_ids(read_arguments(WaitInput, {"task_id": name}), page_of)
    assert (read.task_id, read.organization) == (ID, "acme")
    read = with_ids(read_arguments(WaitInput, {"task_ids": [name, ID], "organization": "Acme"}), page_of)
    assert (read.task_ids, read.organization) == ([ID, ID], "Acme")


@pytest.mark.parametrize(
    "name",
    [
        *(
            ID,
            f"task: {ID}",
            f" {ID} ",
            f"'{ID}'",
            f"`{ID}`",
            f"{{{ID}}}",
            f"{ID}.",
            f"'{ID}',",
            f"({ID})",
            f"**{ID}**",
        ),
        *(
            f"\u201c{ID}\u201d",
            f"\u2018{ID}\u2019",
            f"\ufeff{ID}",
            f"\u200b{ID}\u200d",
            f"\u00ab {ID} \u00bb",
        ),
    ],
)
def test_an_id_alone_names_no_organization(name: str) -> None:
    assert parse_task_name(name, page_of) == (ID, None)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (f"https://evil.example/acme/neo/tasks/{ID}", "another Pulumi Cloud"),
        (f"https://app.pulumi.com/acme/{ID}", "not the address of a task"),
        ("https://[acme/neo/tasks/x", "not the address of a task"),
        ("neo://acme/tasks/", "not a valid"),
        (f"evil.example/acme/neo/tasks/{ID}", "another Pulumi Cloud"),
        (f"//acme/neo/tasks/{ID}", "not a valid"),
        (f"[{ID}](https://app.pulumi.com/acme)", "not the address of a task"),
        ("[x](y z", "not a valid"),
        ("{" * 9 + ID + "}" * 9, "not a valid"),
        ("...", "not a valid task id"),
        ("a/..", "not a valid"),
        ("../x", "not a valid organization"),
        ("a b", "not a valid task id"),
    ],
)
def test_other_names_are_refused(name: str, why: str) -> None:
    with pytest.raises(InvalidArgumentError, match=why):
        parse_task_name(name, page_of)
    with pytest.raises(InvalidArgumentError, match="several organizations"):
        with_ids(read_arguments(WaitInput, {"task_id": f"acme/{ID}", "organization": "globex"}), page_of)


def test_the_nearest_name_within_an_object_is_proposed() -> None:
    result = {"tool_call_id": "c", "content": "x", "isError": True}
    given = {"task_id": "t", "action": "tool_results", "tool_results": [result]}
    with pytest.raises(InvalidArgumentError, match=r"`tool_results.0.isError` \(did you mean `is_error`\?\)"):
        read_arguments(RespondInput, given)


def test_an_argument_without_a_name_is_shown_as_one() -> None:
    with pytest.raises(InvalidArgumentError, match="unknown argument ''"):
        read_arguments(UpdateTaskInput, {"task_id": "t", "": "b"})


def test_an_empty_list_of_tasks_is_none() -> None:
    assert read_arguments(WaitInput, {"task_id": "t", "task_ids": []}) == WaitInput(task_id="t")
    assert read_arguments(WaitInput, {"task_id": "t", "task_ids": "[]"}) == WaitInput(task_id="t")
    with pytest.raises(InvalidArgumentError, match="a list of 1 to 20, each item text"):
        read_arguments(WaitInput, {"task_ids": {"a": 1}})


async def test_a_wait_for_no_task_is_refused_with_what_it_needs(world: World) -> None:
    async with world.host() as host:
        assert "`task_ids` with at least one" in await host.refused("wait_for_events", task_ids=[])


@pytest.mark.parametrize("tool", TOOLS)
def test_schemas_have_only_keywords_that_every_vendor_takes(tool: str) -> None:
    def check(node: Any) -> None:  # noqa: ANN401 - any JSON
        assert set(node) <= KEYWORDS, node
        assert isinstance(node["type"], str)
        assert node["type"] != "array" or "items" in node
        for child in [*node.get("properties", {}).values(), *([node["items"]] if "items" in node else [])]:
            check(child)

    check(TOOLS[tool].definition.input_schema)


async def test_a_list_of_one_task_says_so(world: World) -> None:
    async with world.host() as host:
        for head in ("0 tasks in", "1 task in", "2 tasks in"):
            shown = await host.client.call_tool("list_tasks", {})
            assert shown.content[0].text.startswith(f"{head} {ORG}")  # type: ignore[union-attr]  # text
            world.simulator.add_task(ORG)
