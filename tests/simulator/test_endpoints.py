import json
from typing import Any, Literal

import httpx
import pytest

from neo_mcp.simulator import Simulator, SimulatorConfig, running_simulator
from tests.simulator.helpers import WHEN, Api, message

MISSING = "5c7b1b9e-0000-4000-8000-000000000000"


def a_message(**changes: object) -> dict[str, object]:
    return {"message": {**message("hello"), **changes}}


async def test_a_person_sees_their_profile(api: Api) -> None:
    profile = (await api.http.get("/api/user")).json()
    assert profile["githubLogin"] == "alice"
    assert [item["githubLogin"] for item in profile["organizations"]] == ["acme", "acme-labs"]


@pytest.mark.parametrize(
    ("person", "chosen", "expected"),
    [
        ("alice", "acme", "acme"),
        ("alice", "acme-labs", "acme-labs"),
        ("carol", "acme", "globex"),
        ("nobody", "acme", "acme"),
        ("alice", "", ""),
    ],
)
async def test_a_person_has_a_default_organization(person: str, chosen: str, expected: str) -> None:
    config = SimulatorConfig(default_organization=chosen)
    async with running_simulator(config) as simulator, Api(simulator, person) as api:
        answer = await api.http.get("/api/user/organizations/default")
    assert answer.json()["GitHubLogin"] == expected


async def test_older_services_know_of_no_default_organization() -> None:
    for config in (SimulatorConfig(default_organization=None), SimulatorConfig(first_generation=True)):
        async with running_simulator(config) as simulator, Api(simulator) as api:
            assert (await api.http.get("/api/user/organizations/default")).status_code == 404


@pytest.mark.parametrize(
    "header",
    [
        None,
        "token nobody-knows",
        "Bearer pul-sim-alice",
        "pul-sim-alice",
        "token  pul-sim-alice",
        "Token pul-sim-alice",
    ],
)
async def test_anything_but_a_known_token_is_unauthorized(api: Api, header: str | None) -> None:
    del api.http.headers["authorization"]
    headers = {} if header is None else {"authorization": header}
    for path in ("/api/user", "/api/user/organizations/default", api.tasks, f"{api.tasks}/{MISSING}"):
        response = await api.http.get(path, headers=headers)
        assert response.status_code == 401


async def test_unknown_paths_and_methods_are_json_errors(api: Api) -> None:
    for path in (
        "/",
        "/api",
        f"{api.tasks}/",
        f"{api.tasks}/{MISSING}/nothing",
        "/preview/agents/acme/tasks",
    ):
        assert (await api.http.get(path)).status_code == 404
    for method in ("PUT", "DELETE", "OPTIONS", "TRACE"):
        response = await api.http.request(method, api.tasks)
        assert response.status_code == 405
        assert response.headers["allow"] == "GET, POST"


async def test_a_task_is_created_with_what_was_chosen(api: Api) -> None:
    stack = {"type": "stack", "name": "dev", "project": "web"}
    task = await api.create(
        "hello",
        approvalMode="auto",
        permissionMode="read-only",
        planMode=False,
        toolExecutionMode="worker",
        source="github",
        role="role-auditor",
        enabledIntegrations=[{"id": "honeycomb"}],
        cliIntegrations=[],
    )
    found = await api.get(task)
    assert found["approvalMode"] == "auto"
    assert found["permissionMode"] == "read-only"
    assert found["toolExecutionMode"] == "worker"
    assert found["source"] == "github"
    assert found["taskType"] == "async"
    assert found["asyncTriggerType"] == "external_signal"
    assert found["role"] == "role-auditor"
    stored = api.simulator.store.get("acme", task)
    assert stored.enabled_integrations == ["honeycomb"]
    assert stored.cli_integrations == []
    other = await api.http.post(api.tasks, json=a_message(entity_diff={"add": [stack]}))
    assert (await api.get(other.json()["taskId"]))["entities"] == [stack]


async def test_a_task_that_chooses_nothing_gets_the_defaults_of_its_organization(
    simulator: Simulator,
) -> None:
    for organization, mode in (("acme", "manual"), ("acme-labs", "balanced")):
        async with Api(simulator, organization=organization) as api:
            task = await api.create("hello")
            found = await api.get(task)
            assert found["approvalMode"] == mode
            assert found["toolExecutionMode"] == "cloud"
            assert found["source"] == "api"
            assert simulator.store.get(organization, task).enabled_integrations is None


