"""The vendor's own client works against the simulator: every scenario, every way to respond."""

import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Literal

import anyio
import httpx
import pytest

from neo_mcp.simulator import Fault, Simulator, SimulatorConfig, running_simulator
from neo_mcp.simulator.catalogue import scenarios
from tests.simulator.vendor_client import (
    ARGUMENTS,
    GaveUp,
    Json,
    ToolError,
    VendorClient,
    ends_turn,
    is_question,
    local_calls,
)
from tests.support.examples import long

TOKEN = "pul-sim-alice"
PATIENCE = 30
STREAM = r"/events/stream$"
MISSING = "5c7b1b9e-0000-4000-8000-000000000000"
MESSAGE = {"type": "user_message", "content": "Go"}
DONE = {"type": "assistant_message", "content": "Done.", "is_final": True}


class Sleeps:
    """Counts the seconds that are slept, without sleeping; may do something at each."""

    def __init__(self, *actions: Callable[[], Awaitable[object]] | None) -> None:
        self.seconds: list[float] = []
        self._actions = list(actions)

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        action = self._actions.pop(0) if self._actions else None
        if action is not None:
            await action()


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with running_simulator(SimulatorConfig(time_scale=0, resolve_after=0)) as simulator:
        yield simulator


@pytest.fixture
async def client(simulator: Simulator) -> AsyncIterator[VendorClient]:
    async with VendorClient.connected(simulator.url, TOKEN, anyio.sleep) as client:
        yield client


@asynccontextmanager
async def at(
    config: SimulatorConfig, sleep: Callable[[float], Awaitable[None]] = anyio.sleep
) -> AsyncIterator[tuple[Simulator, VendorClient]]:
    """A simulator set up in this way, and the client."""
    async with (
        running_simulator(config) as simulator,
        VendorClient.connected(simulator.url, TOKEN, sleep) as client,
    ):
        yield simulator, client


async def until_over(client: VendorClient, task: str, last: str = "") -> list[Json]:
    """The events until the turn is over."""
    seen = []
    with anyio.fail_after(PATIENCE):
        async for event in client.follow(task, last):
            seen.append(event)
            if ends_turn(event):
                return seen
    raise AssertionError("the stream ended")


def waits_for_person(request: Json, mode: str) -> bool:
    """Whether a request is left to a person in an approval mode."""
    if mode == "manual" or request["approval_type"] == "plan_exit":
        return True
    return mode == "balanced" and (is_question(request) or request.get("sensitivity") == "sensitive")


async def play(
    client: VendorClient, task: str, mode: str = "manual", *, ok: bool = True, words: str = "", last: str = ""
) -> list[Json]:
    """Respond to everything that Neo asks, until its turn is over."""
    seen: list[Json] = []
    with anyio.fail_after(PATIENCE):
        async for event in client.follow(task, last):
            seen.append(event)
            body = event["eventBody"]
            if calls := local_calls(event):
                await client.run(task, calls)
            elif body["type"] == "user_approval_request" and waits_for_person(body, mode):
                given = (False, "eu-west-1") if is_question(body) else (ok, words)
                assert (await client.confirm(task, body["id"], ok=given[0], words=given[1])).is_success
            elif ends_turn(event):
                return seen
    raise AssertionError("the stream ended")


def bodies(events: list[Json], kind: str) -> list[Json]:
    return [event["eventBody"] for event in events if event["eventBody"]["type"] == kind]


def kinds(events: list[Json]) -> list[str]:
    return [event["eventBody"]["type"] for event in events]


async def parked(client: VendorClient) -> tuple[str, list[Json]]:
    """A task that waits for its local calls."""
    task = await client.create("Go (scenario:local-tools)", toolExecutionMode="cli")
    with anyio.fail_after(PATIENCE):
        async for event in client.follow(task):
            if calls := local_calls(event):
                return task, calls
    raise AssertionError("no call came")


