"""Our server and the vendor's client on the same tasks, in whatever order they act."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neo_mcp.config import ApprovalPolicy
from neo_mcp.simulator import SimulatorConfig, running_simulator
from tests.simulator.vendor_client import VendorClient, local_calls
from tests.support.examples import examples
from tests.support.host import ORG, TOKEN, Host, World, text_of

pytestmark = pytest.mark.scorecard("other clients on the same task: nothing runs twice or is decided twice")

NAME, ARGUMENTS = "filesystem__read", {"file_path": "Pulumi.yaml"}
KINDS = ["ask", "ours", "theirs", "wait", "wait", "park", "ours run", "theirs run"]
STEPS = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 4)), max_size=16)


@asynccontextmanager
async def shared() -> AsyncIterator[tuple[World, Host, VendorClient]]:
    """A host of ours and the other client, at one simulated Neo."""
    async with (
        running_simulator(SimulatorConfig(time_scale=0)) as simulator,
        VendorClient.connected(simulator.url, TOKEN, anyio.sleep) as client,
    ):
        world = World(simulator)
        async with world.host(approvals=ApprovalPolicy.HOST) as host:
            yield world, host, client


@dataclass
class Story:
    """One task that asks for approvals and for local calls, which both clients give, refuse and run.

    ``reported`` are the requests that ended a wait; ``decided`` has the first decision on each; ``ran`` tells
    who was first to run a call.
    """

    world: World
    host: Host
    client: VendorClient
    task_id: str
    cursor: str | None = None
    asked: list[str] = field(default_factory=list)
    decided: dict[str, bool] = field(default_factory=dict)
    reported: set[str] = field(default_factory=set)
    parked: int = 0
    ran: dict[str, str] = field(default_factory=dict)

    @property
    def open_calls(self) -> list[dict[str, Any]]:
        task = self.world.simulator.store.get(ORG, self.task_id)
        return [task.local_calls[call_id] for call_id in task.open_calls]

    @property
    def pending(self) -> set[str]:
        return set(self.world.simulator.store.get(ORG, self.task_id).pending)

    async def act(self, kind: str, number: int) -> None:
        if kind == "ask":
            request_id = f"a{len(self.asked)}"
            self.asked.append(request_id)
            request = {"type": "user_approval_request", "id": request_id, "message": f"{request_id}?"}
            self.world.simulator.append_event(ORG, self.task_id, request, kind="agentResponse")
        elif kind == "wait":
            await self.wait()
        elif kind == "park":
            self.park()
        elif kind == "theirs run":
            await self.run_theirs(number)
        elif kind == "ours run":
            await self.run_ours()
        elif self.asked:
            await self.decide(kind, self.asked[number % len(self.asked)])

    def park(self) -> None:
        """Have Neo ask for two calls, unless it waits for some."""
        if self.open_calls:
            return
        self.parked += 1
        calls = [
            {"id": f"c{self.parked}-{n}", "name": NAME, "args": ARGUMENTS, "execution_mode": "cli"}
            for n in (1, 2)
        ]
        body = {"type": "assistant_message", "content": "Please.", "is_final": True, "tool_calls": calls}
        self.world.simulator.append_event(ORG, self.task_id, body, kind="agentResponse")

    async def run_theirs(self, number: int) -> None:
        """Announce and run what is free, as that client does; now and then it stops after announcing."""
        announced = self.world.simulator.store.get(ORG, self.task_id).announced
        free = [call for call in self.open_calls if call["id"] not in announced]
        mine = [call for call in self.open_calls if self.ran.get(call["id"]) == "theirs"]
        for call in free:
            self.ran.setdefault(call["id"], "theirs")
        if number % 2 and free:
            for call in free:
                body = {"type": "exec_tool_call", "tool_call_id": call["id"], "name": call["name"]}
                assert (await self.client.respond(self.task_id, body)).is_success
        elif free or mine:
            await self.client.run(self.task_id, free or mine)

    async def run_ours(self) -> None:
        """Claim what is free, run it, and return the results with the claim."""
        claimed = await self.host.raw("respond", {"task_id": self.task_id, "action": "claim"})
        if claimed.is_error:
            return
        content = claimed.structured_content or {}
        announced = self.world.simulator.store.get(ORG, self.task_id).announced
        ours = [call for call in self.open_calls if call["id"] in announced and call["id"] not in self.ran]
        for call in ours:
            self.ran[call["id"]] = "ours"
        results = [{"tool_call_id": call["id"], "content": "ours"} for call in ours]
        arguments = {"task_id": self.task_id, "action": "tool_results", "claim": content["claim"]}
        await self.host.call("respond", **arguments, tool_results=results)

    async def decide(self, who: str, request_id: str) -> None:
        was = self.decided.get(request_id)
        if who == "theirs":
            await self.client.confirm(self.task_id, request_id, ok=False, words="Not today.")
            self.decided.setdefault(request_id, False)
            return
        arguments = {"task_id": self.task_id, "action": "approve", "request_id": request_id}
        result = await self.host.raw("respond", arguments)
        assert bool(result.is_error) is (was is not None)
        if was is not None:
            assert f"{request_id} was already {'approved' if was else 'denied'}" in text_of(result)
        self.decided.setdefault(request_id, True)

    async def wait(self) -> None:
        pending = self.pending
        result = await self.host.wait(self.task_id, self.cursor, timeout_seconds=0.3)
        self.cursor = result["cursor"]
        needs = result.get("needs") or []
        assert {need["request_id"] for need in needs if "request_id" in need} == pending
        new = {need["request_id"] for need in needs if "request_id" in need and not need.get("reported")}
        assert new.isdisjoint(self.reported)
        self.reported |= new


@settings(max_examples=examples(12), deadline=None)
@given(STEPS)
def test_nothing_runs_or_is_decided_twice_and_waits_report_what_is_new(steps: list[tuple[str, int]]) -> None:
    async def play() -> None:
        async with shared() as (world, host, client):
            story = Story(world, host, client, world.simulator.add_task(ORG, status="running"))
            for kind, number in steps:
                await story.act(kind, number)
            await story.wait()
            stands = [
                (event["approval_request_id"], event["ok"])
                for event in world.events(story.task_id)
                if event["type"] == "user_confirmation"
            ]
            assert stands == list(story.decided.items())
            assert story.pending <= story.reported
            landed = [
                (row["tool_call_id"], "ours" if "ours" in str(row["content"]) else "theirs")
                for event in world.events(story.task_id)
                if event["type"] == "tool_result"
                for row in event["tool_results"]
            ]
            assert len(landed) == len(dict(landed))
            assert dict(landed).items() <= story.ran.items()

    anyio.run(play)


async def test_local_calls_that_the_other_client_runs_are_left_to_it() -> None:
    async with shared() as (world, host, client):
        task_id = await client.create("Go (scenario:local-tools)", toolExecutionMode="cli")
        calls = await anext(calls async for event in client.follow(task_id) if (calls := local_calls(event)))
        for call in calls:
            body = {"type": "exec_tool_call", "tool_call_id": call["id"], "name": call["name"]}
            assert (await client.respond(task_id, body)).is_success
        results: list[dict[str, Any]] = [{"tool_call_id": call["id"], "content": "ours"} for call in calls]
        refused = await host.refused("respond", task_id=task_id, action="tool_results", tool_results=results)
        assert "another client" in refused
        stopped = await host.raw("respond", {"task_id": task_id, "action": "cancel"})
        assert stopped.is_error
        assert not any(sent["type"] == "user_cancel" for sent in world.sent(task_id))
        assert not any("ours" in str(sent) for sent in world.sent(task_id))