async def test_the_first_event_is_the_message_of_the_creation(api: Api) -> None:
    task = await api.create("hello  there")
    first = (await api.envelopes(task))[0]
    assert first["type"] == "userInput"
    assert first["eventBody"] == {"type": "user_message", "timestamp": WHEN, "content": "hello  there"}
    assert (await api.get(task))["name"] == "hello there"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"message": None},
        {"message": "hello"},
        {"message": {"type": "user_message", "timestamp": WHEN}},
        a_message(type="user_cancel"),
        a_message(type=None),
        a_message(content=" "),
        a_message(content=5),
        a_message(timestamp="yesterday"),
        a_message(timestamp="2026-01-01"),
        a_message(timestamp="2026-01-01T00:00:00"),
        a_message(commands={"/fix": {"name": "/fix"}}),
        a_message(commands=[]),
        a_message(entity_diff=[]),
        a_message(pageContext={"params": {"a": 1}}),
        {**a_message(), "approvalMode": "yolo"},
        {**a_message(), "permissionMode": "root"},
        {**a_message(), "toolExecutionMode": "moon"},
        {**a_message(), "source": "nowhere"},
        {**a_message(), "planMode": "yes"},
        {**a_message(), "enabledIntegrations": [{"id": "unheard-of"}]},
        {**a_message(), "enabledIntegrations": ["honeycomb"]},
        {**a_message(), "enabledIntegrations": [{}]},
        {**a_message(), "cliIntegrations": [{"catalogId": "aws", "name": "moon"}]},
        {**a_message(), "cliIntegrations": {}},
    ],
)
async def test_a_creation_that_is_wrong_is_refused(api: Api, body: dict[str, Any]) -> None:
    response = await api.http.post(api.tasks, json=body)
    assert response.status_code == 400
    assert (await api.http.get(api.tasks)).json()["tasks"] == []


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b'"x"', b'{"a": NaN}', b"[" * 100_000, b"\xff"])
async def test_a_body_that_is_no_json_object_is_refused(api: Api, raw: bytes) -> None:
    assert (await api.http.post(api.tasks, content=raw)).status_code == 400


async def test_an_unknown_role_is_forbidden(api: Api) -> None:
    assert (await api.http.post(api.tasks, json={**a_message(), "role": "role-king"})).status_code == 403


@pytest.mark.parametrize(
    "entity",
    [
        {"type": "stack", "name": "dev"},
        {"type": "stack", "name": "", "project": "web"},
        {"type": "planet", "name": "mars"},
        {"type": "repository", "name": "web"},
        {"type": "repository", "name": "web", "org": "acme", "forge": 5},
        {"type": "pull_request", "number": True, "merged": False, "repo": {"name": "web", "org": "acme"}},
        {"type": "pull_request", "number": 5, "merged": False, "repo": {"name": "web"}},
        {"type": "policy_issue"},
        {"type": "stack", "name": "dev", "project": "no-such-project"},
        "stack",
    ],
)
async def test_an_invalid_entity_is_named_as_such(api: Api, entity: object) -> None:
    response = await api.http.post(api.tasks, json=a_message(entity_diff={"add": [entity]}))
    assert response.status_code == 400
    assert "invalid entit" in response.json()["message"]


async def test_half_a_surrogate_pair_does_no_harm(api: Api) -> None:
    raw = json.dumps(a_message(content="half \ud83d of it")).encode()
    response = await api.http.post(api.tasks, content=raw)
    assert response.status_code == 201
    await api.settle(response.json()["taskId"])
    assert (await api.events(response.json()["taskId"]))[0]["content"] == "half ? of it"


async def test_a_task_that_is_not_there_is_not_found(api: Api, simulator: Simulator) -> None:
    elsewhere = simulator.add_task("acme-labs")
    cancel = {"type": "user_cancel", "timestamp": WHEN}
    for task in (MISSING, elsewhere):
        one = f"{api.tasks}/{task}"
        responses = [
            await api.http.get(one),
            await api.http.patch(one, json={"name": "x"}),
            await api.http.post(one, json={"event": cancel}),
            await api.http.post(f"{one}/cancel", json={"force": True}),
            await api.http.get(f"{one}/events"),
            await api.http.get(f"{one}/events/stream"),
        ]
        assert {response.status_code for response in responses} == {404}


