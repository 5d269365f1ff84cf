import httpx
import pytest

from neo_mcp.simulator import Simulator
from tests.simulator.helpers import WHEN, Api

CALLS = {
    "get": ("GET", "", None),
    "events": ("GET", "/events", None),
    "patch": ("PATCH", "", {"name": "Mine"}),
    "respond": ("POST", "", {"event": {"type": "user_cancel", "timestamp": WHEN}}),
    "cancel": ("POST", "/cancel", {"force": True}),
}


async def call(api: Api, task: str, name: str) -> httpx.Response:
    method, suffix, body = CALLS[name]
    return await api.http.request(method, f"{api.tasks}/{task}{suffix}", json=body)


@pytest.mark.parametrize(
    ("person", "shared", "expected"),
    [
        ("alice", False, {"get": 200, "events": 200, "patch": 200, "respond": 202, "cancel": 204}),
        ("bob", False, {"get": 404, "events": 404, "patch": 404, "respond": 404, "cancel": 404}),
        ("bob", True, {"get": 200, "events": 200, "patch": 404, "respond": 403, "cancel": 404}),
        ("carol", True, dict.fromkeys(CALLS, 403)),
        ("nobody", True, dict.fromkeys(CALLS, 403)),
    ],
)
async def test_who_may_do_what(
    simulator: Simulator, person: str, shared: bool, expected: dict[str, int]
) -> None:
    task = simulator.add_task("acme", is_shared=shared)
    async with Api(simulator, person) as api:
        assert {name: (await call(api, task, name)).status_code for name in CALLS} == expected


@pytest.mark.parametrize(("person", "status"), [("carol", 403), ("nobody", 403), ("bob", 200)])
async def test_only_members_with_access_may_list_and_create(
    simulator: Simulator, person: str, status: int
) -> None:
    async with Api(simulator, person) as api:
        assert (await api.http.get(api.tasks)).status_code == status
        if status == 403:
            assert (await api.http.post(api.tasks, json={})).status_code == 403
        assert (await api.http.get("/api/user")).status_code == 200


async def test_a_list_holds_ones_own_and_the_shared_tasks(simulator: Simulator, api: Api, bob: Api) -> None:
    hidden = simulator.add_task("acme", creator="alice")
    shared = simulator.add_task("acme", creator="alice", is_shared=True)
    own = simulator.add_task("acme", creator="bob")
    assert {task["id"] for task in (await bob.http.get(bob.tasks)).json()["tasks"]} == {shared, own}
    assert {task["id"] for task in (await api.http.get(api.tasks)).json()["tasks"]} == {hidden, shared}


async def test_a_shared_task_can_be_followed_by_others(simulator: Simulator, bob: Api) -> None:
    warning = {"type": "warning", "message": "x"}
    task = simulator.add_task("acme", is_shared=True, events=[("agentResponse", warning)])
    async with bob.stream(task) as events:
        assert (await anext(events))["eventBody"]["message"] == "x"