@pytest.mark.parametrize("mode", ["manual", "balanced", "auto"])
@pytest.mark.parametrize("scenario", scenarios())
class TestScenarios:
    async def test_every_turn_is_played_to_its_end(
        self, client: VendorClient, scenario: str, mode: str
    ) -> None:
        task = await client.create(f"(scenario:{scenario})", approvalMode=mode, toolExecutionMode="cli")
        seen = await play(client, task, mode)
        for _ in scenarios()[scenario].turns:
            assert await client.message(task, "Go on") == 1
            seen += await play(client, task, mode, last=seen[-1]["id"])
        assert kinds(seen)[0] == "user_message"
        assert all(event["eventBody"].get("timestamp") for event in seen)
        assert (await client.get(task))["status"] == "idle"
        assert await client.events(task, 3) == seen
        ran = [call["id"] for event in seen for call in local_calls(event)]
        assert client.runs == ran
        results = [item for body in bodies(seen, "tool_result") for item in body["tool_results"]]
        assert [item["tool_call_id"] for item in results] == ran
        # The client can run whatever it is asked to.
        assert not any(item["is_error"] for item in results), results

    async def test_refusals_with_a_reason_lead_to_an_end_too(
        self, client: VendorClient, scenario: str, mode: str
    ) -> None:
        task = await client.create(f"(scenario:{scenario})", approvalMode=mode, toolExecutionMode="cli")
        seen = await play(client, task, mode, ok=False, words="Smaller, please.")
        ours = [event for event in seen if not event["isSynthetic"]]
        refused = [body["instructions"] for body in bodies(ours, "user_confirmation") if not body["ok"]]
        assert set(refused) <= {"Smaller, please.", "eu-west-1"}
        assert kinds(seen)[-1] in {"assistant_message", "error"}


async def test_a_session_asks_in_order_with_the_right_headers_and_no_times(simulator: Simulator) -> None:
    async with VendorClient.connected(simulator.url, TOKEN, anyio.sleep) as client:
        task, calls = await parked(client)
        await client.run(task, calls)
    path = f"/api/preview/agents/acme/tasks/{task}"
    requests = simulator.requests
    assert [(request.method, request.path) for request in requests] == [
        ("GET", "/api/user/organizations/default"),
        ("POST", "/api/preview/agents/acme/tasks"),
        ("GET", f"{path}/events/stream"),
        *[("POST", path)] * 3,
    ]
    assert [request.status for request in requests] == [200, 201, 200, 202, 202, 202]
    accepted = [request.headers["accept"] for request in requests]
    assert accepted == ["application/vnd.pulumi+8"] * 2 + ["text/event-stream"] + accepted[:1] * 3
    assert requests[2].headers["cache-control"] == "no-cache"
    posted = [json.loads(request.body) for request in requests if request.method == "POST"]
    assert "timestamp" not in str(posted)
    assert [body["event"]["type"] for body in posted[1:]] == ["exec_tool_call"] * 2 + ["tool_result"]


async def test_a_creation_may_take_longer_than_any_other_request(client: VendorClient) -> None:
    limits: list[tuple[str, float | None]] = []

    async def note(request: httpx.Request) -> None:
        limits.append((request.method, request.extensions["timeout"]["read"]))

    client.http.event_hooks["request"] = [note]
    await client.get(await client.create("Go (scenario:hello)"))
    assert limits == [("POST", 120), ("GET", 20)]


async def test_the_gap_of_automatic_modes_lies_between_request_and_confirmation() -> None:
    config = SimulatorConfig(time_scale=0, resolve_after=1000)
    async with at(config) as (simulator, client):
        task = await client.create("Go (scenario:question)", approvalMode="auto")
        with anyio.fail_after(PATIENCE):
            async for event in client.follow(task):
                if event["eventBody"]["type"] == "user_approval_request":
                    break
        assert list(simulator.store.get("acme", task).pending) == [event["eventBody"]["id"]]
        # The client's user may be quicker than the service.
        assert (await client.confirm(task, event["eventBody"]["id"], ok=False, words="nowhere")).is_success
        seen = await until_over(client, task, event["id"])
    assert [body["instructions"] for body in bodies(seen, "user_confirmation")] == ["nowhere"]


@pytest.mark.parametrize("gap", [0, 0.03, long(0.3)])
@pytest.mark.parametrize("scenario", ["public-bucket", "question"])
async def test_the_service_confirms_after_each_request_in_auto_mode(scenario: str, gap: float) -> None:
    async with at(SimulatorConfig(time_scale=0, resolve_after=gap)) as (_, client):
        task = await client.create(f"Go (scenario:{scenario})", approvalMode="auto")
        seen = await until_over(client, task)
    requests = [body["id"] for body in bodies(seen, "user_approval_request")]
    confirmed = [event for event in seen if event["eventBody"]["type"] == "user_confirmation"]
    assert requests
    assert [event["eventBody"]["approval_request_id"] for event in confirmed] == requests
    assert all(event["isSynthetic"] and event["type"] == "userInput" for event in confirmed)


