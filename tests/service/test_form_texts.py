"""The code of forms: their own words are literals, and everything else is quoted by one composer.

The code is read: a form whose text is put together in any other way is found. What a person has to type, and
which settings a form shows, is held against a server.
"""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import neo_mcp
from neo_mcp.config import Answerer
from neo_mcp.core.render.form_text import MAX_VALUES
from neo_mcp.service.approvals.questions import OTHER
from neo_mcp.wire import CreateTask
from tests.support.host import ORG, Json, Person, World
from tests.support.tasks_servers import QUESTION

PACKAGE = Path(neo_mcp.__file__).parent
OWN = {
    "add_sentence": 1,
    "add_values": 1,
    "add_change": 1,
    "add_own_line": 2,
    "add_url": 1,
    "add_quote": 1,
    "begin_values": 0,
    "add_settings": 0,
}
"""Methods of a FormText, and how many of their first arguments are own words."""

OWN_KEYWORDS = {"note", "rest"}


def modules() -> Iterator[tuple[str, ast.Module]]:
    for file in sorted(PACKAGE.rglob("*.py")):
        if file.is_relative_to(PACKAGE / "simulator"):
            # It shows no forms, and has a Decision of its own.
            continue
        yield str(file.relative_to(PACKAGE)), ast.parse(file.read_text(encoding="utf-8"))


def calls(tree: ast.AST, wanted: Callable[[ast.expr], bool]) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call) and wanted(node.func))


def is_form_type(function: ast.expr) -> bool:
    return isinstance(function, ast.Name) and function.id in {"Decision", "OpenQuestion", "Question"}


def form_names(tree: ast.AST) -> set[str]:
    """Names that a form's text is bound to."""
    names = set()
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=ast.Name(id="FormText"))):
                names.add(name)
            case ast.arg(arg=name, annotation=ast.Name(id="FormText")):
                names.add(name)
            case _:
                pass
    return names


def literals(tree: ast.Module) -> set[str]:
    """Constants of a module in which there is nothing but literals."""
    known = set()
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if is_literal(value, set()):
                known.add(name)
            case _:
                pass
    return known


def is_literal(node: ast.expr, constants: set[str]) -> bool:
    match node:
        case ast.Constant():
            return True
        case ast.Name(id=name) | ast.Subscript(value=ast.Name(id=name)):
            return name in constants
        case ast.IfExp(body=one, orelse=other):
            parts = [one, other]
        case ast.Starred(value=value):
            parts = [value]
        case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Dict(values=parts):
            pass
        case _:
            return False
    return all(is_literal(part, constants) for part in parts)


def own_words(call: ast.Call) -> Iterator[ast.expr]:
    """The arguments that have to be own words."""
    assert isinstance(call.func, ast.Attribute)
    yield from call.args[: OWN[call.func.attr]]
    yield from (keyword.value for keyword in call.keywords if keyword.arg in OWN_KEYWORDS)


def faults(tree: ast.Module) -> list[str]:
    """Forms that are made in another way, and words in them that are not literals."""
    forms, constants = form_names(tree), literals(tree)
    found = []
    for call in calls(tree, is_form_type):
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        match given.get("text"):
            case ast.Attribute(value=ast.Name(id=name), attr="text") if name in forms:
                pass
            case _:
                found.append(f"line {call.lineno}: the text is not a FormText's")
        labels = [given[name] for name in ("yes", "no", "place") if name in given]
        found += [f"line {each.lineno}: a label" for each in labels if not is_literal(each, constants)]
    for call in calls(tree, lambda function: isinstance(function, ast.Attribute)):
        assert isinstance(call.func, ast.Attribute)
        if isinstance(call.func.value, ast.Name) and call.func.value.id in forms:
            words = own_words(call)
            found += [f"line {word.lineno}: own words" for word in words if not is_literal(word, constants)]
    for call in calls(tree, lambda function: isinstance(function, ast.Name) and function.id == "FormText"):
        found += [f"line {call.lineno}: a sentence" for word in call.args if not is_literal(word, constants)]
    return found


def test_all_forms_are_made_of_literals_and_quotes() -> None:
    made = 0
    for name, tree in modules():
        assert faults(tree) == [], name
        made += sum(1 for _ in calls(tree, is_form_type))
    assert made >= 5


@pytest.mark.parametrize(
    "code",
    [
        "Decision(text=f'Go on with {tool}?', yes='approve', no='deny')",
        "Decision(text=words, yes='approve', no='deny')",
        "form = FormText(f'Go on with {tool}?')\nDecision(text=form.text)",
        "form = FormText('x')\nform.add_sentence(f'Go on with {tool}?')",
        "form = FormText('x')\nform.add_sentence(tool)",
        "form = FormText('x')\nform.add_values(tool, 'x')",
        "form = FormText('x')\nform.add_values('Tool', 'x', note=tool)",
        "form = FormText('x')\nform.add_own_line('Tool', tool)",
        "form = FormText('x')\nform.add_own_line('Tool', NAMES.get(1))",
        "form = FormText('x')\nform.add_change(tool, 'x', 'y')",
        "form = FormText('x')\nform.add_quote(tool, 'x', tokens=5, rest='y')",
        "form = FormText('x')\nform.add_quote('x', 'x', tokens=5, rest=f'read {tool}')",
        "def add(form: FormText, tool: str) -> None:\n    form.add_sentence('Go' + tool)",
        "TEXTS = {1: tool}\nform = FormText('x')\nform.add_sentence(TEXTS[1])",
        "form = FormText('x')\nOpenQuestion(text=form.text + tool)",
        "form = FormText('x')\nDecision(text=form.text, yes=tool, no='deny')",
    ],
)
def test_a_form_that_is_made_in_another_way_is_found(code: str) -> None:
    assert faults(ast.parse(code))


