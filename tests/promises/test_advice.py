"""Whoever does what an error or a result advises gets further."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from neo_mcp.cli.main import build_parser, main
from neo_mcp.cli.terminal.wording import TERMINAL
from neo_mcp.config import SETTINGS, ApprovalPolicy, load_settings
from neo_mcp.docs import PAGES
from neo_mcp.errors import ConfigurationError, InvalidArgumentError
from neo_mcp.hints import LIBRARY, Hint
from neo_mcp.server.prompts import PROMPTS
from neo_mcp.server.tools import TOOLS as ALL_TOOLS
from neo_mcp.server.wording import TOOLS
from neo_mcp.service.inputs import cli_integration_refs, parse_entities
from neo_mcp.service.reading import nearest
from neo_mcp.service.schema import Arguments, declared_schema, read_arguments
from neo_mcp.simulator import Simulator
from neo_mcp.simulator.catalogue import scenarios
from tests.service.test_reading import required, sample
from tests.support.advice import (
    PLAN,
    actions_in,
    commands_in,
    do_action,
    do_tool,
    forms_in,
    meant_in,
    tools_in,
    values_in,
)
from tests.support.forked import start
from tests.support.host import APPROVES, ORG, Person, World
from tests.support.processes import environment

MODELS = {name: tool.input_model for name, tool in ALL_TOOLS.items()}
FIELDS = [(name, field) for name, model in MODELS.items() for field in model.model_fields]
ODD: list[Any] = [
    "yes",
    "5s",
    4000.5,
    True,
    -1,
    10**9,
    {"a": 1},
    [[1]],
    "{",
    "[1",
    "1e999",
    None,
    "",
    " ",
    [],
]


def filled(hint: Hint) -> str:
    return TOOLS[hint].format(what="it", url="https://example.com")


@pytest.mark.parametrize("hint", [hint for hint in Hint if actions_in(TOOLS[hint])], ids=str)
async def test_a_model_can_respond_as_every_hint_says(world: World, hint: Hint) -> None:
    async with world.host(Person(**APPROVES)) as host:  # type: ignore[arg-type]  # fields by name
        for action in actions_in(filled(hint)):
            await do_action(world, host, action)


@pytest.mark.parametrize("hint", [hint for hint in Hint if tools_in(TOOLS[hint])], ids=str)
async def test_a_model_can_call_what_every_hint_names(world: World, hint: Hint) -> None:
    async with world.host() as host:
        for tool in tools_in(filled(hint)):
            await do_tool(host, tool)


def test_every_hint_that_names_nothing_to_call_is_known() -> None:
    """So that none is left out of the tests above for the way it is written."""
    silent = {hint for hint in Hint if not actions_in(TOOLS[hint]) and not tools_in(TOOLS[hint])}
    assert silent == {
        # These name settings, or what a person has to look at.
        *(Hint.SET_TOKEN, Hint.REPLACE_TOKEN, Hint.OTHER_CLOUD, Hint.CHECK_ACCESS, Hint.TRUST_CERTIFICATE),
        # These say: call again with the same cursor.
        *(Hint.WAIT_FOR_OTHERS, Hint.RESUME),
    }


COMMANDS = sorted({command for text in TERMINAL.values() for command in commands_in(text)})


async def command(words: list[str], env: dict[str, str]) -> tuple[int, str]:
    async with await start(words, env=env) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        await process.stdin.aclose()
        said = b"".join([chunk async for chunk in process.stdout])
        said += b"".join([chunk async for chunk in process.stderr])
        return await process.wait(), said.decode()


@pytest.mark.parametrize("line", COMMANDS)
async def test_a_person_can_run_every_command_that_a_hint_names(
    line: str, simulator: Simulator, world: World, tmp_path: Path
) -> None:
    plan = ("agentResponse", PLAN)
    task_id = simulator.add_task(ORG, events=[plan], status="idle")
    if "answer" in line:
        async with world.host() as host:
            task_id, cursor = await host.create("question")
            await host.wait(task_id, cursor)
    words = [{"TASK": task_id, "TEXT": "Not now."}.get(word, word) for word in line.split()]
    env = environment(simulator.url, str(tmp_path), NEO_MCP_APPROVALS="host")
    yes = ["--yes"] if "approve" in words else []
    status, said = await command([*words, *yes], env)
    assert status in {0, 3}, said


def refusal(model: type[Arguments], arguments: dict[str, Any]) -> str:
    try:
        read_arguments(model, arguments)
    except InvalidArgumentError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(("tool", "field"), FIELDS)
def test_every_value_that_an_error_about_an_argument_offers_is_taken(tool: str, field: str) -> None:
    model = MODELS[tool]
    refused = 0
    for odd in ODD:
        for problem in re.findall(rf"`{field}[`.][^;]*", refusal(model, {**required(model), field: odd})):
            refused += 1
            offered = list(values_in(problem))
            if "tool_results" in field:
                continue
            assert offered, problem
            for value in offered:
                given = value if not problem.startswith(f"`{field}.") else [value]
                assert not refusal(model, {**required(model), field: given}), (problem, value)
    schema = declared_schema(model)["properties"][field]
    assert refused or (schema["type"] == "string" and "enum" not in schema), field


@pytest.mark.parametrize(("tool", "field"), [pair for pair in FIELDS if len(pair[1]) > 3])
def test_every_argument_that_is_misspelled_is_proposed_and_taken(tool: str, field: str) -> None:
    model = MODELS[tool]
    value = sample(declared_schema(model)["properties"][field])
    for wrong in {field[:-1], field.upper(), field.replace("_", "-"), field.replace("_", ""), f"{field}s"}:
        if wrong in model.model_fields:
            continue
        given = {**required(model), wrong: value}
        given.pop(field, None)
        (meant,) = meant_in(refusal(model, given))
        assert meant in model.model_fields
        given[meant] = given.pop(wrong)
        assert "unknown argument" not in refusal(model, given)


def options_of(model: type[Arguments], field: str) -> list[str]:
    schema = declared_schema(model)["properties"][field]
    options: list[str] = schema.get("enum") or schema.get("items", {}).get("enum", [])
    return options


@pytest.mark.parametrize(("tool", "field"), [pair for pair in FIELDS if options_of(MODELS[pair[0]], pair[1])])
def test_every_option_that_is_misspelled_is_proposed_and_taken(tool: str, field: str) -> None:
    model = MODELS[tool]
    for option in options_of(model, field):
        (meant,) = meant_in(refusal(model, {**required(model), field: f"{option}x"}))
        assert meant == option
        assert not refusal(model, {**required(model), field: meant})


@pytest.mark.parametrize("tool", MODELS)
@pytest.mark.parametrize("name", ["explanation", "dry_run", "x", "reasoning", "mode", "description"])
def test_nothing_is_proposed_for_a_name_that_resembles_none(tool: str, name: str) -> None:
    assert not meant_in(refusal(MODELS[tool], {**required(MODELS[tool]), name: 1}))


SHORT = sorted({field for _, field in FIELDS if len(field) < 6})


@pytest.mark.parametrize("known", SHORT)
def test_a_short_name_is_proposed_only_for_what_mostly_agrees_with_it(known: str) -> None:
    other = "~"
    for n in range(len(known)):
        rest = known[n + 1 :]
        for near in (known[:n] + rest, known[:n] + other + rest, known[:n] + other + known[n:]):
            assert nearest(near, [known]) == known
        if rest:
            assert nearest(known[:n] + rest[0] + known[n] + rest[1:], [known]) == known
    half = len(known) // 2
    for far in (other * (len(known) - half) + known[-half:], other, known[0], known[0] * len(known), ""):
        assert nearest(far, [known]) is None


@pytest.mark.parametrize("word", ["server", "bucket", "stack", "stack a", "pull request a", "policy issue"])
def test_every_form_that_an_error_about_an_entity_offers_is_taken(word: str) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        parse_entities([word])
    forms = [form for form in forms_in(str(refused.value)) if form != word]
    # Where the kind is clear, its form alone is shown.
    assert len(forms) >= (1 if word.endswith(" a") else 4)
    for form in forms:
        assert len(parse_entities([form])) == 1, form


def test_the_form_that_an_error_about_an_integration_offers_is_taken() -> None:
    with pytest.raises(InvalidArgumentError, match="Write it as") as refused:
        cli_integration_refs(["aws"])
    form = re.search(r"Write it as (\S+)\.$", str(refused.value))
    assert form
    assert cli_integration_refs([form[1]])


@pytest.mark.parametrize("field", ["integrations", "cli_integrations"])
def test_both_ways_out_of_a_blank_item_are_taken(field: str) -> None:
    model = MODELS["create_task"]
    assert "Leave the list out for all, or give [] for none." in refusal(model, {"prompt": "x", field: [""]})
    assert not refusal(model, {"prompt": "x"})
    assert not refusal(model, {"prompt": "x", field: []})


@pytest.mark.parametrize("tool", ["wait_for_events", "list_tasks"])
@pytest.mark.parametrize("cursor", ["MQ", "é", "auaq2Wc", "x" * 300, "."])
async def test_a_cursor_can_be_left_out_as_its_error_says(world: World, tool: str, cursor: str) -> None:
    async with world.host() as host:
        task_id, _ = await host.create("hello")
        more = {"task_id": task_id, "timeout_seconds": 0} if tool == "wait_for_events" else {}
        assert "Leave the cursor out" in await host.refused(tool, cursor=cursor, **more)
        await host.call(tool, **more)


@pytest.mark.parametrize(
    ("uri", "pattern"),
    [
        ("neo://acme/nothing", r"look like (\S+)\.$"),
        ("neo://acme/tasks/TASK_ID/transcript?x=1", r"Write it as (\S+)\.$"),
        ("neo://acme/tasks/TASK_ID/events?start=0&before=1", r"Write it as (\S+)\.$"),
    ],
)
async def test_an_address_can_be_written_as_its_error_says(world: World, uri: str, pattern: str) -> None:
    async with world.host() as host:
        task_id, _ = await host.create("hello")
        _, said = await host.refused_resource(uri.replace("TASK_ID", task_id))
        form = re.search(pattern, said)
        assert form
        right = form[1] if form[1].startswith("neo:") else uri.partition("?")[0] + form[1]
        assert await host.resource_text(right.replace("TASK_ID", task_id))


@pytest.mark.parametrize("name", ["a b", "..", "https://api.example/x", "acme/x", "no-such-task"])
async def test_an_id_can_be_found_as_its_error_says(world: World, name: str) -> None:
    async with world.host() as host:
        await host.create("hello")
        said = await host.refused("get_task", task_id=name)
        assert tools_in(said)
        (task,) = (await host.call("list_tasks"))["tasks"]
        await host.call("get_task", task_id=task["task_id"])


@pytest.mark.parametrize("organization", ["a b", "../x", "-"])
async def test_an_organization_can_be_named_as_its_error_says(world: World, organization: str) -> None:
    async with world.host() as host:
        form = re.search(r"such as `([^`]+)`", await host.refused("list_tasks", organization=organization))
        assert form
        await host.call("list_tasks", organization=form[1])


async def test_every_tool_and_prompt_that_an_error_lists_is_there(world: World) -> None:
    async with world.host() as host:
        said = await host.refused("no_such_tool")
        listed = said.partition("The tools are: ")[2].rstrip(".").split(", ")
        assert listed == [*ALL_TOOLS]
        with pytest.raises(Exception, match="The prompts are: ") as refused:
            await host.client.get_prompt("nope", {})
    assert str(refused.value).partition("The prompts are: ")[2].rstrip(".").split(", ") == [*PROMPTS]


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("given", [None, "no-such"])
async def test_every_request_that_an_error_lists_can_be_answered(
    world: World, count: int, given: str | None
) -> None:
    plans = [("agentResponse", {**PLAN, "id": f"a{number}"}) for number in range(count)]
    task_id = world.simulator.add_task(ORG, events=plans, status="idle")
    more = {"request_id": given} if given else {}
    async with world.host(approvals=ApprovalPolicy.HOST) as host:
        if count == 1 and not given:
            await host.call("respond", task_id=task_id, action="approve")
            return
        said = await host.refused("respond", task_id=task_id, action="approve", **more)
        listed = re.findall(r"\b(a\d) \((?:plan|approval)\)", said)
        assert len(listed) == count
        for request_id in listed:
            await host.call("respond", task_id=task_id, action="approve", request_id=request_id)


CHOICES = {
    "demo --scenario nope": ("The scenarios are: ", "demo --speed 100000 --scenario {}"),
    "docs nope": ("The pages are: ", "docs {}"),
    "install nope": ("Known: ", "install --print {}"),
}
LISTS = {"demo --scenario nope": [*scenarios()], "docs nope": [*PAGES]}


@pytest.mark.parametrize("line", CHOICES)
async def test_everything_that_an_error_of_the_terminal_lists_is_there(line: str, tmp_path: Path) -> None:
    env = environment(None, str(tmp_path), HOME=str(tmp_path))
    status, said = await command(line.split(), env)
    assert status == 2
    intro, way = CHOICES[line]
    listed = said.partition(intro)[2].partition(".")[0].strip().split(", ")
    assert listed == LISTS.get(line, listed)
    for name in listed if not line.startswith("demo") else ["hello", "question"]:
        status, said = await command(way.format(name).split(), env)
        assert status == 0, said


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        (["install", "cursor"], ["install", "cursor", "--yes"]),
        (
            ["install", "claude-desktop", "--http", "http://127.0.0.1:1/mcp"],
            ["install", "claude-desktop", "--yes"],
        ),
        (["install", "--print", "--with-token"], ["install", "--print"]),
        (["install", "--env", "PULUMI_ACCESS_TOKEN=x"], ["install", "cursor", "--yes", "--with-token"]),
        (["serve", "--port", "0", "--quota", "20"], []),
        (["respond", "TASK", "approve"], ["respond", "TASK", "approve", "--yes"]),
    ],
    ids=str,
)
async def test_an_option_that_an_error_of_the_terminal_names_leads_further(
    wrong: list[str], right: list[str], simulator: Simulator, tmp_path: Path
) -> None:
    task_id = simulator.add_task(ORG, events=[("agentResponse", PLAN)], status="idle")
    env = environment(simulator.url, str(tmp_path), HOME=str(tmp_path))
    status, said = await command([task_id if word == "TASK" else word for word in wrong], env)
    assert status in {1, 2}
    if "NEO_MCP_APPROVALS=host" in said:
        env["NEO_MCP_APPROVALS"] = "host"
    for option in re.findall(r"(?:[Aa]dd|requires|with|out|allow it with|host,) (--[\w-]+)", said):
        assert option in said
    if right:
        status, said = await command([task_id if word == "TASK" else word for word in right], env)
        assert status == 0, said


async def test_a_task_of_another_cloud_can_be_reached_as_its_error_says(
    simulator: Simulator, tmp_path: Path
) -> None:
    task_id = simulator.add_task(ORG, status="idle")
    address = f"{simulator.url}/{ORG}/neo/tasks/{task_id}"
    env = environment("http://127.0.0.1:1", str(tmp_path))
    status, said = await command(["export", address], env)
    assert (status, "give its API with --api-url" in said) == (2, True)
    status, said = await command(["export", address, "--api-url", simulator.url], env)
    assert status == 0, said


def test_every_surface_says_what_to_do_about_another_cloud() -> None:
    assert "--api-url" in TERMINAL[Hint.OTHER_CLOUD]
    assert "PULUMI_BACKEND_URL" in TOOLS[Hint.OTHER_CLOUD]
    assert "API" in LIBRARY[Hint.OTHER_CLOUD]


def problem_of(environ: dict[str, str], home: Path) -> str:
    try:
        load_settings(environ, home=home)
    except ConfigurationError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    "setting",
    [each for each in SETTINGS if each.env.startswith("NEO_MCP_")],
    ids=lambda setting: str(setting.env),
)
def test_every_variable_that_is_misspelled_is_proposed(setting: Any, tmp_path: Path) -> None:  # noqa: ANN401 - a setting
    for wrong in (f"{setting.env}S", setting.env.lower(), setting.env.replace("NEO_MCP", "NEOMCP")):
        if wrong in {each.env for each in SETTINGS}:
            continue
        warnings = load_settings({wrong: "x", "PULUMI_HOME": str(tmp_path)}, home=tmp_path).warnings
        meant = [name for text in warnings for name in meant_in(text)]
        assert meant == [setting.env], wrong


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: str(setting.env))
def test_every_value_that_an_error_about_a_setting_offers_is_taken(setting: Any, tmp_path: Path) -> None:  # noqa: ANN401 - a setting
    environ = {"PULUMI_HOME": str(tmp_path)}
    for odd in ("§", "-1", "1e99", "a b c", "http://[", "99999999999"):
        text = problem_of({**environ, setting.env: odd}, tmp_path)
        for value in values_in(text):
            problem = problem_of({**environ, setting.env: str(value)}, tmp_path)
            assert f"{setting.env} must be" not in problem, (value, text)


def test_the_command_that_makes_a_key_makes_one(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("short")
    file.chmod(0o600)
    environ = {"NEO_MCP_KEY_FILE": str(file), "PULUMI_HOME": str(tmp_path)}
    with pytest.raises(ConfigurationError, match="Make one") as refused:
        load_settings(environ, home=tmp_path)
    shell = str(refused.value).partition("Make one: ")[2]
    subprocess.run(["/bin/sh", "-c", shell], check=True)  # noqa: S603 - what the error says
    assert load_settings(environ, home=tmp_path).key is not None


def test_every_command_that_argparse_lists_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["no-such"])
    said = " ".join(capsys.readouterr().err.split())
    listed = re.findall(r"'([\w-]+)'", said.partition("choose from ")[2])
    assert len(listed) == 11
    for name in listed:
        with pytest.raises(SystemExit) as ended:
            build_parser([name, "--help"]).parse_args([name, "--help"])
        assert ended.value.code == 0


def test_the_interpreter_of_advice_reads_what_is_there() -> None:
    assert actions_in('respond "approve", or "deny" with guidance') == ["approve", "deny"]
    assert actions_in("respond with action tool_results and") == ["tool_results"]
    assert tools_in("Call wait_for_events, or get_task") == ["wait_for_events", "get_task"]
    assert list(values_in('`x` takes a whole number from 1 to 5, such as 3, but not "y"')) == [3, 1, 5]
    assert json.dumps(list(values_in("`x` takes one of a, b-c, but not 1"))) == '["a", "b-c"]'
