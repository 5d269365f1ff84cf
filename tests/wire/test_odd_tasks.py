"""What is odd about a task costs the field that it is in, and never another task."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo_mcp import wire
from neo_mcp.wire import OrganizationMetadata, Task, User
from neo_mcp.wire.tasks import parse_task, parse_task_page

TASK: dict[str, Any] = {
    "id": "t-1",
    "name": "A task",
    "status": "running",
    "createdAt": "2026-01-01T00:00:00Z",
    "createdBy": {"name": "Ada", "githubLogin": "ada"},
    "entities": [{"type": "stack", "name": "dev", "project": "web"}],
    "approvalMode": "manual",
    "planMode": True,
    "permissionMode": "default",
    "isShared": True,
    "sharedAt": "2026-01-01T00:00:00Z",
    "runtimePhase": "running",
    "lastHeartbeat": "2026-01-01T00:00:00Z",
    "contextUsedTokens": 1,
    "contextWindowTokens": 2,
    "contextCompactionThresholdPercent": 3,
    "tokensUsed": 4,
    "toolExecutionMode": "cloud",
    "taskType": "standard",
    "source": "api",
    "asyncTriggerType": "x",
    "sourceAutomationID": "a-1",
    "vcsProvider": "github",
    "role": "admin",
    "agentDefinitionId": "d-1",
}
OPTIONAL = sorted(set(TASK) - {"id"})
ODD: list[Any] = [
    *(None, True, False, 0, 7, -1, 12.0, 12.5, 1e300, 10**40),
    *("", "12", "12.0", "12.5", "yes", "half \ud800", "\u0000", "x" * 10_000, "a value of next year"),
    *([], {}, [None], [1, "x"], [[]], {"a": 1}, {"name": 3, "githubLogin": []}, [{"type": 7}], [{}, 5, "s"]),
]
BAD_IDS: list[Any] = [None, 7, "", "a/b", "..", "half \ud800", "x" * 300, ["t"], {"id": "t"}]


def same(task: Task | None) -> dict[str, Any]:
    """What was read, by its names on the wire."""
    assert task is not None
    dumped = task.model_dump(mode="json", by_alias=True)
    # It can be sent on and shown.
    json.dumps(dumped).encode("ascii")
    for value in dumped.values():
        str(value).encode("utf-8")
    return dumped


def test_the_sample_has_every_field() -> None:
    assert set(TASK) == {info.alias for info in Task.model_fields.values()}


@pytest.mark.parametrize("field", OPTIONAL)
def test_every_field_in_every_odd_form_costs_only_itself(field: str) -> None:
    whole = same(parse_task(json.dumps(TASK).encode()))
    for odd in ODD:
        task = same(parse_task(json.dumps({**TASK, field: odd}).encode()))
        assert {**task, field: None} == {**whole, field: None}, odd
    without = same(parse_task(json.dumps({key: TASK[key] for key in TASK if key != field}).encode()))
    assert {**without, field: None} == {**whole, field: None}


@given(st.dictionaries(st.sampled_from(OPTIONAL), st.sampled_from(ODD)))
def test_several_odd_fields_cost_only_themselves(odd: dict[str, Any]) -> None:
    whole = same(parse_task(json.dumps(TASK).encode()))
    task = same(parse_task(json.dumps({**TASK, **odd}).encode()))
    kept = {key: value for key, value in task.items() if key not in odd}
    assert kept == {key: value for key, value in whole.items() if key not in odd}


@pytest.mark.parametrize(
    ("field", "odd", "meaning"),
    [
        ("name", 2026, "2026"),
        ("name", "half \ud800", "half \ufffd"),
        ("role", 7, "7"),
        ("sharedAt", 1.5, "1.5"),
        ("tokensUsed", "12", 12),
        ("tokensUsed", 12.0, 12),
        ("tokensUsed", 12.5, None),
        ("tokensUsed", "many", None),
        ("status", "pondering", "pondering"),
        ("entities", None, []),
        ("planMode", "true", True),
        ("planMode", "perhaps", False),
        ("createdBy", "ada", None),
    ],
)
def test_an_exact_meaning_is_taken_and_anything_else_is_absent(field: str, odd: Any, meaning: Any) -> None:  # noqa: ANN401 - any JSON
    assert same(parse_task(json.dumps({**TASK, field: odd}).encode()))[field] == meaning


def test_an_odd_entity_leaves_the_others() -> None:
    stack = TASK["entities"][0]
    task = same(parse_task(json.dumps({**TASK, "entities": [7, stack, "x", None, {"type": 5}]}).encode()))
    assert [entity["type"] for entity in task["entities"]] == ["stack", "5"]


@pytest.mark.parametrize(
    "bad", [*({**TASK, "id": bad} for bad in BAD_IDS), {}, None, 7, "task", [TASK], True]
)
def test_what_has_no_id_is_left_out_alone(bad: Any) -> None:  # noqa: ANN401 - any JSON
    odd = {**TASK, "id": "t-2", "tokensUsed": 1.5}
    data = json.dumps({"tasks": [TASK, bad, odd, bad], "continuationToken": "next"}).encode()
    token, tasks = parse_task_page(data)
    assert token == "next"
    assert [task and task.id for task in tasks] == ["t-1", None, "t-2", None]
    assert parse_task(json.dumps(bad).encode()) is None


def test_a_page_of_something_else_is_none() -> None:
    others: list[Any] = [{}, [], None, {"tasks": {}}, {"tasks": "x"}, {"tasks": [], "continuationToken": []}]
    for raw in others:
        with pytest.raises(ValueError, match=r"tasks|Input should"):
            parse_task_page(json.dumps(raw).encode())
    assert parse_task_page(b'{"tasks":null,"continuationToken":null}') == (None, ())
    assert parse_task_page(b'{"tasks":[7],"continuationToken":42}') == ("42", (None,))
    page = wire.parse_event_page(b'{"events":[7],"continuationToken":42}')
    assert (len(page.events), page.continuation_token) == (1, "42")


class TestUsers:
    def test_an_odd_organization_costs_only_itself(self) -> None:
        organizations = [{"githubLogin": "acme"}, 7, {"name": "no login"}, {"githubLogin": 42}, None]
        user = User.model_validate_json(json.dumps({"githubLogin": "ada", "organizations": organizations}))
        assert [each.github_login for each in user.organizations] == ["acme", "42"]

    @pytest.mark.parametrize("odd", ODD)
    def test_whatever_is_odd_about_a_user_leaves_the_login(self, odd: Any) -> None:  # noqa: ANN401 - any JSON
        raw = json.dumps({"githubLogin": "ada", "name": odd, "organizations": odd})
        assert User.model_validate_json(raw).github_login == "ada"

    @pytest.mark.parametrize("odd", ODD)
    def test_settings_of_an_organization_are_optional(self, odd: Any) -> None:  # noqa: ANN401 - any JSON
        fields = ("neoEnabled", "neoAgentDisabled", "neoApprovalMode", "neoTaskSharingMode")
        OrganizationMetadata.model_validate_json(json.dumps(dict.fromkeys(fields, odd)))
