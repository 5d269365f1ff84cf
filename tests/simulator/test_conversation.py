from collections.abc import AsyncIterator
from typing import Any

import pytest

from neo_mcp.simulator import Simulator, SimulatorConfig, running_simulator
from neo_mcp.simulator.task import now
from tests.simulator.helpers import WHEN, Api, message

STACK = {"type": "stack", "name": "dev", "project": "web"}


async def test_a_message_while_a_turn_runs_is_a_conflict(api: Api, simulator: Simulator) -> None:
    task = simulator.add_task("acme", status="running")
    response = await api.send(task, message("and also"))
    assert response.status_code == 409
    assert response.json()["message"] == "cannot respond while a request is still ongoing"
    assert await api.events(task) == []


async def test_a_message_while_approvals_are_pending_is_taken_and_not_heard(api: Api) -> None:
    task = await api.create("scenario:public-bucket")
    assert (await api.send(task, message("hurry up"))).status_code == 202
    assert (await api.types(task))[-2:] == ["user_message", "awaiting_approvals"]
    assert len(await api.pending(task)) == 1


async def test_a_task_that_waits_for_a_person_is_idle_like_one_that_is_done(api: Api) -> None:
    task = await api.create("scenario:public-bucket")
    assert (await api.get(task))["status"] == "idle"
    assert len(await api.pending(task)) == 1


async def test_a_follow_up_starts_another_turn_that_echoes_the_request(api: Api) -> None:
    task = await api.create("hello")
    assert (await api.send(task, message("and now the weather"))).status_code == 202
    last = await api.last(task)
    assert last["is_final"]
    assert "and now the weather" in last["content"]


async def test_a_follow_up_right_behind_the_final_message_is_a_turn_of_its_own(simulator: Simulator) -> None:
    task = simulator.store.get("acme", simulator.add_task("acme"))
    for prompt in ("one", "two"):
        simulator.conversation.respond(task, message(prompt))
        while task.turn_is_running:
            await task.changed.wait()
    simulator.conversation.respond(task, message("scenario:question"))
    await simulator.runner.wait_idle(task)
    assert next(iter(task.pending.values()))["context"]["tool_name"] == "ux__ask_user"
    assert [event.body["content"] for event in task.events if event.kind == "userInput"][:2] == ["one", "two"]


async def test_a_follow_up_can_name_a_scenario(api: Api) -> None:
    task = await api.create("hello")
    await api.send(task, message("scenario:question"))
    assert (await api.pending(task))[0]["context"]["tool_name"] == "ux__ask_user"


@pytest.mark.parametrize(("ok", "instructions"), [(False, "eu-central-1"), (True, "eu-central-1")])
async def test_a_question_is_answered_by_the_instructions(api: Api, ok: bool, instructions: str) -> None:
    task = await api.create("scenario:question", approvalMode="balanced")
    (question,) = await api.pending(task)
    assert question["buttons"] == ["eu-west-1", "us-east-1"]
    await api.decide(task, ok=ok, instructions=instructions)
    assert "eu-central-1" in (await api.last(task))["content"]


async def test_a_question_may_get_an_empty_answer(api: Api) -> None:
    task = await api.create("scenario:question")
    assert (await api.decide(task, ok=True)).status_code == 202
    assert (await api.last(task))["is_final"]


async def test_an_approval_can_be_settled_once(api: Api) -> None:
    task = await api.create("scenario:public-bucket")
    approval = (await api.pending(task))[0]["id"]
    assert (await api.decide(task, ok=True)).status_code == 202
    again = {"type": "user_confirmation", "approval_request_id": approval, "ok": False}
    assert (await api.send(task, again)).status_code == 409
    again["approval_request_id"] = "approval_never_asked"
    assert (await api.send(task, again)).status_code == 400


async def test_a_seeded_approval_can_be_settled_without_a_script(api: Api, simulator: Simulator) -> None:
    task = simulator.add_task("acme")
    request = {
        "type": "user_approval_request",
        "id": "a1",
        "approval_type": "general",
        "message": "?",
        "source": "agent",
    }
    simulator.append_event("acme", task, request, kind="agentResponse")
    assert (await api.decide(task, ok=False, instructions="no")).status_code == 202
    assert await api.pending(task) == []


