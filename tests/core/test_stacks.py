"""A protected stack is found wherever a call names it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo_mcp.core.operation import Operation, operation
from neo_mcp.core.stacks import MAX_CHARACTERS
from neo_mcp.wire import Entity, Repository, Stack, ToolCall, UnknownEntity, UserApprovalRequest

PROD = Stack(project="payments", name="prod")
DEV = Stack(project="payments", name="dev")
URN = "urn:pulumi:prod::payments::aws:s3/bucket:Bucket::logs"
UP, SHELL, PREVIEW = "pulumi__pulumi_up", "shell__shell_execute", "pulumi__pulumi_preview"


def look(
    arguments: object,
    *patterns: str,
    tool: str = UP,
    entities: tuple[Entity, ...] = (DEV,),
    context: dict[str, object] | None = None,
) -> Operation:
    """The operation of a call with ``arguments``, in a task about payments/dev."""
    body = {"id": "a", "context": {"tool_name": tool, "tool_call_id": "c", **(context or {})}}
    call = ToolCall.model_validate({"id": "c", "name": tool, "args": arguments})
    return operation(UserApprovalRequest.model_validate(body), call, entities, patterns, "acme")


SPELLINGS: list[object] = [
    {"stack": "prod"},
    {"stack": "payments/prod"},
    {"stack": "acme/payments/prod"},
    {"stack": "payments/dev", "stackName": "payments/prod"},
    {"stacks": ["payments/prod"]},
    {"stack": "payments/prod/"},
    {"stack": "/payments/prod"},
    {"stack": "PAYMENTS/Prod"},
    {"stack": " payments/prod\n"},
    {"stack": "'payments/prod'"},
    {"stack": "payments//prod"},
    {"stack": "payments/prod."},
    {"stack": "payments%2Fprod"},
    {"stack": "payments/prod\u200b"},
    {"stack": "payments\uff0fprod"},
    {"stack": "payments\\prod"},
    {"stack": URN},
    {"urn": URN},
    {"urns": ["x", {"deep": [URN]}]},
    {"urn": URN.upper()},
    {"urn": URN.replace(":", "%3A")},
    {"target": f"--target={URN}"},
    {"stack": "payments/dev", "command": "pulumi up -s payments/prod"},
    {"stack": "payments/dev", "command": "pulumi up --stack=payments/prod --yes"},
    {"stack": "payments/dev", "command": "pulumi up -spayments/prod"},
    {"stack": "payments/dev", "command": "pulumi up -ys prod"},
    {"stack": "payments/dev", "command": "pulumi stack select prod && pulumi up"},
    {"stack": "payments/dev", "command": "sh -c \"pulumi up -s 'payments/prod'\""},
    {"stack": "payments/dev", "command": "STACK=payments/prod;pulumi up"},
    {"stack": "payments/dev", "command": "(pulumi up -s payments/prod|tee log)"},
    {"stack": "payments/dev", "command": ["pulumi", "up", "-s", "payments/prod"]},
    {"stack": "payments/dev", "file": "Pulumi.prod.yaml"},
    {"stack": "payments/dev", "file": "/src/infra/Pulumi.prod.yaml"},
    {"stack": "payments/dev", "url": "https://app.pulumi.com/acme/payments/prod/updates/7?x=1#top"},
    {"stack": "payments/dev", "options": {"a": [{"b": [["payments/prod"]]}]}},
    {"stack": "payments/dev", "payload": '{"stack":"payments/prod","x":[1]}'},
    {"stack": "payments/dev", "environment_variables": {"PULUMI_STACK": {"secret": "payments/prod"}}},
    {"stack": "payments/dev", "payments/prod": True},
    {"stack": "payments/dev", "note": "<payments/prod>"},
    {"stack": "payments/dev", "note": "from payments/dev to payments/prod, then done."},
    {"project": "payments", "stack": "prod"},
    {"projectName": "payments", "stackName": "prod"},
    {"project_name": "payments", "stack_name": "prod"},
    {"project-name": "payments", "stack-name": "prod"},
    {"project": "payments", "stacks": ["dev", "prod"]},
    {"project": "shop", "projectName": "payments", "stack": "prod"},
    {"project": {"name": "payments"}, "stack": {"name": "prod"}},
    {"stack": {"project": "payments", "name": "prod"}},
    {"project": "", "stack": "prod"},
    {"project": None, "stack": "prod"},
    {"project": "${PROJECT}", "stack": "prod"},
    {"project": "shop", "stack": "dev", "then": {"stack": "prod"}},
    {"project": "shop", "stack": "dev", "then": {"project": "payments", "stack": "prod"}},
    {"config": {"project": "my-cloud-project"}, "stack": "prod"},
    {"gcpProject": "x", "stack": "prod"},
]


@pytest.mark.parametrize("arguments", SPELLINGS, ids=json.dumps)
@pytest.mark.parametrize("pattern", ["payments/prod", "acme/payments/prod", "*/prod", "prod", "pay*/pr*"])
def test_a_protected_stack_is_found_in_any_spelling(arguments: object, pattern: str) -> None:
    for tool in (UP, SHELL, PREVIEW):
        found = look(arguments, pattern, tool=tool)
        assert found.protected
        assert found.is_protected
        assert found.is_sensitive


@pytest.mark.parametrize(
    "arguments",
    [
        {"stack": "payments/dev"},
        {"stack": "payments/dev", "command": "pulumi up -s payments/dev"},
        {"project": "shop", "stack": "prod"},
        {"stack": "shop/prod"},
        {"stack": "payments/prod-eu"},
        {"stack": "payments/dev", "note": "production payments"},
        {"project": "shop", "stacks": ["prod", "dev"]},
        {"urn": URN.replace("payments", "shop")},
        {"stack": "payments/dev", "url": "https://app.pulumi.com/acme/shop/prod/updates/7"},
        {},
    ],
)
def test_another_stack_is_not_protected(arguments: object) -> None:
    found = look(arguments, "payments/prod")
    assert not found.is_protected
    assert found.protected == ()


@pytest.mark.parametrize("arguments", [{"stack": "prod"}, {"stackName": "prod", "project": ""}])
def test_a_bare_name_is_shown_with_the_project_of_the_tasks_stack(arguments: object) -> None:
    found = look(arguments, "payments/prod", entities=(PROD, DEV))
    assert found.stacks == found.protected == ("payments/prod",)
    assert found.target == "payments/prod"


@pytest.mark.parametrize("arguments", [{"stack": "prod"}, {"command": "pulumi up -s prod"}])
def test_a_stack_without_a_project_may_be_in_any_project_that_is_protected(arguments: object) -> None:
    assert look(arguments, "payments/*", entities=()).protected == ("prod",)


def test_the_stack_that_is_typed_is_the_protected_one() -> None:
    found = look({"stack": "payments/dev", "stackName": "payments/prod"}, "payments/prod")
    assert found.stacks == ("payments/dev", "payments/prod")
    assert found.target == "payments/prod"


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        (UP, {}),
        (UP, {"stack": ""}),
        (UP, {"stack": 7}),
        (UP, {"path": "./infra"}),
        (UP, {"stack": "${STACK}"}),
        (UP, {"stack": "*"}),
        (SHELL, {"command": "cd infra && pulumi up --yes"}),
        (SHELL, {"command": "pulumi up -s $STACK"}),
        (SHELL, {"command": 'pulumi up --stack="$(cat stack)"'}),
        (SHELL, {"command": "./deploy.sh"}),
        ("custom__thing", {"x": 1}),
    ],
)
def test_a_change_whose_stack_is_not_known_counts_as_protected(tool: str, arguments: object) -> None:
    found = look(arguments, "payments/prod", tool=tool, entities=())
    assert found.is_protected
    assert found.is_sensitive
    assert found.target is None
    assert not look(arguments, tool=tool, entities=()).is_protected


def test_a_shell_may_work_on_another_stack_than_the_tasks() -> None:
    assert look({"command": "pulumi up"}, "payments/prod", tool=SHELL).is_protected
    assert not look({"command": "pulumi up -s payments/dev"}, "payments/prod", tool=SHELL).is_protected


@pytest.mark.parametrize(
    "arguments",
    [
        {"stack": "a/b/c/d"},
        {"stack": "acme/payments/pr/od"},
        {"command": "S=pro; pulumi up -s payments/${S}d"},
        {"command": "pulumi up --stack=payments/$S"},
        {"command": 'pulumi up --stack "payments/`cat stack`"'},
        {"command": "pulumi stack select acme/payments/%STACK%"},
    ],
)
def test_a_stack_that_is_only_half_a_name_is_not_the_tasks(arguments: object) -> None:
    for tool in (UP, SHELL):
        found = look(arguments, "payments/prod", tool=tool)
        assert (found.is_protected, found.target) == (True, None)


@pytest.mark.parametrize("tool", [UP, "filesystem__read"])
@pytest.mark.parametrize(
    "arguments",
    [
        {"stack": "payments/dev", "x": "y " * MAX_CHARACTERS},
        {"stack": "payments/dev", "x": [""] * MAX_CHARACTERS},
    ],
)
def test_what_is_too_much_to_be_searched_counts_as_protected(tool: str, arguments: object) -> None:
    found = look(arguments, "payments/prod", tool=tool)
    assert (found.is_protected, found.target) == (True, None)
    assert not look(arguments, tool=tool).is_protected


def test_a_large_file_is_searched_to_its_end() -> None:
    text = "word " * (MAX_CHARACTERS // 10)
    assert not look({"stack": "payments/dev", "content": text}, "payments/prod").is_protected
    assert look({"stack": "payments/dev", "content": f"{text}payments/prod"}, "payments/prod").protected


def test_reading_without_a_stack_is_not_protected() -> None:
    assert not look({"path": "index.ts"}, "payments/prod", tool="filesystem__read", entities=()).is_protected


@pytest.mark.parametrize(
    "context",
    [
        {"plan_description": "Update `payments/prod`."},
        {"git_diff": {"infra/Pulumi.prod.yaml": "+a: b"}},
        {"git_diff": {"a": "+stack: payments/prod"}},
        {"last_approval_diff": {"a": URN}},
        {"target_stack": "payments/prod"},
    ],
)
def test_the_requests_own_context_counts(context: dict[str, object]) -> None:
    assert look({"stack": "payments/dev"}, "payments/prod", context=context).protected


@pytest.mark.parametrize(
    "entity",
    [
        PROD,
        Stack.model_validate({"project": "a", "name": "b", "alias": "payments/prod"}),
        UnknownEntity.model_validate({"type": "stack", "name": "prod"}),
        UnknownEntity.model_validate({"type": "deployment", "of": [{"stack": "payments/prod"}]}),
        Repository.model_validate({"org": "acme", "name": "infra", "path": "payments/prod"}),
    ],
)
def test_the_tasks_entities_count(entity: Entity) -> None:
    assert look({"stack": "payments/dev"}, "payments/prod", entities=(DEV, entity)).is_protected


EMBEDDINGS: list[Callable[[str], Any]] = [
    lambda name: {"stack": name},
    lambda name: {"x": [[name]]},
    lambda name: {name: 1},
    lambda name: {"command": f"pulumi up -s {name}"},
    lambda name: {"command": f"pulumi up -s{name}"},
    lambda name: {"command": f"pulumi up --stack='{name}' -y"},
    lambda name: {"command": f"(a;pulumi up -s {name})&"},
    lambda name: {"command": f"echo `pulumi -s {name}`>x"},
    lambda name: {"json": json.dumps({"a": [{"stack": name}]})},
    lambda name: {"json": json.dumps(json.dumps({"stack": name}))},
    lambda name: {"env": {"PULUMI_STACK": name}},
    lambda name: {"env": [f"PULUMI_STACK={name}"]},
    lambda name: {"text": f"First x/y,{name}:then"},
    lambda name: {"text": f"See {name}."},
    lambda name: {"text": f"|{name}|"},
    lambda name: {"url": f"https://app.pulumi.com/acme/{name}/updates/1"},
    lambda name: {"path": f"/{name}/"},
    lambda name: {"urn": "urn:pulumi:{1}::{0}::t::n".format(*name.split("/"))},
    lambda name: dict(zip(("project", "stack"), name.split("/"), strict=True)),
]
_PLAIN_NAME = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,8}", fullmatch=True)


@given(
    _PLAIN_NAME,
    _PLAIN_NAME,
    st.sampled_from(EMBEDDINGS),
    st.dictionaries(st.text(max_size=5), st.text(max_size=9)),
)
def test_wherever_a_protected_name_is_put_it_is_found(
    project: str, stack: str, embed: Callable[[str], Any], others: dict[str, str]
) -> None:
    name = f"{project}/{stack}"
    arguments = {"a": [{"b": others}, embed(name)], "stack": "x9x/y9y"}
    for pattern in (name, name.swapcase(), f"*/{stack}", stack, f"acme/{name}"):
        assert look(arguments, pattern).protected


def test_arguments_of_any_depth_and_size_are_read() -> None:
    deep: Any = "payments/prod"
    for _ in range(100_000):
        deep = [deep]
    names = [f"a{number}/b" for number in range(50_000)]
    call = ToolCall.model_construct(id="c", name=UP, args={"x": deep, "y": names, "z": "/" * 200_000})
    body = UserApprovalRequest.model_validate({"id": "a", "context": {"tool_call_id": "c"}})
    found = operation(body, call, [DEV], ["payments/prod", "a*/b"])
    assert "payments/prod" in found.protected
    assert len(found.protected) <= 20
