from collections.abc import AsyncIterator

import httpx
import pytest

from neo_mcp.simulator import Simulator, SimulatorConfig, running_simulator
from tests.simulator.helpers import WHEN

TASKS = "/preview/agents/acme/tasks"


@pytest.fixture
async def old() -> AsyncIterator[Simulator]:
    async with running_simulator(SimulatorConfig(time_scale=0, first_generation=True)) as running:
        yield running


@pytest.fixture
async def http(old: Simulator) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": "token pul-sim-alice"}
    async with httpx.AsyncClient(base_url=old.url, headers=headers) as client:
        yield client


async def create(old: Simulator, http: httpx.AsyncClient, content: str) -> str:
    response = await http.post(TASKS, json={"content": content, "timestamp": WHEN})
    assert response.status_code == 201, response.text
    task: str = response.json()["id"]
    await old.wait_idle("acme", task)
    return task


async def answer(old: Simulator, http: httpx.AsyncClient, task: str, content: str) -> int:
    event = {"type": "user_input", "content": content, "timestamp": WHEN}
    response = await http.post(f"{TASKS}/{task}", json={"event": event})
    await old.wait_idle("acme", task)
    return response.status_code


async def test_a_creation_is_flat_and_answers_with_the_task(http: httpx.AsyncClient) -> None:
    entity = {"type": "stack", "id": "dev"}
    body = {"content": "hello", "timestamp": WHEN, "entity_diff": {"add": [entity]}}
    task = (await http.post(TASKS, json=body)).json()
    assert task.keys() == {"id", "name", "status", "createdAt", "entities"}
    assert task["status"] == "pending"
    assert task["entities"] == [entity]


async def test_a_task_runs_waits_for_input_and_completes(old: Simulator, http: httpx.AsyncClient) -> None:
    task = await create(old, http, "scenario:public-bucket")
    assert (await http.get(f"{TASKS}/{task}")).json()["status"] == "running"
    assert await answer(old, http, task, "Yes, go ahead") == 202
    assert await answer(old, http, task, "No, leave it") == 202
    assert (await http.get(f"{TASKS}/{task}")).json()["status"] == "completed"
    events = (await http.get(f"{TASKS}/{task}/events")).json()["events"]
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert {event["type"] for event in events} == {"console_output", "user_input"}
    assert "No, leave it" in events[-1]["content"]


async def test_a_task_that_ends_with_an_error_has_failed(old: Simulator, http: httpx.AsyncClient) -> None:
    task = await create(old, http, "scenario:failing-deploy")
    for _ in range(2):
        await answer(old, http, task, "yes")
    assert (await http.get(f"{TASKS}/{task}")).json()["status"] == "failed"


async def test_local_tools_are_ordinary_ones(old: Simulator, http: httpx.AsyncClient) -> None:
    task = await create(old, http, "scenario:local-tools")
    assert (await http.get(f"{TASKS}/{task}")).json()["status"] == "completed"


async def test_lists_and_events_are_paged(old: Simulator, http: httpx.AsyncClient) -> None:
    tasks = [await create(old, http, "hello") for _ in range(3)]
    first = (await http.get(TASKS, params={"pageSize": 2})).json()
    rest = (await http.get(TASKS, params={"continuationToken": first["continuationToken"]})).json()
    assert [task["id"] for task in first["tasks"] + rest["tasks"]] == tasks[::-1]
    assert rest["continuationToken"] is None
    assert (await http.get(TASKS, params={"pageSize": 0})).status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"content": "hello"},
        {"content": "", "timestamp": WHEN},
        {"content": "hello", "timestamp": WHEN, "entity_diff": {"add": [{"type": "stack"}]}},
        {"content": "hello", "timestamp": WHEN, "entity_diff": ["x"]},
        {"content": "hello", "timestamp": WHEN, "entity_diff": {"add": "x"}},
        {"message": {"type": "user_message", "content": "hello", "timestamp": WHEN}},
    ],
)
async def test_a_wrong_creation_is_refused(http: httpx.AsyncClient, body: dict[str, object]) -> None:
    assert (await http.post(TASKS, json=body)).status_code == 400


async def test_a_message_while_a_turn_runs_is_a_conflict(old: Simulator, http: httpx.AsyncClient) -> None:
    assert await answer(old, http, old.add_task("acme", status="running"), "hurry") == 409


@pytest.mark.parametrize("event", [None, {"type": "user_message", "content": "x", "timestamp": WHEN}])
async def test_a_wrong_response_is_refused(old: Simulator, http: httpx.AsyncClient, event: object) -> None:
    task = await create(old, http, "hello")
    assert (await http.post(f"{TASKS}/{task}", json={"event": event})).status_code == 400


async def test_what_came_later_is_absent(old: Simulator, http: httpx.AsyncClient) -> None:
    task = await create(old, http, "hello")
    responses = [
        await http.patch(f"{TASKS}/{task}", json={"name": "x"}),
        await http.get(f"{TASKS}/{task}/events/stream"),
        await http.post(f"{TASKS}/{task}/cancel", json={"force": True}),
        await http.get("/api/preview/agents/acme/tasks"),
    ]
    assert [response.status_code for response in responses] == [404] * 4
    assert (await http.get("/api/user")).status_code == 200


@pytest.mark.parametrize(
    ("token", "status"), [("pul-sim-carol", 403), ("pul-sim-nobody", 403), ("nonsense", 401)]
)
async def test_who_may_not_is_turned_away(http: httpx.AsyncClient, token: str, status: int) -> None:
    assert (await http.get(TASKS, headers={"authorization": f"token {token}"})).status_code == status


async def test_another_persons_task_is_not_found(old: Simulator, http: httpx.AsyncClient) -> None:
    task = old.add_task("acme", creator="bob")
    assert (await http.get(f"{TASKS}/{task}")).status_code == 404