@pytest.mark.parametrize(
    ("mode", "settled"), [("manual", []), ("balanced", ["regular"]), ("auto", ["regular", "sensitive"])]
)
async def test_the_approval_mode_decides_what_is_settled_without_a_person(
    api: Api, mode: str, settled: list[str]
) -> None:
    task = await api.create("scenario:public-bucket", approvalMode=mode)
    if mode == "manual":
        assert (await api.pending(task))[0]["sensitivity"] == "regular"
    envelopes = await api.envelopes(task)
    asked = {
        e["eventBody"]["id"]: e["eventBody"]["sensitivity"]
        for e in envelopes
        if "approval_type" in e["eventBody"]
    }
    confirmed = [e for e in envelopes if e["eventBody"]["type"] == "user_confirmation"]
    assert [asked[e["eventBody"]["approval_request_id"]] for e in confirmed] == settled
    assert all(e["isSynthetic"] and e["type"] == "userInput" and e["eventBody"]["ok"] for e in confirmed)


async def test_a_more_trusting_mode_settles_what_is_pending(api: Api) -> None:
    task = await api.create("scenario:public-bucket")
    await api.patch(task, approvalMode="balanced")
    await api.settle(task)
    assert (await api.pending(task))[0]["sensitivity"] == "sensitive"
    await api.patch(task, approvalMode="auto")
    await api.settle(task)
    assert (await api.last(task))["is_final"]


@pytest.mark.parametrize("scenario", ["public-bucket", "question"])
async def test_a_cancel_ends_a_turn_that_waits_for_a_person(api: Api, scenario: str) -> None:
    task = await api.create(f"scenario:{scenario}")
    approval = (await api.pending(task))[0]["id"]
    assert (await api.send(task, {"type": "user_cancel"})).status_code == 202
    assert (await api.last(task))["operation_was_running"] is True
    late = {"type": "user_confirmation", "approval_request_id": approval, "ok": True}
    assert (await api.send(task, late)).status_code == 409
    assert (await api.send(task, message("go on"))).status_code == 202


async def test_a_cancel_stops_a_script_in_the_middle_of_a_pause(simulator: Simulator) -> None:
    del simulator
    async with running_simulator(SimulatorConfig(time_scale=1000)) as slow, Api(slow) as api:
        response = await api.http.post(api.tasks, json={"message": message("hello")})
        task = response.json()["taskId"]
        assert (await api.get(task))["status"] == "running"
        assert (await api.get(task))["runtimePhase"] == "booting"
        assert (await api.send(task, {"type": "user_cancel"})).status_code == 202
        assert (await api.last(task))["operation_was_running"] is True
        assert (await api.get(task))["status"] == "idle"


async def test_a_cancel_with_nothing_running_says_so(api: Api) -> None:
    task = await api.create("hello")
    await api.send(task, {"type": "user_cancel"})
    assert (await api.last(task))["operation_was_running"] is False


async def test_a_forced_cancel_kills_the_script_without_an_event(api: Api) -> None:
    task = await api.create("scenario:public-bucket")
    before = await api.types(task)
    for body in ({}, {"force": False}, {"force": "true"}):
        assert (await api.http.post(f"{api.tasks}/{task}/cancel", json=body)).status_code == 400
    assert (await api.http.post(f"{api.tasks}/{task}/cancel", json={"force": True})).status_code == 204
    assert await api.types(task) == before
    assert (await api.get(task))["status"] == "idle"
    assert (await api.decide(task, ok=True)).status_code == 409
    assert (await api.send(task, message("again"))).status_code == 202


async def local_calls(api: Api, **settings: object) -> tuple[str, list[dict[str, str]]]:
    task = await api.create("scenario:local-tools", **settings)
    calls = (await api.last(task))["tool_calls"]
    return task, [{"tool_call_id": call["id"], "name": call["name"]} for call in calls]


async def test_local_calls_park_the_agent_until_every_one_has_a_result(api: Api) -> None:
    task, (first, second) = await local_calls(api)
    parked = await api.last(task)
    assert parked["is_final"]
    assert {call["execution_mode"] for call in parked["tool_calls"]} == {"cli"}
    assert (await api.get(task))["status"] == "running"
    assert (await api.send(task, message("hurry"))).status_code == 409
    for call in (first, second):
        assert (await api.send(task, {"type": "exec_tool_call", **call})).status_code == 202
    await api.send(task, {"type": "tool_result", "tool_results": [{**first, "content": {"a": 1}}]})
    assert await api.types(task) == [*(await api.types(task))[:-1], "tool_result"]
    again = {"type": "tool_result", "tool_results": [{**first, "content": {}}]}
    assert (await api.send(task, again)).status_code == 409
    await api.send(
        task, {"type": "tool_result", "tool_results": [{**second, "content": "text", "is_error": False}]}
    )
    assert (await api.last(task))["type"] == "assistant_message"


