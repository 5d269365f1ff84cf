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
from tests.examples import examples
from tests.server.support import ORG, TOKEN, Host, World, text_of
from tests.simulator.vendor_client import VendorClient, local_calls

pytestmark = pytest.mark.scorecard("other clients on the same task: nothing runs twice or is decided twice")

STEPS = st.lists(
    st.tuples(st.sampled_from(["ask", "ours", "theirs", "wait", "wait"]), st.integers(0, 4)), max_size=14
)


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
    """One task that asks for approvals, which both clients give or refuse.

    ``reported`` are the requests that ended a wait; ``decided`` has the first decision on each.
    """

    world: World
    host: Host
    client: VendorClient
    task_id: str
    cursor: str | None = None
    asked: list[str] = field(default_factory=list)
    decided: dict[str, bool] = field(default_factory=dict)
    reported: set[str] = field(default_factory=set)

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
        elif self.asked:
            await self.decide(kind, self.asked[number % len(self.asked)])

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
def test_decisions_stand_and_waits_report_what_is_new(steps: list[tuple[str, int]]) -> None:
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
