"""What an approval would let Neo do, and where."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo_mcp.core.operation import operation
from neo_mcp.wire import Entity, Repository, Stack, ToolCall, UserApprovalRequest

PROD = Stack(project="shop", name="prod")
DEV = Stack(project="shop", name="dev")


def request(tool: str | None = None, sensitivity: str | None = None) -> UserApprovalRequest:
    context = {"tool_name": tool, "tool_call_id": "c1"} if tool else None
    return UserApprovalRequest.model_validate({"id": "a1", "sensitivity": sensitivity, "context": context})


def call(tool: str, **arguments: object) -> ToolCall:
    return ToolCall.model_validate({"id": "c1", "name": tool, "args": arguments})


@pytest.mark.parametrize(
    ("arguments", "stack"),
    [
        ({"stack": "prod", "project": "shop"}, "shop/prod"),
        ({"stackName": "prod", "projectName": "shop"}, "shop/prod"),
        ({"stack_name": "acme/shop/prod"}, "shop/prod"),
        ({"stack": "shop/prod", "project": "other"}, "shop/prod"),
        ({"stack": "prod"}, "prod"),
        ({"stack": "  prod ", "project": ""}, "prod"),
    ],
)
def test_the_stack_is_found_in_the_calls_arguments(arguments: dict[str, str], stack: str) -> None:
    found = operation(request("pulumi__up"), call("pulumi__up", **arguments), [DEV])
    assert (found.stacks, found.target) == ((stack,), stack)


@pytest.mark.parametrize("arguments", [{}, {"stack": ""}, {"stack": 7}, {"stack": None}, {"path": "x"}])
def test_without_a_stack_in_the_call_the_tasks_stacks_count(arguments: dict[str, object]) -> None:
    entities: list[Entity] = [Repository(org="acme", name="infra"), PROD]
    found = operation(request("pulumi__up"), call("pulumi__up", **arguments), entities)
    assert (found.stacks, found.target) == (("shop/prod",), "shop/prod")


def test_several_stacks_are_no_single_target_unless_one_of_them_is_protected() -> None:
    assert operation(request(), None, [PROD, DEV]).target is None
    assert operation(request(), None, [PROD, DEV], ["prod"]).target == "shop/prod"
    assert operation(request(), None, []).target is None


@pytest.mark.parametrize(
    "tool",
    [
        "pulumi__up",
        "pulumi__pulumi_up",
        "pulumi__stackUp",
        "pulumi__destroy",
        "mcp__pulumi_destroy",
        "pulumi__state_delete",
    ],
)
def test_what_changes_infrastructure_is_sensitive_whatever_the_api_says(tool: str) -> None:
    assert operation(request(tool, "regular"), None, []).is_sensitive


@pytest.mark.parametrize(
    "tool",
    [
        "",
        "pulumi__preview",
        "pulumi__get_updates",
        "github__create_pull_request",
        "setup__run",
        "pulumi__backup",
    ],
)
def test_what_only_looks_is_not(tool: str) -> None:
    assert not operation(request(tool or None, "regular"), None, [PROD]).is_sensitive


def test_what_the_api_calls_sensitive_or_is_on_a_protected_stack_is_sensitive() -> None:
    assert operation(request(None, "sensitive"), None, []).is_sensitive
    assert operation(request("pulumi__preview", "regular"), None, [PROD], ["shop/*"]).is_sensitive
    assert not operation(request("pulumi__preview", "regular"), None, [DEV], ["shop/prod"]).is_sensitive


@pytest.mark.parametrize(
    ("pattern", "stack", "matches"),
    [
        ("shop/prod", "shop/prod", True),
        ("Shop/PROD", "shop/prod", True),
        ("*/prod", "shop/prod", True),
        ("prod", "shop/prod", True),
        ("prod*", "shop/prod-eu", True),
        ("payments/*", "shop/prod", False),
        ("prod", "prod/dev", False),
    ],
)
def test_patterns_of_protected_stacks(pattern: str, stack: str, *, matches: bool) -> None:
    assert is_protected(stack, [pattern]) is matches


@given(
    st.dictionaries(st.text(), st.none() | st.text() | st.integers() | st.lists(st.text()), max_size=4),
    st.text(),
)
def test_any_call_can_be_read(arguments: dict[str, object], tool: str) -> None:
    found = operation(request(tool or None), call(tool, **{"args": arguments} | arguments), [PROD])
    assert found.stacks
    assert set(found.protected) <= set(found.stacks)