@pytest.mark.parametrize(
    "size", ["0", "1001", "-1", "ten", "", "1.5", "1_0", "٣", "99999999999999999999", "00001000000"]
)
async def test_a_page_size_must_be_between_1_and_1000(api: Api, simulator: Simulator, size: str) -> None:
    task = simulator.add_task("acme")
    for path in (api.tasks, f"{api.tasks}/{task}/events"):
        assert (await api.http.get(path, params={"pageSize": size})).status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        {"status": "odd"},
        {"excludeSources": "moon"},
        {"sortBy": "colour"},
        {"sortDirection": "up"},
        {"taskType": "slow"},
        {"continuationToken": "garbage"},
    ],
)
async def test_an_unknown_parameter_value_is_refused(api: Api, query: dict[str, str]) -> None:
    assert (await api.http.get(api.tasks, params=query)).status_code == 400


async def test_a_page_token_belongs_to_the_list_it_came_from(api: Api, simulator: Simulator) -> None:
    tasks = [simulator.add_task("acme", name=f"t{n}") for n in range(3)]
    token = (await api.http.get(api.tasks, params={"pageSize": 1})).json()["continuationToken"]
    for query in ({"sortBy": "name"}, {"sortDirection": "asc"}):
        response = await api.http.get(api.tasks, params={"continuationToken": token, **query})
        assert response.status_code == 400
    events = f"{api.tasks}/{tasks[0]}/events"
    assert (await api.http.get(events, params={"continuationToken": token})).status_code == 400


@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize("sort_by", ["lastEvent", "created", "status", "name", "tokensUsed"])
async def test_tasks_are_sorted_and_paged(
    api: Api, simulator: Simulator, sort_by: str, direction: str
) -> None:
    for number in (3, 1, 2, 5, 4):
        usage = {"m": {"input_tokens": number, "output_tokens": 0}}
        said = {"type": "assistant_message", "content": "x", "is_final": True, "token_usage": usage}
        status = "running" if number % 2 else "idle"
        simulator.add_task("acme", name=f"Task {number}", status=status, events=[("agentResponse", said)])
    seen: list[dict[str, Any]] = []
    query: dict[str, Any] = {"sortBy": sort_by, "sortDirection": direction, "pageSize": 2}
    while True:
        page = (await api.http.get(api.tasks, params=query)).json()
        seen += page["tasks"]
        if "continuationToken" not in page:
            break
        query["continuationToken"] = page["continuationToken"]
    assert len({task["id"] for task in seen}) == 5
    field = {"lastEvent": "createdAt", "created": "createdAt"}.get(sort_by, sort_by)
    values = [task[field] for task in seen]
    assert values == sorted(values, reverse=direction == "desc")


async def test_tasks_come_with_the_latest_event_first_unless_asked_otherwise(
    api: Api, simulator: Simulator
) -> None:
    first, second = simulator.add_task("acme"), simulator.add_task("acme")
    simulator.append_event("acme", first, {"type": "warning", "message": "x"}, kind="agentResponse")
    listed = (await api.http.get(api.tasks)).json()["tasks"]
    assert [task["id"] for task in listed] == [first, second]


async def test_tasks_can_be_filtered_by_their_type(api: Api, simulator: Simulator) -> None:
    simulator.add_task("acme")
    scheduled = simulator.add_task("acme", source="schedule")
    listed = (await api.http.get(api.tasks, params={"taskType": "async"})).json()["tasks"]
    assert [task["id"] for task in listed] == [scheduled]
    assert listed[0]["asyncTriggerType"] == "scheduled"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, {"plain", "Busy", "ours", "issue"}),
        ({"query": "bus"}, {"Busy"}),
        ({"status": "running"}, {"Busy"}),
        ({"status": "idle", "excludeSources": "github"}, {"plain", "issue"}),
        ({"excludeSources": ["github", "cli"]}, {"plain", "Busy"}),
        ({"agentDefinitionId": "agent-1"}, {"ours"}),
        ({"policyIssueId": "issue-1"}, {"issue"}),
        ({"policyIssueId": "issue"}, set()),
    ],
)
async def test_tasks_can_be_filtered(
    api: Api, simulator: Simulator, query: dict[str, str], expected: set[str]
) -> None:
    simulator.add_task("acme", name="plain", entities=[{"type": "stack", "name": "dev", "project": "web"}])
    simulator.add_task("acme", name="Busy", status="running")
    simulator.add_task("acme", name="ours", source="github", agent_definition_id="agent-1")
    issue = {"type": "policy_issue", "id": "issue-1"}
    simulator.add_task("acme", name="issue", source="cli", entities=[issue])
    listed = (await api.http.get(api.tasks, params=query)).json()["tasks"]
    assert {task["name"] for task in listed} == expected


