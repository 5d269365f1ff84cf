"""Everything that is sent is valid under the description, and says no more than was meant."""

import json
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from neo_mcp import wire
from tests.wire import contract

NOW = "2025-11-03T09:30:00Z"
STACK = wire.Stack(name="prod", project="billing")
REPOSITORY = wire.Repository(name="infra", org="acme", forge="github")
PULL_REQUEST = wire.PullRequest(number=7, merged=False, repo=REPOSITORY)
ISSUE = wire.PolicyIssue(id="pi-1")
DIFF = wire.EntityDiff(add=(STACK, REPOSITORY, PULL_REQUEST), remove=(ISSUE,))
COMMAND = wire.SlashCommand(name="review", modified_at=NOW)

EVENTS: list[wire.UserEvent] = [
    wire.UserMessage(content="Go on.", timestamp=NOW),
    wire.UserMessage(content="/review", timestamp=NOW, commands={"review": COMMAND}, entity_diff=DIFF),
    wire.UserConfirmation(approval_request_id="a1", ok=True, timestamp=NOW),
    wire.UserConfirmation(approval_request_id="a1", ok=False, instructions="Use eu-west-1.", timestamp=NOW),
    wire.UserCancel(timestamp=NOW),
    wire.UserExecToolCall(tool_call_id="c1", name="shell__run", timestamp=NOW),
    wire.ToolResults(
        timestamp=NOW,
        tool_results=(
            wire.ToolResult(tool_call_id="c1", name="shell__run", content={"stdout": "ok", "stderr": None}),
            wire.ToolResult(tool_call_id="c2", name="shell__run", is_error=True),
        ),
    ),
]
MESSAGE = EVENTS[0]
assert isinstance(MESSAGE, wire.UserMessage)


def sent(model: BaseModel) -> dict[str, Any]:
    """What goes over the wire: nothing for what is ``None``."""
    body: dict[str, Any] = json.loads(model.model_dump_json(by_alias=True, exclude_none=True))
    return body


def test_every_user_event_of_the_description_is_tried_here() -> None:
    assert {event.type for event in EVENTS} == set(contract.USER_EVENTS)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_a_user_event_is_valid_and_stays_what_it_is(event: wire.UserEvent) -> None:
    request = wire.Respond(event=event)
    assert request.event is event
    body = sent(request)
    assert contract.problems("AgentRespondToTaskRequest", body) == []
    assert contract.problems(contract.name_of(contract.USER_EVENTS[event.type]), body["event"]) == []


def test_entities_are_valid_under_their_own_schemas() -> None:
    diff = sent(DIFF)
    for entity in diff["add"] + diff["remove"]:
        assert contract.problems(contract.name_of(contract.ENTITIES[entity["type"]]), entity) == []


def test_a_slash_command_carries_every_required_field() -> None:
    command = sent(wire.SlashCommand(name="review", modified_at=NOW))
    assert contract.problems("AgentSlashCommand", command) == []
    assert set(command) == contract.properties("AgentSlashCommand")[1]


@pytest.mark.parametrize("content", [None, "", {}, [], 0, False, {"nothing": None}])
def test_a_tool_result_always_has_content(content: object) -> None:
    item = sent(wire.ToolResult(tool_call_id="c1", name="n", content=content))
    assert item["content"] == ({} if content is None else content)


def test_a_full_create_request_is_valid() -> None:
    request = wire.CreateTask(
        message=MESSAGE,
        approval_mode=wire.ApprovalMode.BALANCED,
        plan_mode=True,
        permission_mode=wire.PermissionMode.READ_ONLY,
        role="reviewer",
        source=wire.TaskSource.API,
        tool_execution_mode=wire.ToolExecutionMode.CLI,
        enabled_integrations=(wire.IntegrationRef(id="honeycomb"),),
        cli_integrations=(wire.CliIntegrationRef(catalog_id="aws", name="main"),),
    )
    body = sent(request)
    assert contract.problems("CreateAgentTaskRequest", body) == []
    assert set(body) == set(contract.properties("CreateAgentTaskRequest")[0])


def test_a_create_request_says_only_what_was_set() -> None:
    assert sent(wire.CreateTask(message=MESSAGE)) == {"message": sent(MESSAGE)}


@pytest.mark.parametrize("field", ["enabled_integrations", "cli_integrations"])
def test_integrations_have_three_states(field: str) -> None:
    key = {"enabled_integrations": "enabledIntegrations", "cli_integrations": "cliIntegrations"}[field]
    entry = {"id": "honeycomb"} if field == "enabled_integrations" else {"catalogId": "aws", "name": "main"}
    message = sent(MESSAGE)
    inherit = wire.CreateTask.model_validate({"message": message})
    none = wire.CreateTask.model_validate({"message": message, field: []})
    some = wire.CreateTask.model_validate({"message": message, field: [entry]})
    assert key not in sent(inherit)
    assert sent(none)[key] == []
    assert sent(some)[key] == [entry]


def test_an_update_says_only_what_changes() -> None:
    assert sent(wire.UpdateTask(is_shared=False)) == {"isShared": False}
    full = wire.UpdateTask(
        name="Rotate keys",
        is_shared=True,
        approval_mode=wire.ApprovalMode.MANUAL,
        permission_mode=wire.PermissionMode.DEFAULT,
    )
    assert contract.problems("UpdateTaskRequest", sent(full)) == []
    assert set(sent(full)) == set(contract.properties("UpdateTaskRequest")[0])


def test_a_task_name_is_measured_after_trimming() -> None:
    assert sent(wire.UpdateTask(name=f"  {'x' * 255}\n")) == {"name": "x" * 255}
    for name in ("", "   ", "x" * 256):
        with pytest.raises(ValidationError):
            wire.UpdateTask(name=name)


@pytest.mark.parametrize(
    "wrong",
    [{"approvalMode": "yolo"}, {"permissionMode": "root"}, {"toolExecutionMode": "moon"}, {"surprise": 1}],
)
def test_a_request_takes_no_unknown_value_or_field(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        wire.CreateTask.model_validate({"message": sent(MESSAGE), **wrong})
