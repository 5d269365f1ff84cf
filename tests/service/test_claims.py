"""Local calls that several clients could run: nothing is run twice, and every result arrives once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neo_mcp.secret import SecretBytes
from neo_mcp.simulator import Fault
from tests.service.test_local_tools import (
    another_world,
    answer,
    asking,
    give,
    parked,
    result,
    results_landed,
    results_sent,
    until_pending,
)
from tests.support.examples import examples
from tests.support.host import ORG, Host, Json, SkippingClock, World

KEY: Json = {"key": SecretBytes(b"k" * 32), "key_file": Path("/dev/null")}
"""What replicas share."""

GONE: Mapping[str, object] = {"other_client_gone": True}


def announce(world: World, task_id: str, *call_ids: str) -> None:
    """Another client announces calls; the service records that as Neo's, without an author."""
    for call_id in call_ids:
        world.simulator.store.get(ORG, task_id).announced.add(call_id)
        body = {"type": "exec_tool_call", "tool_call_id": call_id, "name": "shell__execute"}
        world.simulator.append_event(ORG, task_id, body, kind="agentResponse")


def announced(world: World, task_id: str) -> list[str]:
    """The calls that we announced."""
    return [event["tool_call_id"] for event in world.sent(task_id) if event["type"] == "exec_tool_call"]


async def claim(host: Host, task_id: str) -> str:
    claimed = await host.call("respond", task_id=task_id, action="claim")
    assert "tool_results" in claimed["next"]
    token = claimed["claim"]
    assert isinstance(token, str)
    return token


async def refused(host: Host, task_id: str, *rows: Json, **more: object) -> str:
    return await host.refused(
        "respond", task_id=task_id, action="tool_results", tool_results=list(rows), **more
    )


async def until_elsewhere(host: Host, task_id: str) -> Json:
    """The task, once the server has seen that another client runs calls."""
    while True:
        task = await host.call("get_task", task_id=task_id)
        if "being run by another client" in str(task):
            return task
        await anyio.sleep(0.002)


