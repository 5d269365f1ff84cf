"""Everything that the description lets the API send parses into the right class, and nothing is lost."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from neo_mcp import wire
from neo_mcp.wire import Event, UnknownBody, UnknownEntity, enums, parse_event, parse_event_page
from tests.wire import contract
from tests.wire.contract import contains, instances, name_of, variants

BODIES: dict[str, type[Any]] = {
    "assistant_message": wire.AssistantMessage,
    "awaiting_approvals": wire.AwaitingApprovals,
    "cancelled": wire.Cancelled,
    "change_entities": wire.ChangeEntities,
    "context_compression_event": wire.ContextCompression,
    "error": wire.ErrorEvent,
    "exec_tool_call": wire.ExecToolCall,
    "exec_tool_call_progress": wire.ExecToolCallProgress,
    "provide_pulumi_access_token": wire.ProvidePulumiAccessToken,
    "set_task_name": wire.SetTaskName,
    "tool_response": wire.ToolResponse,
    "user_approval_request": wire.UserApprovalRequest,
    "warning": wire.WarningEvent,
    "user_message": wire.UserMessage,
    "user_confirmation": wire.UserConfirmation,
    "user_cancel": wire.UserCancel,
    "tool_result": wire.ToolResults,
}
ENTITIES: dict[str, type[Any]] = {
    "policy_issue": wire.PolicyIssue,
    "pull_request": wire.PullRequest,
    "repository": wire.Repository,
    "stack": wire.Stack,
}
ENUMS = {
    "approvalMode": enums.ApprovalMode,
    "approval_type": enums.ApprovalType,
    "asyncTriggerType": enums.AsyncTriggerType,
    "execution_mode": enums.ToolExecutionMode,
    "permissionMode": enums.PermissionMode,
    "role": enums.OrganizationRole,
    "runtimePhase": enums.RuntimePhase,
    "sensitivity": enums.Sensitivity,
    "sortBy": enums.SortBy,
    "sortDirection": enums.SortDirection,
    "taskType": enums.TaskType,
    "toolExecutionMode": enums.ToolExecutionMode,
    "vcsProvider": enums.VcsProvider,
}
ENUMS_OF_A_SCHEMA = {
    ("AgentTask", "source"): enums.TaskSource,
    ("CreateAgentTaskRequest", "source"): enums.TaskSource,
    ("AgentBackendEventUserApprovalRequest", "source"): enums.ApprovalSource,
    ("AgentBackendEventContextCompressionEvent", "status"): enums.CompressionStatus,
    ("AgentTask", "status"): enums.TaskStatus,
}
NOT_MODELLED = {("User", "identities")}
FIRST_GENERATION_STATUS = {"pending", "completed", "failed"}

KINDS = [("agentResponse", kind, name_of(ref)) for kind, ref in contract.BACKEND_EVENTS.items()] + [
    ("userInput", kind, name_of(ref)) for kind, ref in contract.USER_EVENTS.items()
]


def envelope(kind: str, body: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "5f0c2a9e-0a3b-4c61-9f0e-3c5d3a1b2c4d",
        "isSynthetic": True,
        "type": kind,
        "eventBody": body,
    }


def wire_form(event: Event) -> dict[str, Any]:
    return event.model_dump(mode="json", by_alias=True)


def test_every_event_type_of_the_description_has_a_class() -> None:
    assert set(BODIES) == set(contract.BACKEND_EVENTS) | set(contract.USER_EVENTS)


@pytest.mark.parametrize(("kind", "body_type", "schema"), KINDS, ids=[f"{k}-{b}" for k, b, _ in KINDS])
@given(data=st.data())
def test_an_event_parses_into_its_class_and_keeps_everything(
    kind: str, body_type: str, schema: str, data: st.DataObject
) -> None:
    raw = envelope(kind, data.draw(variants(schema, body_type)))
    event = parse_event(json.dumps(raw))
    assert type(event.body) is BODIES[body_type]
    assert (event.id, event.type, event.is_synthetic) == (raw["id"], kind, True)
    if body_type == "provide_pulumi_access_token":
        raw["eventBody"] = {"type": body_type}
        assert wire_form(event) == raw
    else:
        assert contains(wire_form(event), raw)


@given(raw=instances("AgentConsoleEvent"))
def test_an_event_survives_being_written_and_read_again(raw: dict[str, Any]) -> None:
    event = parse_event(json.dumps(raw))
    assert parse_event(event.model_dump_json()) == event
    assert parse_event(event.model_dump_json(by_alias=True)) == event


@given(body=st.builds(lambda extra: extra | {"type": "brand_new_event"}, instances("AgentBackendEvent")))
def test_an_event_of_unknown_type_keeps_everything(body: dict[str, Any]) -> None:
    body.pop("encrypted_pulumi_access_token", None)
    event = parse_event(json.dumps(envelope("agentResponse", body)))
    assert type(event.body) is UnknownBody
    assert contains(wire_form(event), envelope("agentResponse", body))
    assert parse_event(event.model_dump_json()) == event


@given(
    raw=instances("ListAgentTaskEventsResponse"), events=st.lists(instances("AgentBackendEvent"), max_size=4)
)
def test_a_page_of_events_keeps_everything(raw: dict[str, Any], events: list[dict[str, Any]]) -> None:
    for body in events:
        if body["type"] == "provide_pulumi_access_token":
            body.clear()
            body["type"] = "provide_pulumi_access_token"
    raw["events"] = [envelope("agentResponse", body) | {"id": str(n)} for n, body in enumerate(events)]
    page = parse_event_page(json.dumps(raw).encode())
    assert contains([wire_form(event) for event in page.events], raw["events"])
    assert page.continuation_token == raw.get("continuationToken")


@given(raw=instances("AgentTask"))
def test_a_task_keeps_everything_but_what_identifies_its_creator_further(raw: dict[str, Any]) -> None:
    # The description leaves open what an id is; a task without a usable one is left out.
    raw["id"] = "t-1"
    task = wire.Task.model_validate_json(json.dumps(raw))
    raw["createdBy"] = {key: raw["createdBy"][key] for key in ("name", "githubLogin")}
    assert contains(task.model_dump(mode="json", by_alias=True), raw)


@given(raw=instances("ListAgentTasksResponse"))
def test_a_page_of_tasks_keeps_every_task(raw: dict[str, Any]) -> None:
    raw["tasks"] = [task | {"id": f"t-{number}"} for number, task in enumerate(raw["tasks"])]
    page = wire.TaskPage.model_validate_json(json.dumps(raw))
    assert [task.id for task in page.tasks] == [task["id"] for task in raw["tasks"]]
    assert page.continuation_token == raw.get("continuationToken")


@given(raw=instances("User"))
def test_a_user_keeps_the_login_and_organizations_and_nothing_private(raw: dict[str, Any]) -> None:
    user = wire.User.model_validate_json(json.dumps(raw))
    assert user.github_login == raw["githubLogin"]
    assert [o.github_login for o in user.organizations] == [o["githubLogin"] for o in raw["organizations"]]
    assert [str(o.role) for o in user.organizations] == [o["role"] for o in raw["organizations"]]
    assert not user.model_extra


@given(raw=instances("CreateAgentTaskResponse"))
def test_the_answer_to_a_create_names_the_task(raw: dict[str, Any]) -> None:
    assert wire.CreatedTask.model_validate_json(json.dumps(raw)).task_id == raw["taskId"]


@pytest.mark.parametrize("kind", ENTITIES)
@given(data=st.data())
def test_an_entity_parses_into_its_class_and_keeps_everything(kind: str, data: st.DataObject) -> None:
    raw = data.draw(variants(name_of(contract.ENTITIES[kind]), kind))
    if "repo" in raw:
        raw["repo"]["type"] = "repository"
    entity = TypeAdapter[Any](wire.Entity).validate_json(json.dumps(raw))
    assert type(entity) is ENTITIES[kind]
    assert contains(entity.model_dump(mode="json"), raw)


@pytest.mark.parametrize(
    "raw",
    [
        {"type": "environment", "name": "prod", "org": "acme"},
        {"type": "stack", "id": "my-stack"},
        {"name": "no type"},
        {"type": 7, "name": "a number"},
    ],
)
def test_an_entity_of_unknown_type_or_shape_is_kept(raw: dict[str, Any]) -> None:
    entity = TypeAdapter[Any](wire.Entity).validate_json(json.dumps(raw))
    assert type(entity) is UnknownEntity
    assert contains(entity.model_dump(), raw | {"type": str(raw.get("type", "unknown"))})


def test_the_older_name_of_a_pull_requests_repository_is_read() -> None:
    raw = {
        "type": "pull_request",
        "number": 7,
        "merged": None,
        "repository": {"name": "infra", "org": "acme"},
    }
    entity = TypeAdapter[Any](wire.Entity).validate_python(raw)
    assert wire.describe(entity) == "pull request acme/infra#7"
    assert entity.model_dump()["repo"]["name"] == "infra"


def _named(given: object) -> str:
    """An id that is the same in every process; a set's own order is not."""
    return " ".join(sorted(given)) if isinstance(given, set | frozenset) else str(given)


@pytest.mark.parametrize(("place", "field", "values"), list(contract.enums()), ids=_named)
def test_every_enumeration_of_the_description_has_exactly_its_values(
    place: str, field: str, values: set[str]
) -> None:
    if (place, field) in NOT_MODELLED:
        assert "identities" not in wire.User.model_fields
        return
    enum = ENUMS_OF_A_SCHEMA.get((place, field)) or ENUMS[field]
    known = {str(member) for member in enum}
    if enum is enums.TaskStatus:
        known -= FIRST_GENERATION_STATUS
    assert known == values


def test_an_unknown_value_of_an_enumeration_is_kept_as_sent() -> None:
    task = wire.Task.model_validate(
        {"id": "t", "status": "paused", "runtimePhase": "hibernating", "source": "email"}
    )
    assert (task.status, task.runtime_phase, task.source) == ("paused", "hibernating", "email")
    assert not task.is_running