async def test_a_more_trusting_mode_is_taken_over_by_the_service(client: VendorClient) -> None:
    task = await client.create("Go (scenario:public-bucket)", approvalMode="manual")
    with anyio.fail_after(PATIENCE):
        async for event in client.follow(task):
            if event["eventBody"]["type"] == "user_approval_request":
                break
    changed = await client.update(task, approvalMode="auto", permissionMode="read-only")
    assert (changed["approvalMode"], changed["permissionMode"]) == ("auto", "read-only")
    seen = await until_over(client, task, event["id"])
    assert "read-only" in seen[-1]["eventBody"]["content"]


async def test_an_answer_reaches_neo_and_the_question_tool_is_the_real_one(client: VendorClient) -> None:
    task = await client.create("Go (scenario:question)", approvalMode="manual")
    seen = await play(client, task)
    (asked,) = bodies(seen, "user_approval_request")
    assert asked["context"]["tool_name"] == "ux__ask_user"
    assert "eu-west-1" in str(seen[-1])


async def test_a_plan_is_revised_and_accepted_and_carries_no_tool(client: VendorClient) -> None:
    task = await client.create("Go (scenario:hello)", approvalMode="auto", planMode=True)
    seen: list[Json] = []
    with anyio.fail_after(PATIENCE):
        async for event in client.follow(task):
            seen.append(event)
            if event["eventBody"]["type"] == "user_approval_request":
                is_first = len(bodies(seen, "user_approval_request")) == 1
                words = "Only in staging." if is_first else ""
                await client.confirm(task, event["eventBody"]["id"], ok=not is_first, words=words)
            if ends_turn(event):
                break
    first, second = bodies(seen, "user_approval_request")
    for plan in (first, second):
        assert plan["approval_type"] == "plan_exit"
        assert "tool_name" not in plan["context"]
    assert "Only in staging." in second["context"]["plan_description"]


async def test_an_announcement_comes_back_as_the_agents_without_an_author(client: VendorClient) -> None:
    task = await client.create("Go (scenario:local-tools)", toolExecutionMode="cli")
    seen = await play(client, task)
    echoes = [e for e in seen if e["eventBody"]["type"] == "exec_tool_call"]
    assert [e["eventBody"]["tool_call_id"] for e in echoes] == client.runs
    assert all(e["type"] == "agentResponse" and "actor" not in e for e in echoes)


async def test_the_calls_are_those_that_the_client_can_run(client: VendorClient) -> None:
    task = await client.create("Go (scenario:local-tools)", toolExecutionMode="cli")
    seen = await play(client, task)
    await client.message(task, "And the working copy?")
    seen += await play(client, task, last=seen[-1]["id"])
    calls = {call["name"]: call["args"] for event in seen for call in local_calls(event)}
    assert calls.keys() <= ARGUMENTS.keys()
    assert {"shell__shell_execute", "pulumi__pulumi_preview"} <= calls.keys()
    assert calls["shell__shell_execute"].keys() == {"command", "cwd", "timeout"}


async def test_a_call_that_fails_has_a_result_like_the_others(client: VendorClient) -> None:
    task, calls = await parked(client)

    def handler(name: str, args: Json) -> Json:
        if args is calls[0]["args"]:
            raise ToolError(f"cannot run {name}")
        return {"content": "fine"}

    await client.run(task, calls, handler)
    (sent,) = bodies(await client.events(task), "tool_result")
    assert [(item["tool_call_id"], item["is_error"]) for item in sent["tool_results"]] == [
        (calls[0]["id"], True),
        (calls[1]["id"], False),
    ]


async def test_a_result_cannot_be_given_before_its_announcement_or_twice(client: VendorClient) -> None:
    task, calls = await parked(client)
    item = {"tool_call_id": calls[0]["id"], "name": calls[0]["name"], "content": {}, "is_error": False}
    assert (await client.respond(task, {"type": "tool_result", "tool_results": [item]})).status_code == 400
    await client.run(task, calls[:1])
    assert (await client.respond(task, {"type": "tool_result", "tool_results": [item]})).status_code == 409


