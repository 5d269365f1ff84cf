from collections.abc import AsyncIterator

import httpx
import pytest

from neo_mcp.simulator import Fault, Simulator
from tests.simulator.helpers import Api


@pytest.fixture
async def control(simulator: Simulator) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"{simulator.url}/_simulator") as client:
        yield client


async def test_scenarios_are_listed_with_a_line_each(control: httpx.AsyncClient) -> None:
    listed = (await control.get("/scenarios")).json()["scenarios"]
    assert len(listed) >= 8
    assert all(item["name"] and item["title"] for item in listed)


async def test_faults_are_added_listed_and_cleared(control: httpx.AsyncClient, simulator: Simulator) -> None:
    added = [
        await control.post("/faults", json={"fault": "status:503,times=2"}),
        await control.post("/faults", json={"kind": "cut", "at": 10}),
    ]
    assert [response.status_code for response in added] == [201, 201]
    assert simulator.faults.list() == (Fault("status", status=503, times=2), Fault("cut", at=10))
    listed = (await control.get("/faults")).json()["faults"]
    assert [fault["kind"] for fault in listed] == ["status", "cut"]
    assert (await control.delete("/faults")).status_code == 204
    assert simulator.faults.list() == ()


@pytest.mark.parametrize(
    "body", [{}, {"kind": "explode"}, {"kind": "cut", "at": "x"}, {"fault": "cut,x"}, {"fault": 5}]
)
async def test_a_wrong_fault_is_refused(control: httpx.AsyncClient, body: dict[str, object]) -> None:
    assert (await control.post("/faults", json=body)).status_code == 400


async def test_requests_are_recorded_without_the_token(control: httpx.AsyncClient, api: Api) -> None:
    await api.http.get(api.tasks, params={"pageSize": 5}, headers={"x-pulumi-source": "test"})
    (record,) = (await control.get("/requests")).json()["requests"]
    assert record["method"] == "GET"
    assert record["path"] == api.tasks
    assert record["query"] == {"pageSize": "5"}
    assert record["headers"]["x-pulumi-source"] == "test"
    assert record["status"] == 200
    assert "pul-sim-alice" not in str(record)
    assert "pul-sim-alice" not in str(api.simulator.requests)


async def test_an_event_is_appended(control: httpx.AsyncClient, api: Api, simulator: Simulator) -> None:
    task = simulator.add_task("acme")
    body = {"organization": "acme", "task": task, "body": {"type": "set_task_name", "name": "Pushed"}}
    assert (await control.post("/events", json=body)).status_code == 201
    assert (await api.get(task))["name"] == "Pushed"


@pytest.mark.parametrize(
    ("change", "status"),
    [({"body": None}, 400), ({"body": {}}, 400), ({"kind": "x"}, 400), ({"task": "x"}, 404)],
)
async def test_a_wrong_event_is_refused(
    control: httpx.AsyncClient, simulator: Simulator, change: dict[str, object], status: int
) -> None:
    body = {
        "organization": "acme",
        "task": simulator.add_task("acme"),
        "body": {"type": "awaiting_approvals"},
    }
    assert (await control.post("/events", json={**body, **change})).status_code == status


async def test_the_time_scale_is_changed(control: httpx.AsyncClient, simulator: Simulator) -> None:
    assert (await control.post("/time-scale", json={"time_scale": 0.5})).json() == {"time_scale": 0.5}
    assert simulator.runner.time_scale == 0.5
    for wrong in (-1, "fast", True, None):
        assert (await control.post("/time-scale", json={"time_scale": wrong})).status_code == 400


async def test_the_gap_before_the_services_own_responses_is_changed(
    control: httpx.AsyncClient, simulator: Simulator
) -> None:
    assert (await control.post("/resolve-after", json={"resolve_after": 3})).json() == {"resolve_after": 3}
    assert simulator.runner.resolve_after == 3
    for wrong in (-1, "fast", True, None):
        assert (await control.post("/resolve-after", json={"resolve_after": wrong})).status_code == 400


async def test_streams_are_dropped(control: httpx.AsyncClient, api: Api, simulator: Simulator) -> None:
    task = simulator.add_task("acme", events=[("agentResponse", {"type": "awaiting_approvals"})])
    async with api.stream(task) as events:
        await anext(events)
        assert (await control.post("/drop-streams")).json() == {"dropped": 1}
        with pytest.raises(httpx.TransportError):
            await anext(events)


async def test_faults_do_not_touch_the_control_endpoints(
    control: httpx.AsyncClient, simulator: Simulator
) -> None:
    simulator.faults.add(Fault("status", times=0))
    assert (await control.get("/faults")).status_code == 200


async def test_an_organizations_default_approval_mode_is_changed(
    control: httpx.AsyncClient, api: Api, simulator: Simulator
) -> None:
    changed = {"organization": "acme", "mode": "balanced"}
    assert (await control.post("/approval-mode", json=changed)).json() == changed
    assert (await api.get(await api.create("hello")))["approvalMode"] == "balanced"
    assert simulator.store.approval_modes["globex"] == "manual"
    for wrong in ({"mode": "yolo"}, {"organization": "nowhere"}, {"mode": None}, {"organization": None}):
        assert (await control.post("/approval-mode", json={**changed, **wrong})).status_code == 400