class TestClaims:
    async def test_a_claim_announces_the_calls_before_they_run(self, world: World, era: str) -> None:
        async with world.host(mode=era) as host:
            task_id = parked(world, "c1", "c2")
            token = await claim(host, task_id)
            assert announced(world, task_id) == ["c1", "c2"]
            await give(host, task_id, result("c2"), claim=token)
            said = await give(host, task_id, result("c1"), claim=token)
        assert "2 tool results were sent" in said["sent"]
        assert announced(world, task_id) == ["c1", "c2"]
        assert len(results_landed(world, task_id)) == 1

    async def test_a_claim_is_shown_in_the_text_as_well(self, world: World) -> None:
        async with world.host() as host:
            text = await host.text("respond", task_id=parked(world, "c1"), action="claim")
        assert "Claimed: c1 (shell__execute)." in text
        assert "\nclaim: " in text

    async def test_a_claim_holds_on_every_replica_and_after_a_restart(self, world: World) -> None:
        task_id = parked(world, "c1", "c2")
        async with world.host(**KEY) as one:
            token = await claim(one, task_id)
            await give(one, task_id, result("c1"), claim=token)
        async with world.host(**KEY) as other:
            # Parts are stored in memory alone.
            said = await give(other, task_id, result("c2"), claim=token)
            assert "Still missing: c1" in said["sent"]
            await give(other, task_id, result("c1"), claim=token)
        assert len(results_landed(world, task_id)) == 1
        assert announced(world, task_id) == ["c1", "c2"]

    async def test_a_claim_that_cannot_be_read_any_more_says_how_to_go_on(self, world: World) -> None:
        task_id = parked(world, "c1")
        async with world.host() as one:
            token = await claim(one, task_id)
        async with world.host() as other:
            text = await refused(other, task_id, result("c1"), claim=token)
            assert "restarted without a key file" in text
            assert "other_client_gone: true" in text
            await give(other, task_id, result("c1"), claim=token, **GONE)
        assert len(results_landed(world, task_id)) == 1

    async def test_calls_that_are_claimed_are_nobody_elses(self, world: World, era: str) -> None:
        async with world.host(mode=era) as host:
            task_id = parked(world, "c1", "c2")
            token = await claim(host, task_id)
            assert "being run by another client" in await refused(host, task_id, result("c1"))
            text = await host.refused("respond", task_id=task_id, action="claim")
            assert "c1 (shell__execute), c2 (shell__execute) are being run by another client" in text
            assert (await until_elsewhere(host, task_id))["needs"] == []
            await give(host, task_id, result("c1"), result("c2"), claim=token)

    async def test_a_claim_is_good_for_its_own_calls_alone(self, world: World) -> None:
        async with world.host() as host:
            task_id, other = parked(world, "c1"), parked(world, "c1")
            token = await claim(host, task_id)
            assert "another task's" in await refused(host, other, result("c1"), claim=token)
            world.simulator.append_event(ORG, task_id, asking("c1"), kind="agentResponse")
            await until_pending(host, task_id, "c1")
            assert "asked for earlier" in await refused(host, task_id, result("c1"), claim=token)
        assert results_sent(world, task_id) == []

    async def test_of_two_claims_at_one_moment_neither_counts(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        task_id = parked(world, "c1", "c2")
        original = world.simulator.conversation.respond

        def racing(task: object, event: Json) -> None:
            original(task, event)  # type: ignore[arg-type]  # the simulator's own task
            if event.get("tool_call_id") == "c1":
                announce(world, task_id, "c1")

        monkeypatch.setattr(world.simulator.conversation, "respond", racing)
        async with world.host() as host:
            claimed = await host.call("respond", task_id=task_id, action="claim")
            assert "Claimed: c2" in claimed["sent"]
            assert "do not run: c1" in claimed["sent"]
            assert "being run" in await refused(host, task_id, result("c1"), claim=claimed["claim"])
            said = await give(host, task_id, result("c2"), claim=claimed["claim"])
        assert "1 tool result was sent" in said["sent"]

    async def test_an_announcement_whose_answer_is_lost_is_known_by_its_time(self, world: World) -> None:
        async with world.host(clock=SkippingClock()) as host:
            task_id = parked(world, "c1")
            path = f"/tasks/{task_id}$"
            world.simulator.faults.add(Fault("reset_before_response", path=path, method="POST"))
            token = await claim(host, task_id)
            await give(host, task_id, result("c1"), claim=token)
        assert announced(world, task_id) == ["c1"]

    async def test_a_claim_goes_with_results_alone(self, world: World) -> None:
        async with world.host() as host:
            task_id = parked(world, "c1")
            text = await host.refused(
                "respond", task_id=task_id, action="message", text="x", other_client_gone=True
            )
        assert "tool_results" in text


class TestOtherClients:
    async def test_a_call_that_another_client_runs_is_not_asked_of_the_host(
        self, world: World, era: str
    ) -> None:
        async with world.host(mode=era) as host:
            task_id = parked(world, "c1", "c2")
            await until_pending(host, task_id, "c1", "c2")
            announce(world, task_id, "c1")
            task = await until_elsewhere(host, task_id)
            (need,) = task["needs"]
            assert "being run by another client since" in need["calls"][0]["note"]
            assert need["calls"][0]["arguments"] == ""
            assert "note" not in need["calls"][1]
            assert "leave those" in need["reply"]
            said = await give(host, task_id, result("c2"))
            assert "1 tool result was sent" in said["sent"]
        ((row,),) = results_sent(world, task_id)
        assert row["tool_call_id"] == "c2"

    async def test_a_batch_that_is_all_run_elsewhere_wakes_nobody(self, world: World) -> None:
        async with world.host() as host:
            task_id = parked(world, "c1")
            announce(world, task_id, "c1")
            waited = await host.wait(task_id, timeout_seconds=0.1)
        assert not waited["matched"]
        assert "a client, since" in waited["activity"]
        assert "other_client_gone" in waited["note"]

    async def test_results_are_refused_unless_the_other_client_is_said_to_be_gone(self, world: World) -> None:
        async with world.host() as host:
            task_id = parked(world, "c1", "c2")
            announce(world, task_id, "c1")
            await until_elsewhere(host, task_id)
            text = await refused(host, task_id, result("c1"), result("c2"))
            assert "c1 (shell__execute) is being run by another client since" in text
            assert results_sent(world, task_id) == []
            await give(host, task_id, result("c1"), result("c2"), **GONE)
        assert len(results_landed(world, task_id)) == 1
        assert announced(world, task_id) == ["c2"]

    async def test_a_call_that_another_client_takes_before_the_results_go_out_is_left_to_it(
        self, world: World
    ) -> None:
        async with world.host() as host:
            task_id = parked(world, "c1", "c2")
            await give(host, task_id, result("c1"))
            announce(world, task_id, "c1")
            await until_elsewhere(host, task_id)
            await give(host, task_id, result("c2"))
        ((row,),) = results_sent(world, task_id)
        assert row["tool_call_id"] == "c2"

    async def test_our_own_announcement_is_not_taken_for_another_clients(self, world: World) -> None:
        async with world.host() as host:
            task_id = parked(world, "c1")
            path = f"/tasks/{task_id}$"
            world.simulator.faults.add(Fault("status", status=403, path=path, method="POST", skip=1))
            await refused(host, task_id, result("c1"))
            # As the service would record it.
            await until_pending(host, task_id, "c1", kept=["c1"])
            await give(host, task_id)
        assert announced(world, task_id) == ["c1"]
        assert len(results_landed(world, task_id)) == 1

    async def test_calls_of_a_task_that_the_vendors_client_started_say_so(self, world: World) -> None:
        async with world.host() as host:
            task_id = parked(world, "c1")
            world.simulator.store.get(ORG, task_id).source = "cli"
            (need,) = (await host.wait(task_id))["needs"]
        assert "runs them itself while attached" in need["reply"]


STEPS = st.lists(
    st.tuples(st.sampled_from(["ours", "theirs", "claim", "restart", "answer"]), st.integers(0, 2)),
    max_size=10,
)
CALLS = ["c0", "c1", "c2"]


@dataclass
class Story:
    """A batch that a host of ours, with what it claimed, and another client both answer."""

    world: World
    task_id: str
    theirs: set[str] = field(default_factory=set)
    tokens: list[str] = field(default_factory=list)

    async def act(self, host: Host, kind: str, call_id: str) -> None:
        task = self.world.simulator.store.get(ORG, self.task_id)
        match kind:
            case "claim":
                raw = await host.raw("respond", {"task_id": self.task_id, "action": "claim"})
                self.tokens += [] if raw.is_error else [(raw.structured_content or {})["claim"]]
            case "ours":
                more = {"claim": self.tokens[-1]} if self.tokens else {}
                given_now = {"action": "tool_results", "tool_results": [result(call_id)], **more}
                await host.raw("respond", {"task_id": self.task_id, **given_now})
            case "theirs" if call_id not in task.announced and call_id in task.open_calls:
                self.theirs.add(call_id)
                announce(self.world, self.task_id, call_id)
            case "answer" if call_id in self.theirs and call_id in task.open_calls:
                answer(self.world, self.task_id, call_id)
            case _:
                pass

    async def steps(self, steps: list[tuple[str, int]]) -> None:
        left = list(steps)
        while left:
            async with self.world.host(**KEY) as host:
                while left and (step := left.pop(0))[0] != "restart":
                    await self.act(host, step[0], CALLS[step[1]])

    async def play(self, steps: list[tuple[str, int]]) -> None:
        await self.steps(steps)
        async with self.world.host(**KEY) as host:
            for kind in ("answer", "ours"):
                for call_id in CALLS:
                    await self.act(host, kind, call_id)


@settings(max_examples=examples(25))
@given(STEPS)
def test_whoever_acts_in_whatever_order_each_result_arrives_once(steps: list[tuple[str, int]]) -> None:
    async def play() -> None:
        async with another_world() as world:
            story = Story(world, parked(world, *CALLS))
            await story.play(steps)
            landed = [row["tool_call_id"] for rows in results_landed(world, story.task_id) for row in rows]
            assert sorted(landed) == sorted(set(landed))
            # What the other client announced, nobody else answered.
            ours = [row["tool_call_id"] for rows in results_sent(world, story.task_id) for row in rows]
            assert story.theirs.isdisjoint(ours)
            assert not story.tokens or set(landed) == set(CALLS)

    anyio.run(play)