async def test_a_cancel_is_refused_until_the_calls_have_results(simulator: Simulator) -> None:
    async def first() -> None:
        await client.run(task, calls[:1], fails=True)

    async def second() -> None:
        simulator.runner.time_scale = 1000  # Neo thinks about the results for longer than this takes
        await client.run(task, calls[1:], fails=True)

    sleep = Sleeps(None, first, second)
    async with VendorClient.connected(simulator.url, TOKEN, sleep) as client:
        task, calls = await parked(client)
        assert await client.cancel(task) == 4
        seen = await until_over(client, task)
    assert sleep.seconds == [1, 2, 4]
    assert kinds(seen)[-2:] == ["user_cancel", "cancelled"]
    assert seen[-1]["eventBody"]["operation_was_running"] is True


async def test_without_results_a_cancel_is_given_up_after_a_minute_and_a_half(simulator: Simulator) -> None:
    sleep = Sleeps()
    async with VendorClient.connected(simulator.url, TOKEN, sleep) as client:
        task, _ = await parked(client)
        with pytest.raises(GaveUp):
            await client.cancel(task)
    assert sleep.seconds == [1, 2, 4, 8, 16, 30, 30]
    stored = simulator.store.get("acme", task).events
    assert "user_cancel" not in [event.body["type"] for event in stored]


async def test_a_message_waits_for_the_turn_to_end(simulator: Simulator) -> None:
    async def end() -> None:
        simulator.append_event("acme", task, DONE, kind="agentResponse")

    sleep = Sleeps(None, end)
    task = simulator.add_task("acme", status="running", events=[("userInput", MESSAGE)])
    async with VendorClient.connected(simulator.url, TOKEN, sleep) as client:
        assert await client.message(task, "And again") == 3
        seen = await client.events(task)
    assert sleep.seconds == [1, 2]
    assert [body["content"] for body in bodies(seen, "user_message")] == ["Go", "And again"]


async def test_a_service_that_answers_200_is_believed(simulator: Simulator, client: VendorClient) -> None:
    task = await client.create("Go (scenario:question)", approvalMode="manual")
    await simulator.wait_idle("acme", task)
    simulator.faults.add(Fault("status_after", method="POST", status=200, body=b"", times=0))
    seen = await play(client, task)
    assert len(bodies(seen, "user_confirmation")) == 1


class TestTheStream:
    @pytest.mark.parametrize("kind", ["cut", "reset", "clean_end"])
    @pytest.mark.parametrize("at_byte", [0, 1, 300, 900, 2500])
    async def test_it_may_end_anywhere_and_nothing_is_lost_or_doubled(
        self, simulator: Simulator, kind: str, at_byte: int
    ) -> None:
        async with VendorClient.connected(simulator.url, TOKEN, Sleeps()) as client:
            task = await client.create("Go (scenario:public-bucket)", approvalMode="manual")
            await simulator.wait_idle("acme", task)
            simulator.faults.add(Fault(kind, path=STREAM, at=at_byte, times=2))
            seen = await play(client, task)
            assert await client.events(task) == seen
            requests = [each for each in simulator.requests if each.path.endswith("/stream")]
        assert len(requests) == 3
        known = [event["id"] for event in seen]
        resumed = [request.headers.get("last-event-id") for request in requests]
        assert resumed[0] is None
        assert all(last is None or last in known for last in resumed)

    async def test_it_is_resumed_after_any_event(self, client: VendorClient) -> None:
        task = await client.create("Go (scenario:hello)")
        seen = await play(client, task)
        for number, event in itertools.islice(enumerate(seen, 1), len(seen) - 1):
            assert await until_over(client, task, event["id"]) == seen[number:]

    @pytest.mark.parametrize("status", [401, 404, 503])
    async def test_a_first_connection_that_is_refused_is_an_error_at_once(
        self, simulator: Simulator, status: int
    ) -> None:
        sleep = Sleeps()
        simulator.faults.add(Fault("status", path=STREAM, status=status, times=0))
        async with VendorClient.connected(simulator.url, TOKEN, sleep) as client:
            task = await client.create("Go (scenario:hello)")
            with pytest.raises(httpx.HTTPStatusError):
                await anext(client.follow(task))
        assert sleep.seconds == []

    @pytest.mark.parametrize("jitter", [0.0, 1.0])
    @pytest.mark.parametrize("fault", [Fault("reset_before_response"), Fault("status", status=503)])
    async def test_reconnecting_is_given_up_after_five_minutes_without_progress(
        self, simulator: Simulator, fault: Fault, jitter: float
    ) -> None:
        sleep = Sleeps()
        task = simulator.add_task("acme", status="running", events=[("userInput", MESSAGE)])
        async with VendorClient.connected(simulator.url, TOKEN, sleep) as client:
            client.jitter = lambda: jitter
            events = client.follow(task)
            first = await anext(events)
            failing = Fault(fault.kind, path=STREAM, status=fault.status, times=0)
            simulator.faults.add(failing)
            await simulator.drop_streams()
            with pytest.raises(GaveUp):
                await anext(events)
        expected = [1, 2, 4, 8, 16, *itertools.repeat(30, len(sleep.seconds) - 5)]
        assert sleep.seconds == [seconds * (1 + jitter / 4) for seconds in expected]
        assert 300 <= sum(sleep.seconds) < 340
        resumed = [each for each in simulator.requests if each.path.endswith("/stream")][1:]
        assert {each.headers["last-event-id"] for each in resumed} == {first["id"]}

    async def test_keep_alives_are_progress(self) -> None:
        sleep = Sleeps()
        config = SimulatorConfig(time_scale=0, keep_alive_seconds=0.01)
        async with at(config, sleep) as (simulator, client):
            task = simulator.add_task("acme", status="running", events=[("userInput", MESSAGE)])
            events = client.follow(task)
            await anext(events)
            simulator.faults.add(Fault("cut", path=STREAM, at=len(b": keep-alive\n\n"), times=12))
            await simulator.drop_streams()
            with anyio.fail_after(PATIENCE):
                async with anyio.create_task_group() as group:
                    group.start_soon(self.finish, simulator, task)
                    assert (await anext(events))["eventBody"]["type"] == "assistant_message"
        assert sleep.seconds
        assert set(sleep.seconds) == {1}

    async def finish(self, simulator: Simulator, task: str) -> None:
        """End the turn on the connection after those that are cut."""
        while len([each for each in simulator.requests if each.path.endswith("/stream")]) < 2 + 12:  # noqa: ASYNC110 - requests have no signal
            await anyio.sleep(0.002)
        simulator.append_event("acme", task, DONE, kind="agentResponse")


