"""The vendor's own client works against the simulator: every scenario, every way to respond."""

from collections.abc import AsyncIterator

import anyio
import pytest

from neo_mcp.simulator import Simulator, SimulatorConfig, running_simulator
from neo_mcp.simulator.catalogue import scenarios
from tests.simulator.vendor_client import (
    GaveUp,
    Json,
    VendorClient,
    ends_turn,
    is_question,
    local_calls,
)

TOKEN = "pul-sim-alice"
PATIENCE = 30


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with running_simulator(SimulatorConfig(time_scale=0, resolve_after=0)) as simulator:
        yield simulator


@pytest.fixture
async def client(simulator: Simulator) -> AsyncIterator[VendorClient]:
    async with VendorClient.connected(simulator.url, TOKEN, anyio.sleep) as client:
        yield client


async def play(client: VendorClient, task: str, *, ok: bool = True, words: str = "") -> list[Json]:
    """Respond to everything that Neo asks, until its turn is over."""
    seen: list[Json] = []
    with anyio.fail_after(PATIENCE):
        async for event in client.follow(task):
            seen.append(event)
            body = event["eventBody"]
            if calls := local_calls(event):
                await client.run(task, calls)
            elif body["type"] == "user_approval_request":
                if is_question(body):
                    await client.confirm(task, body["id"], ok=False, words="eu-west-1")
                elif (await client.get(task)).get("approvalMode") != "auto":
                    await client.confirm(task, body["id"], ok=ok, words=words)
            elif ends_turn(event):
                return seen
    raise AssertionError("the stream ended")


def kinds(events: list[Json]) -> list[str]:
    return [event["eventBody"]["type"] for event in events]


@pytest.mark.parametrize("scenario", scenarios())
@pytest.mark.parametrize("mode", ["cli", "cloud"])
async def test_every_scenario_is_played_to_its_end(client: VendorClient, scenario: str, mode: str) -> None:
    task = await client.create(f"Go (scenario:{scenario})", approvalMode="manual", toolExecutionMode=mode)
    seen = await play(client, task)
    assert kinds(seen)[0] == "user_message"
    assert all(event["eventBody"].get("timestamp") for event in seen)
    assert (await client.get(task))["status"] == "idle"
    assert await client.events(task, 3) == seen
    assert len(client.runs) == len(set(client.runs))


@pytest.mark.parametrize("ending", ["absent", "empty", "null"])
async def test_pages_end_in_each_of_three_ways(ending: str) -> None:
    config = SimulatorConfig(time_scale=0, last_page_token=ending)  # type: ignore[arg-type]  # one of the three
    async with (
        running_simulator(config) as simulator,
        VendorClient.connected(simulator.url, TOKEN, anyio.sleep) as client,
    ):
        task = await client.create("Go (scenario:hello)")
        seen = await play(client, task)
        for size in (1, 2, 1000):
            assert await client.events(task, size) == seen


async def test_a_denial_with_a_reason_changes_the_course(client: VendorClient) -> None:
    task = await client.create("Go (scenario:denied-approval)", approvalMode="manual")
    seen = await play(client, task, ok=False, words="Use three nodes.")
    decisions = [e["eventBody"] for e in seen if e["eventBody"]["type"] == "user_confirmation"]
    assert decisions[0]["ok"] is False
    assert decisions[0]["instructions"] == "Use three nodes."


async def test_an_answer_reaches_neo_and_the_question_tool_is_the_real_one(client: VendorClient) -> None:
    task = await client.create("Go (scenario:question)", approvalMode="manual")
    seen = await play(client, task)
    (asked,) = [e["eventBody"] for e in seen if e["eventBody"]["type"] == "user_approval_request"]
    assert asked["context"]["tool_name"] == "ux__ask_user"
    assert "eu-west-1" in str(seen[-1])


async def test_a_plan_is_accepted_and_carries_no_tool(client: VendorClient) -> None:
    task = await client.create("Go (scenario:hello)", approvalMode="manual", planMode=True)
    seen = await play(client, task)
    plan = next(e["eventBody"] for e in seen if e["eventBody"].get("approval_type") == "plan_exit")
    assert "tool_name" not in plan["context"]
    assert plan["context"]["plan_description"]