async def test_a_worker_task_marks_its_calls_for_the_worker(api: Api) -> None:
    task, _ = await local_calls(api, toolExecutionMode="worker")
    assert {call["execution_mode"] for call in (await api.last(task))["tool_calls"]} == {"worker"}


async def test_a_result_must_be_announced_and_belong_to_a_call(api: Api) -> None:
    task, (first, _) = await local_calls(api)
    result = {**first, "content": {}}
    wrong: list[dict[str, Any]] = [
        {"type": "tool_result", "tool_results": [result]},
        {"type": "tool_result", "tool_results": []},
        {"type": "tool_result", "tool_results": [{**first}]},
        {"type": "tool_result", "tool_results": [{**result, "tool_call_id": "other"}]},
        {"type": "exec_tool_call", **first, "name": "other__tool"},
        {"type": "exec_tool_call", "tool_call_id": first["tool_call_id"]},
    ]
    before = await api.types(task)
    assert {(await api.send(task, event)).status_code for event in wrong} == {400}
    assert await api.types(task) == before


async def test_a_cancel_is_refused_until_every_local_call_has_a_result(
    api: Api, simulator: Simulator
) -> None:
    task, calls = await local_calls(api)
    simulator.runner.time_scale = 1000  # the agent takes its time to think about the results
    for call in calls:
        refused = await api.send(task, {"type": "user_cancel"})
        assert refused.status_code == 409
        assert refused.json()["message"] == "cannot respond while a request is still ongoing"
        await api.send(task, {"type": "exec_tool_call", **call})
        results = [{**call, "content": {"error": "cancelled"}, "is_error": True}]
        body = {"event": {"type": "tool_result", "tool_results": results}}
        assert (await api.http.post(f"{api.tasks}/{task}", json=body)).status_code == 202
    assert (await api.http.post(f"{api.tasks}/{task}", json={"event": {"type": "user_cancel"}})).is_success
    assert (await api.last(task))["type"] == "cancelled"
    assert (await api.last(task))["operation_was_running"] is True


async def test_an_announcement_is_recorded_as_the_agents_event_without_an_author(api: Api) -> None:
    task, (first, _) = await local_calls(api)
    event = {"type": "exec_tool_call", **first, "entity_diff": {"add": [STACK]}}
    assert (await api.send(task, event)).status_code == 202
    (*_, echo) = await api.envelopes(task)
    assert (echo["type"], echo["isSynthetic"]) == ("agentResponse", False)
    assert echo["eventBody"] == {
        "type": "exec_tool_call",
        "timestamp": WHEN,
        **first,
        "args": {"file_path": "Pulumi.yaml"},
        "execution_mode": "cli",
    }
    assert "actor" not in echo
    assert (await api.get(task))["entities"] == [STACK]


@pytest.mark.parametrize(
    "event",
    [message("again"), {"type": "user_cancel"}],
    ids=["message", "cancel"],
)
async def test_the_service_fills_in_the_time_of_an_event_that_has_none(
    api: Api, event: dict[str, Any]
) -> None:
    task = await api.create("hello")
    before = now()
    bare = {name: value for name, value in event.items() if name != "timestamp"}
    for missing in ({}, {"timestamp": None}):
        response = await api.http.post(f"{api.tasks}/{task}", json={"event": {**bare, **missing}})
        assert response.status_code == 202
        await api.settle(task)
    sent = [found for found in await api.events(task) if found["type"] == event["type"]][-2:]
    assert all(before <= found["timestamp"] <= now() for found in sent)