@pytest.mark.parametrize("ending", ["absent", "empty", "null"])
async def test_the_last_page_shows_its_end_in_one_of_three_ways(
    ending: Literal["absent", "empty", "null"],
) -> None:
    async with running_simulator(SimulatorConfig(last_page_token=ending)) as simulator:
        task = simulator.add_task("acme")
        async with httpx.AsyncClient(headers={"authorization": "token pul-sim-alice"}) as client:
            for path in ("", f"/{task}/events"):
                url = f"{simulator.url}/api/preview/agents/acme/tasks{path}"
                page = (await client.get(url)).json()
                expected = {
                    "absent": {},
                    "empty": {"continuationToken": ""},
                    "null": {"continuationToken": None},
                }
                assert {name: page[name] for name in page if name == "continuationToken"} == expected[ending]


async def test_events_are_paged_oldest_first(api: Api) -> None:
    task = await api.create("scenario:public-bucket", approvalMode="auto")
    whole = await api.envelopes(task)
    paged: list[dict[str, Any]] = []
    query: dict[str, Any] = {"pageSize": 7}
    while True:
        page = (await api.http.get(f"{api.tasks}/{task}/events", params=query)).json()
        paged += page["events"]
        if "continuationToken" not in page:
            break
        query["continuationToken"] = page["continuationToken"]
    assert paged == whole


async def test_a_task_is_renamed_and_its_modes_changed(api: Api) -> None:
    task = await api.create("hello")
    response = await api.patch(task, name="  New name ", approvalMode="auto", permissionMode="read-only")
    assert response.json() == await api.get(task)
    assert response.json()["name"] == "New name"
    assert response.json()["approvalMode"] == "auto"
    assert response.json()["permissionMode"] == "read-only"


async def test_a_task_assumes_a_role_that_its_creator_holds(api: Api) -> None:
    task = await api.create("hello", agentDefinitionId="agent-1")
    response = await api.patch(task, role="role-auditor")
    assert (response.json()["role"], response.json()["roleName"]) == ("role-auditor", "Auditor")
    assert response.json()["agentDefinitionId"] == "agent-1"
    assert (await api.patch(task, role="role-king")).status_code == 403


async def test_null_and_absence_change_nothing(api: Api) -> None:
    task = await api.create("hello")
    before = await api.get(task)
    response = await api.patch(task, name=None, isShared=None, approvalMode=None, permissionMode=None)
    assert response.json() == before
    assert (await api.patch(task)).json() == before


async def test_sharing_remembers_when_it_first_happened(api: Api) -> None:
    task = await api.create("hello")
    assert "sharedAt" not in await api.get(task)
    shared = (await api.patch(task, isShared=True)).json()
    assert shared["isShared"]
    unshared = (await api.patch(task, isShared=False)).json()
    assert not unshared["isShared"]
    assert unshared["sharedAt"] == shared["sharedAt"]


@pytest.mark.parametrize(
    "changes",
    [
        {"name": " "},
        {"name": "x" * 256},
        {"name": 5},
        {"isShared": "yes"},
        {"approvalMode": "yolo"},
        {"permissionMode": "root"},
    ],
)
async def test_an_update_that_is_wrong_changes_nothing(api: Api, changes: dict[str, Any]) -> None:
    task = await api.create("hello")
    before = await api.get(task)
    assert (await api.patch(task, **changes)).status_code == 400
    assert await api.get(task) == before


async def test_a_task_tells_how_full_its_context_is(api: Api) -> None:
    found = await api.get(await api.create("hello"))
    assert 0 < found["contextUsedTokens"] < found["contextWindowTokens"]
    assert found["tokensUsed"] > 0
    assert found["runtimePhase"] == "ready"
    assert found["lastHeartbeat"] >= found["createdAt"]