async def test_automatic_modes_confirm_after_the_request(client: VendorClient) -> None:
    task = await client.create("Go (scenario:public-bucket)", approvalMode="auto")
    seen = await play(client, task)
    requests = [e["eventBody"]["id"] for e in seen if e["eventBody"]["type"] == "user_approval_request"]
    confirmed = [e for e in seen if e["eventBody"]["type"] == "user_confirmation"]
    assert [e["eventBody"]["approval_request_id"] for e in confirmed] == requests
    assert all(e["isSynthetic"] for e in confirmed)


async def test_an_announcement_comes_back_as_the_agents_without_an_author(client: VendorClient) -> None:
    task = await client.create("Go (scenario:local-tools)", toolExecutionMode="cli")
    seen = await play(client, task)
    echoes = [e for e in seen if e["eventBody"]["type"] == "exec_tool_call"]
    assert {e["eventBody"]["tool_call_id"] for e in echoes} >= set(client.runs)
    assert all(e["type"] == "agentResponse" and "actor" not in e for e in echoes)


async def parked(client: VendorClient) -> tuple[str, list[Json]]:
    """A task that waits for its local calls."""
    task = await client.create("Go (scenario:local-tools)", toolExecutionMode="cli")
    with anyio.fail_after(PATIENCE):
        async for event in client.follow(task):
            if calls := local_calls(event):
                return task, calls
    raise AssertionError("no call came")


async def test_a_cancel_is_refused_until_the_calls_have_results() -> None:
    slept: list[float] = []
    calls: list[Json] = []
    task = ""

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            await asking.run(task, calls, fails=True)

    async with (
        # With a pause before Neo asks for the next calls.
        running_simulator(SimulatorConfig(time_scale=0.3)) as simulator,
        VendorClient.connected(simulator.url, TOKEN, sleep) as asking,
    ):
        task, calls = await parked(asking)
        assert await asking.cancel(task) == 4
        with anyio.fail_after(PATIENCE):
            seen = [event async for event in until_over(asking, task)]
    assert kinds(seen)[-1] == "cancelled"


async def until_over(client: VendorClient, task: str) -> AsyncIterator[Json]:
    async for event in client.follow(task):
        yield event
        if ends_turn(event):
            return


async def test_a_client_without_results_gives_up_after_a_minute_and_a_half(simulator: Simulator) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async with VendorClient.connected(simulator.url, TOKEN, sleep) as client:
        task, _ = await parked(client)
        with pytest.raises(GaveUp):
            await client.cancel(task)
    assert len(slept) == 8
    assert sum(slept) == 90


async def test_a_stream_is_resumed_after_the_last_event_that_was_seen(client: VendorClient) -> None:
    task = await client.create("Go (scenario:hello)")
    seen = await play(client, task)
    for number in range(len(seen) - 1):
        with anyio.fail_after(PATIENCE):
            rest = [event async for event in until_over_after(client, task, seen[number]["id"])]
        assert rest == seen[number + 1 :]


async def until_over_after(client: VendorClient, task: str, last: str) -> AsyncIterator[Json]:
    async for event in client.follow(task, last):
        yield event
        if ends_turn(event):
            return


async def test_a_message_waits_for_the_turn_to_end(client: VendorClient) -> None:
    task = await client.create("Go (scenario:hello)")
    await play(client, task)
    await client.message(task, "And again")
    with anyio.fail_after(PATIENCE):
        while kinds(await client.events(task, 100)).count("user_message") < 2:
            await anyio.lowlevel.checkpoint()


async def test_an_entity_that_is_refused_is_left_out(client: VendorClient) -> None:
    stack = {"type": "stack", "project": "nowhere", "name": "to-be-found"}
    task = await client.create("Go (scenario:hello)", entities=[stack])
    assert kinds(await play(client, task))[0] == "user_message"


async def test_without_a_default_the_user_is_the_organization() -> None:
    for default in (None, ""):
        config = SimulatorConfig(time_scale=0, default_organization=default)
        async with (
            running_simulator(config) as simulator,
            VendorClient.connected(simulator.url, TOKEN, anyio.sleep) as client,
        ):
            assert client.organization == "alice"