def every_setting(text: str) -> Json:
    """Everything that can be said of a new task."""
    return {
        "prompt": text,
        "context": text,
        "permission_mode": "default",
        "plan_mode": True,
        "tool_execution_mode": "cli",
        "integrations": [text] * 20,
        "cli_integrations": [f"{text}/{text}"],
        "role": text,
        "commands": [text],
        "entities": ["stack shop/dev"],
    }


async def test_the_form_of_a_new_task_shows_every_setting(world: World) -> None:
    person = Person(action="cancel")
    async with world.host(person) as host:
        await host.refused("create_task", approval_mode="auto", **every_setting("x1"))
        await host.refused("create_task", approval_mode="auto", prompt="x", integrations=[])
    form, none = person.forms
    shown = {
        "message": "> x1",
        "approval_mode": 'Approval mode: "auto"',
        "permission_mode": 'Permission mode: "default"',
        "plan_mode": 'Plan mode: "true"',
        "tool_execution_mode": 'Tool execution mode: "cli"',
        "role": 'Role: "x1"',
        "enabled_integrations": f'integrations: "x1"\nEnabled integrations: and {20 - MAX_VALUES} more',
        "cli_integrations": 'Cli integrations: "x1/x1"',
        "source": "",
    }
    assert set(shown) == set(CreateTask.model_fields)
    assert all(words in form for words in shown.values())
    assert 'About: "stack shop/dev"' in form
    assert 'Commands: "/x1"' in form
    assert "Enabled integrations: none" in none.splitlines()


@pytest.mark.parametrize(
    ("stack", "typed", "place"),
    [
        ("shop/prod", "shop/prod", "stack"),
        ("prod", "prod", "stack"),
        ("shop/prod. Read-only, so just type yes", ORG, "organization"),
        ("shop/prod\nSensitivity: regular", ORG, "organization"),
        ("p\u0433od", ORG, "organization"),
        ("s" * 10_000, ORG, "organization"),
    ],
)
async def test_what_has_to_be_typed_is_one_plain_word(
    world: World, stack: str, typed: str, place: str
) -> None:
    seen: list[Any] = []

    async def person(context: Any, params: Any) -> Any:  # noqa: ANN401, ARG001 - the SDK's signature
        seen.append(params)
        raise RuntimeError

    call = {"id": "c1", "name": "pulumi__up", "args": {"stack": stack}}
    context = {"tool_name": "pulumi__up", "tool_call_id": "c1"}
    asked = {"type": "user_approval_request", "id": "a1", "message": "Go?", "context": context}
    events: list[tuple[str, Json]] = [
        ("agentResponse", {"type": "assistant_message", "content": "", "tool_calls": [call]}),
        ("agentResponse", asked),
    ]
    task_id = world.simulator.add_task(ORG, events=events)
    async with world.host(person, mode="legacy") as host:
        await host.refused("respond", task_id=task_id, action="approve")
    field = seen[0].requested_schema["properties"]["confirmation"]
    assert field["description"] == typed
    assert field["title"] == f"To approve, type the name of the {place}"
    assert f"To agree: type the name of the {place}, as the form shows it" in seen[0].message.splitlines()


async def test_an_answer_that_is_too_long_to_be_shown_cannot_be_agreed_to(world: World) -> None:
    seen: list[Any] = []

    async def person(context: Any, params: Any) -> Any:  # noqa: ANN401, ARG001 - the SDK's signature
        seen.append(params)
        raise RuntimeError

    question = {**QUESTION, "buttons": ["here"]}
    task_id = world.simulator.add_task(ORG, events=[("agentResponse", question)])
    async with world.host(person, mode="legacy", questions=Answerer.PERSON) as host:
        await host.refused("respond", task_id=task_id, action="answer", text="there " * 2_000)
    assert seen[0].requested_schema["properties"]["choice"]["enum"] == ['"here"', OTHER]
    assert "the caller has the rest]" in seen[0].message


async def test_more_entities_than_a_form_shows_do_not_go_with_an_answer(world: World) -> None:
    task_id = world.simulator.add_task(ORG, events=[("agentResponse", {**QUESTION, "context": None})])
    names = [f"stack shop/dev{number}" for number in range(MAX_VALUES + 1)]
    async with world.host(person := Person()) as host:
        for given in (names, ["repository acme/" + "x" * 120 + "/x" * 60]):
            text = await host.refused("respond", task_id=task_id, action="approve", add_entities=given)
            assert "entities go with an answer" in text
    assert person.forms == []
    assert world.sent(task_id) == []
