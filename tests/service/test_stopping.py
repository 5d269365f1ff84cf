"""Stopping a turn, also while Neo waits for local tool calls."""

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neo_mcp.simulator import Fault
from tests.service.test_claims import CALLS, GONE, KEY, Story, announce, claim, until_elsewhere
from tests.service.test_local_tools import another_world, give, parked, result, results_sent
from tests.support.examples import examples
from tests.support.host import ORG, Host, Json, Person, SkippingClock, World


async def cancel(host: Host, task_id: str, **more: object) -> Json:
    return await host.call("respond", task_id=task_id, action="cancel", **more)


def sent(world: World, task_id: str) -> list[str]:
    return [event["type"] for event in world.sent(task_id)]


class TestOpenCalls:
    async def test_open_calls_are_answered_as_cancelled_before_the_turn_is(
        self, world: World, era: str
    ) -> None:
        async with world.host(mode=era) as host:
            task_id = parked(world, "c1", "c2")
            said = await cancel(host, task_id)
            assert "2 open local calls" in said["sent"]
            (need,) = (await host.wait(task_id, until="turn_end"))["needs"]
        assert need["kind"] == "cancelled"
        assert sent(world, task_id)[:4] == ["exec_tool_call"] * 2 + ["tool_result", "user_cancel"]
        (rows,) = results_sent(world, task_id)
        assert all(row["is_error"] and row["content"] == {"output": "cancelled by the user"} for row in rows)

    async def test_calls_that_another_client_runs_get_nothing(self, world: World, era: str) -> None:
        async with world.host(mode=era) as host:
            task_id = parked(world, "c1", "c2")
            announce(world, task_id, "c1")
            text = await host.refused("respond", task_id=task_id, action="cancel")
            assert "c1 (shell__execute) is being run by another client since" in text
            assert "force" in text
            assert world.sent(task_id) == []
            await cancel(host, task_id, **GONE)
        assert sent(world, task_id)[:3] == ["exec_tool_call", "tool_result", "user_cancel"]

    async def test_force_goes_on_if_a_person_agrees(self, world: World, era: str) -> None:
        person = Person()
        async with world.host(person, mode=era) as host:
            task_id = parked(world, "c1")
            announce(world, task_id, "c1")
            await until_elsewhere(host, task_id)
            await cancel(host, task_id, force=True)
        assert 'Being run by another client: "shell__execute"' in person.forms[0]
        assert world.sent(task_id) == []
        assert world.asked("POST", f"/tasks/{task_id}/cancel") == 1

    async def test_calls_that_were_claimed_are_cancelled_with_the_claim(self, world: World) -> None:
        async with world.host() as host:
            task_id = parked(world, "c1", "c2")
            token = await claim(host, task_id)
            assert "cancel with the claim" in await host.refused("respond", task_id=task_id, action="cancel")
            await give(host, task_id, result("c2", "it ran"), claim=token)
            await cancel(host, task_id, claim=token)
        ((one, other),) = results_sent(world, task_id)
        assert (one["is_error"], other["content"]) == (True, {"output": "it ran"})

    async def test_calls_that_another_client_takes_at_that_moment_get_no_result(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        task_id = parked(world, "c1")
        original = world.simulator.conversation.respond

        def racing(task: object, event: Json) -> None:
            original(task, event)  # type: ignore[arg-type]  # the simulator's own task
            if event["type"] == "exec_tool_call":
                announce(world, task_id, "c1")

        monkeypatch.setattr(world.simulator.conversation, "respond", racing)
        async with world.host() as host:
            text = await host.refused("respond", task_id=task_id, action="cancel")
        assert "being run by another client" in text
        assert sent(world, task_id) == ["exec_tool_call"]


class TestNothingToStop:
    async def test_a_cancel_when_nothing_runs_sends_nothing_and_changes_nothing(
        self, world: World, era: str
    ) -> None:
        async with world.host(mode=era) as host:
            task_id, cursor = await host.create("hello")
            await host.wait(task_id, cursor)
            said = await cancel(host, task_id)
            assert "Nothing runs" in said["sent"]
            (need,) = (await host.call("get_task", task_id=task_id))["needs"]
        assert need["kind"] == "turn_ended"
        assert world.sent(task_id) == []

    async def test_a_turn_that_seems_to_run_is_asked_to_stop(self, world: World) -> None:
        events = [("userInput", {"type": "user_message", "content": "Go"})]
        task_id = world.simulator.add_task(ORG, events=events)
        async with world.host() as host:
            await cancel(host, task_id)
        assert sent(world, task_id) == ["user_cancel"]


async def test_a_cancel_that_the_api_never_takes_says_so_in_time(world: World) -> None:
    clock = SkippingClock()
    task_id = parked(world)
    path = f"/tasks/{task_id}$"
    world.simulator.faults.add(Fault("status", status=409, path=path, method="POST", times=0))
    async with world.host(clock=clock) as host:
        text = await host.refused("respond", task_id=task_id, action="cancel")
    assert "force" in text
    assert sum(clock.slept) < 45


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("path", ["/tasks/[^/]+$", "/events$", "/default$"])
async def test_a_cancel_that_hangs_anywhere_ends_in_time(
    world: World, monkeypatch: pytest.MonkeyPatch, path: str, *, known: bool
) -> None:
    monkeypatch.setattr("neo_mcp.service.commands.stop.MAX_SECONDS", 30.2)
    monkeypatch.setattr("neo_mcp.service.commands.stop._MIN_SECONDS", 0.2)
    task_id = parked(world, "c1")
    # The organization is looked up first where none is set.
    organization = None if path == "/default$" else ORG
    async with world.host(call_timeout=30.0, organization=organization) as host:
        if known and path != "/default$":
            await host.call("get_task", task_id=task_id)
        world.simulator.faults.add(Fault("latency", seconds=600, path=path, method="GET", times=0))
        text = await host.refused("respond", task_id=task_id, action="cancel")
    assert "was not seen to take the request to stop" in text


STEPS = st.lists(
    st.tuples(st.sampled_from(["ours", "theirs", "claim", "restart", "answer"]), st.integers(0, 2)),
    max_size=8,
)


@settings(max_examples=examples(25))
@given(steps=STEPS, gone=st.booleans())
def test_whenever_a_turn_is_stopped_calls_of_another_client_are_left_to_it(
    steps: list[tuple[str, int]], *, gone: bool
) -> None:
    async def play() -> None:
        async with another_world() as world:
            story = Story(world, parked(world, *CALLS))
            await story.steps(steps)
            task = world.simulator.store.get(ORG, story.task_id)
            left, before = story.theirs & set(task.open_calls), len(world.sent(story.task_id))
            more: Json = {"claim": story.tokens[-1]} if story.tokens else {}
            async with world.host(**KEY) as host:
                arguments = {"task_id": story.task_id, "action": "cancel", **more}
                stopped = await host.raw("respond", arguments)
                if left:
                    assert stopped.is_error
                    assert len(world.sent(story.task_id)) == before
                if stopped.is_error and gone:
                    await cancel(host, story.task_id, **GONE)
            ours = [row["tool_call_id"] for rows in results_sent(world, story.task_id) for row in rows]
            assert len(ours) == len(set(ours))
            assert gone or story.theirs.isdisjoint(ours)
            assert ("user_cancel" in sent(world, story.task_id)) <= (not task.open_calls)

    anyio.run(play)