@pytest.mark.parametrize("ending", ["absent", "empty", "null"])
async def test_pages_end_in_each_of_three_ways(ending: Literal["absent", "empty", "null"]) -> None:
    async with at(SimulatorConfig(time_scale=0, last_page_token=ending)) as (_, client):
        tasks = [await client.create("Go (scenario:hello)") for _ in range(3)]
        for task in tasks:
            seen = await play(client, task)
            for size in (1, 2, 1000):
                assert await client.events(task, size) == seen
        for size in (1, 3, 1000):
            assert sorted(task["id"] for task in await client.tasks(size)) == sorted(tasks)


async def test_a_task_that_is_not_there_is_an_error(client: VendorClient) -> None:
    for request in (client.get(MISSING), client.update(MISSING, name="x"), client.events(MISSING)):
        with pytest.raises(httpx.HTTPStatusError) as raised:
            await request
        assert raised.value.response.status_code == 404
    assert (await client.respond(MISSING, {"type": "user_cancel"})).status_code == 404


async def test_an_entity_that_is_refused_is_left_out_once_and_nothing_else_is(
    simulator: Simulator, client: VendorClient
) -> None:
    stack = {"type": "stack", "project": "no-such-project", "name": "dev"}
    task = await client.create(
        "Go (scenario:hello)", entities=[stack], approvalMode="balanced", planMode=True
    )
    first, second = [json.loads(each.body) for each in simulator.requests if each.method == "POST"]
    assert first["message"].pop("entity_diff") == {"add": [stack]}
    assert second == first
    assert "no-such-project" in client.warnings[0]
    found = await client.get(task)
    assert (found["entities"], found["approvalMode"], found["source"]) == ([], "balanced", "cli")


async def test_an_entity_that_is_known_is_attached(simulator: Simulator, client: VendorClient) -> None:
    stack = {"type": "stack", "project": "web", "name": "dev"}
    task = await client.create("Go (scenario:hello)", entities=[stack])
    assert (await client.get(task))["entities"] == [stack]
    assert client.warnings == []
    assert len([each for each in simulator.requests if each.method == "POST"]) == 1


@pytest.mark.parametrize("default", [None, ""])
async def test_without_a_default_the_user_is_the_organization(default: str | None) -> None:
    async with at(SimulatorConfig(time_scale=0, default_organization=default)) as (_, client):
        assert client.organization == "alice"