class TestRequestsThatTheServiceResolves:
    @pytest.fixture
    async def slow(self) -> AsyncIterator[Api]:
        """A service whose own responses never come while a test lasts."""
        config = SimulatorConfig(time_scale=0, resolve_after=1000)
        async with running_simulator(config) as simulator, Api(simulator) as api:
            yield api

    async def pending(self, api: Api, scenario: str, mode: str) -> tuple[str, dict[str, Any]]:
        body = {"message": message(f"scenario:{scenario}"), "approvalMode": mode}
        task: str = (await api.http.post(api.tasks, json=body)).json()["taskId"]
        stored = api.simulator.store.get("acme", task)
        while not stored.pending:
            await stored.changed.wait()
        return task, (await api.pending(task))[0]

    async def test_the_request_is_pending_until_the_gap_is_over(self, slow: Api) -> None:
        task, request = await self.pending(slow, "public-bucket", "balanced")
        assert (await slow.last(task))["id"] == request["id"]
        slow.simulator.runner.resolve_after = 0
        await slow.patch(task, approvalMode="balanced")
        assert await slow.pending(task) == [request]  # a change of the gap holds from the next request on

    async def test_a_person_can_be_quicker(self, slow: Api) -> None:
        task, request = await self.pending(slow, "public-bucket", "auto")
        event = {"type": "user_confirmation", "approval_request_id": request["id"], "ok": False}
        assert (await slow.send(task, event)).status_code == 202
        assert await slow.pending(task) == []
        assert (await slow.last(task))["is_final"]

    async def test_a_cancel_can_be_quicker(self, slow: Api) -> None:
        task, _ = await self.pending(slow, "question", "auto")
        assert (await slow.send(task, {"type": "user_cancel"})).status_code == 202
        await slow.settle(task)
        assert (await slow.last(task))["type"] == "cancelled"

    async def test_a_stricter_mode_comes_in_between(self, api: Api, simulator: Simulator) -> None:
        simulator.runner.resolve_after = 0.05
        task, request = await self.pending(api, "public-bucket", "auto")
        await api.patch(task, approvalMode="manual")
        await api.settle(task)
        assert await api.pending(task) == [request]
        await api.patch(task, approvalMode="auto")
        await api.settle(task)
        assert (await api.last(task))["is_final"]

    @pytest.mark.parametrize("gap", [0, 0.03])
    async def test_a_question_is_answered_by_the_service_in_auto_mode(
        self, api: Api, simulator: Simulator, gap: float
    ) -> None:
        simulator.runner.resolve_after = gap
        task = await api.create("scenario:question", approvalMode="auto")
        envelopes = await api.envelopes(task)
        (answer,) = [e for e in envelopes if e["eventBody"]["type"] == "user_confirmation"]
        (question,) = [e["eventBody"] for e in envelopes if "approval_type" in e["eventBody"]]
        assert (answer["type"], answer["isSynthetic"]) == ("userInput", True)
        assert answer["eventBody"]["approval_request_id"] == question["id"]
        assert (answer["eventBody"]["ok"], answer["eventBody"]["instructions"]) == (False, "eu-west-1")

    async def test_plans_wait_for_a_person_in_every_mode(self, api: Api) -> None:
        task = await api.create("hello", planMode=True, approvalMode="auto")
        (plan,) = await api.pending(task)
        assert plan["approval_type"] == "plan_exit"
        assert "tool_name" not in plan["context"]


async def test_any_event_of_a_person_may_change_the_entities(api: Api) -> None:
    task = await api.create("hello")
    await api.send(task, {"type": "user_cancel", "entity_diff": {"add": [STACK]}})
    assert (await api.get(task))["entities"] == [STACK]
    await api.send(task, {**message("x"), "entity_diff": {"remove": [STACK]}})
    assert (await api.get(task))["entities"] == []
    bad = {"type": "user_cancel", "entity_diff": {"add": [{"type": "stack"}]}}
    assert "invalid entit" in (await api.send(task, bad)).json()["message"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"event": None},
        {"event": "hello"},
        {"event": {"timestamp": "2026-01-01T00:00:00Z"}},
        {"event": {"type": "user_shrug", "timestamp": "2026-01-01T00:00:00Z"}},
        {"event": {"type": "user_cancel", "timestamp": "yesterday"}},
        {"event": {"type": "user_confirmation", "timestamp": "2026-01-01T00:00:00Z", "ok": True}},
        {
            "event": {
                "type": "user_confirmation",
                "timestamp": "2026-01-01T00:00:00Z",
                "approval_request_id": "a",
            }
        },
    ],
)
async def test_a_response_that_is_wrong_is_refused(api: Api, body: dict[str, Any]) -> None:
    task = await api.create("hello")
    assert (await api.http.post(f"{api.tasks}/{task}", json=body)).status_code == 400
