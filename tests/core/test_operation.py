"""What an approval would let Neo do, and where."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo_mcp.core.operation import may_change, operation
from neo_mcp.wire import Entity, Repository, Stack, ToolCall, UserApprovalRequest

PROD = Stack(project="shop", name="prod")
DEV = Stack(project="shop", name="dev")


def request(tool: str | None = None, sensitivity: object = None) -> UserApprovalRequest:
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
        "pulumi__upsert_stack",
        "pulumi__UP",
        "pulumi__STACKup",
        "pulumi__stack-up",
        "pulumi__up2",
        "pulumi__preview_and_deploy",
        "pulumi__getAndDestroy",
        "PulumiDestroy",
        "pulumi__cancel",
        "pulumi__state",
        "pulumi__get_import",
        "pulumi__refresh",
        "pulumi.up",
        "destroy__read",
        "shell__shell_execute",
        "shell__list",
        "bash",
        "github__create_pull_request",
        "setup__run",
        "pulumi__backup",
        "frobnicate",
        "pulumi__",
        "__",
        "getup",
        "pulumi__\uff55\uff50",
        "list\u0435",
        "filesystem__content_replace",
        "filesystem__edit",
        "7",
    ],
)
def test_a_tool_that_is_not_known_to_only_read_may_change_something(tool: str) -> None:
    assert may_change(tool)
    assert operation(request(tool, "regular"), call(tool), []).is_sensitive


@pytest.mark.parametrize(
    "tool",
    [
        "pulumi__preview",
        "pulumi__pulumi_preview",
        "pulumiPreview",
        "pulumi__get_updates",
        "pulumi__list_stacks",
        "pulumi__resource_search",
        "pulumi__describeStack",
        "pulumi__get-stack-2",
        "filesystem__read",
        "filesystem__directory_tree",
        "filesystem__grep",
        "filesystem__grep_ast",
        "mcp__filesystem__list",
        "ux__ask_user",
        "exitPlanMode",
    ],
)
def test_a_tool_that_is_known_to_only_read_is_not_sensitive_by_itself(tool: str) -> None:
    assert not may_change(tool)
    assert not operation(request(tool, "regular"), call(tool), [PROD]).is_sensitive


class TestTwoNames:
    """The request may name another tool than the call."""

    @pytest.mark.parametrize(
        ("claimed", "called"),
        [("filesystem__read", "pulumi__pulumi_up"), ("pulumi__up", "filesystem__read"), (None, "pulumi__up")],
    )
    def test_the_stricter_one_decides(self, claimed: str | None, called: str) -> None:
        found = operation(request(claimed, "regular"), call(called), [])
        assert found.is_sensitive
        assert found.tool == called
        assert found.claimed == (claimed or "")

    def test_the_same_name_is_no_difference(self) -> None:
        assert operation(request("pulumi__up"), call("pulumi__up"), []).claimed == ""

    @pytest.mark.parametrize("call_id", [7, ["c1"], {"id": "c1"}, True])
    def test_a_call_whose_id_cannot_be_read_is_not_known(self, call_id: object) -> None:
        context = {"tool_name": "filesystem__read", "tool_call_id": call_id}
        body = UserApprovalRequest.model_validate({"id": "a1", "sensitivity": "regular", "context": context})
        assert operation(body, None, [DEV]).is_sensitive

    @pytest.mark.parametrize("name", [["pulumi__up"], {"name": "pulumi__up"}, 7])
    def test_a_name_that_cannot_be_read_is_of_no_tool_that_only_reads(self, name: object) -> None:
        context = {"tool_name": name, "tool_call_id": "c1"}
        body = UserApprovalRequest.model_validate({"id": "a1", "sensitivity": "regular", "context": context})
        assert operation(body, call("filesystem__read"), [DEV]).is_sensitive

    def test_a_call_that_is_not_known_may_be_any(self) -> None:
        found = operation(request("filesystem__read", "regular"), None, [DEV], ["prod"])
        assert found.is_sensitive
        assert found.is_protected
        assert found.target is None


@pytest.mark.parametrize(
    "sensitivity", ["sensitive", "Sensitive", "REGULAR", " regular", "", " ", "critical", 5, True, ["x"], {}]
)
def test_a_sensitivity_that_is_not_known_to_be_regular_is_sensitive(sensitivity: object) -> None:
    assert operation(request(None, sensitivity), None, []).is_sensitive


@pytest.mark.parametrize("sensitivity", [None, "regular"])
def test_without_a_tool_the_sensitivity_decides_unless_stacks_are_protected(sensitivity: str | None) -> None:
    assert not operation(request(None, sensitivity), None, []).is_sensitive
    assert not operation(request(None, sensitivity), None, [DEV], ["prod"]).is_sensitive
    assert operation(request(None, sensitivity), None, [], ["prod"]).is_sensitive
    assert operation(request(None, sensitivity), None, [PROD], ["prod"]).is_sensitive


def test_reading_from_a_protected_stack_is_sensitive_and_from_another_is_not() -> None:
    tool = "pulumi__preview"
    assert operation(request(tool, "regular"), call(tool), [PROD], ["shop/*"]).is_sensitive
    assert not operation(request(tool, "regular"), call(tool), [DEV], ["shop/prod"]).is_sensitive
    assert not operation(request(tool, "regular"), call(tool), [], ["shop/prod"]).is_sensitive


@given(
    st.dictionaries(st.text(), st.none() | st.text() | st.integers() | st.lists(st.text()), max_size=4),
    st.text(),
)
def test_any_call_can_be_read(arguments: dict[str, object], tool: str) -> None:
    found = operation(
        request(tool or None), call(tool, **{"args": arguments} | arguments), [PROD], ["*/p*", "a/b/*"]
    )
    assert found.stacks
    assert set(found.protected) <= set(found.stacks)


def test_a_task_of_more_entities_than_are_known_may_be_about_a_protected_stack() -> None:
    asked, run = request("pulumi__up"), call("pulumi__up", stack="dev", project="shop")
    for lacks in (False, True):
        found = operation(asked, run, [DEV], ["prod"], lacks_entities=lacks)
        assert (found.is_protected, found.protected) == (lacks, ())
    assert not operation(asked, run, [DEV], lacks_entities=True).is_protected
