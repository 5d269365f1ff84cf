"""Turns that end without a closing event: killed elsewhere, or on a server whose status says it all."""

from collections.abc import AsyncIterator

import pytest

from neo_mcp.simulator import Fault, SimulatorConfig, running_simulator
from tests.support.host import ORG, World, until

STREAM = "/events/stream"
QUIET = 0.2


def say(world: World, task_id: str, text: str, *, final: bool = False) -> None:
    body = {"type": "assistant_message", "content": text, "is_final": final}
    world.simulator.append_event(ORG, task_id, body, kind="agentResponse")


def working(world: World) -> str:
    task_id = world.simulator.add_task(ORG, status="running")
    say(world, task_id, "I begin.")
    return task_id


def kill(world: World, task_id: str) -> None:
    """What a forced cancel from the console leaves behind: an idle task, and no event."""
    world.simulator.store.get(ORG, task_id).end_turn()


class TestKilledElsewhere:
    async def test_a_wait_that_runs_out_of_time_finds_it_out(self, world: World, era: str) -> None:
        task_id = working(world)
        async with world.host(mode=era) as host:
            before = await host.wait(task_id, timeout_seconds=QUIET)
            assert before["matched"] is False
            kill(world, task_id)
            after = await host.wait(task_id, before["cursor"], timeout_seconds=QUIET)
            again = await host.wait(task_id, after["cursor"], timeout_seconds=QUIET)
        assert after["matched"] is True
        assert again["matched"] is False
        (need,) = after["needs"]
        assert (need["kind"], need["message"]) == ("stalled", "I begin.")
        assert "stopped" in after["next"]
        assert again["needs"] == [{**need, "reported": True}]
        assert "stopped" in again["next"]

    async def test_a_wait_for_the_turns_end_finds_it_out_too(self, world: World) -> None:
        task_id = working(world)
        async with world.host() as host:
            kill(world, task_id)
            waited = await host.wait(task_id, until="turn_end", timeout_seconds=QUIET)
        assert waited["needs"][0]["kind"] == "stalled"
        assert waited["matched"] is True

    async def test_looking_at_the_task_finds_it_out(self, world: World, era: str) -> None:
        task_id = working(world)
        async with world.host(mode=era) as host:
            assert (await host.call("get_task", task_id=task_id))["needs"] == []
            kill(world, task_id)
            found = await host.call("get_task", task_id=task_id)
        assert [need["kind"] for need in found["needs"]] == ["stalled"]

    async def test_a_new_event_clears_it(self, world: World) -> None:
        task_id = working(world)
        async with world.host() as host:
            kill(world, task_id)
            stalled = await host.wait(task_id, timeout_seconds=QUIET)
            assert stalled["needs"][0]["kind"] == "stalled"
            body = {"type": "user_message", "content": "Go on."}
            world.simulator.append_event(ORG, task_id, body, kind="userInput")
            went_on = await host.wait(task_id, stalled["cursor"], until="any")
            assert (went_on["events"], went_on["needs"]) == (["user: Go on."], [])
            say(world, task_id, "Done.", final=True)
            done = await host.wait(task_id, went_on["cursor"])
        assert done["needs"][0]["kind"] == "turn_ended"

    async def test_among_several_tasks_it_is_the_one_that_matches(self, world: World) -> None:
        one, two = working(world), working(world)
        async with world.host() as host:
            before = await host.call("wait_for_events", task_ids=[one, two], timeout_seconds=QUIET)
            kill(world, two)
            waited = await host.call(
                "wait_for_events", task_ids=[one, two], cursor=before["cursor"], timeout_seconds=QUIET
            )
        assert [news["matched"] for news in waited["tasks"]] == [False, True]
        assert waited["tasks"][1]["needs"][0]["kind"] == "stalled"

    async def test_last_words_that_are_on_their_way_are_waited_for(self, world: World) -> None:
        """The API says that nothing runs before the stream has told why."""
        task_id = working(world)
        world.simulator.faults.add(Fault("silence", path=STREAM, after_events=0, times=0))
        async with world.host() as host:
            await host.call("get_task", task_id=task_id)
            await until(lambda: world.simulator.open_streams)
            say(world, task_id, "Done.", final=True)
            found = await host.call("get_task", task_id=task_id)
            waited = await host.wait(task_id)
        for result in (found, waited):
            assert [(need["kind"], need["message"]) for need in result["needs"]] == [("turn_ended", "Done.")]
        assert waited["events"] == ["neo: I begin."]

    async def test_an_idle_task_that_asks_somebody_is_not_stalled(self, world: World) -> None:
        async with world.host() as host:
            task_id, _ = await host.create("denied-approval")
            await world.simulator.wait_idle(ORG, task_id)
            found = await host.call("get_task", task_id=task_id)
        assert found["task"]["status"] == "idle"
        assert [need["kind"] for need in found["needs"]] == ["approval"]

    async def test_a_task_without_any_event_is_idle_and_not_stalled(self, world: World) -> None:
        task_id = world.simulator.add_task(ORG)
        async with world.host() as host:
            waited = await host.wait(task_id, timeout_seconds=QUIET)
        assert (waited["matched"], waited["needs"]) == (False, [])
        assert "idle" in waited["next"]


class TestFirstGeneration:
    @pytest.fixture
    async def old_world(self, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
        monkeypatch.setattr("neo_mcp.api.paging.PACE", 0.01)
        config = SimulatorConfig(time_scale=0, first_generation=True)
        async with running_simulator(config) as simulator:
            yield World(simulator)

    async def test_a_task_is_handed_over_followed_and_sent_on(self, old_world: World, era: str) -> None:
        async with old_world.host(mode=era) as host:
            task_id, cursor = await host.create("hello")
            first = await host.wait(task_id, cursor)
            assert first["matched"] is True
            assert first["needs"][0]["kind"] == "turn_ended"
            assert any("Please (scenario:hello)" in line for line in first["events"])
            await host.call("respond", task_id=task_id, action="message", text="Once more (scenario:hello)")
            second = await host.wait(task_id, first["cursor"])
            assert second["needs"][0]["kind"] == "turn_ended"
            assert any("Once more" in line for line in second["events"])
            assert not set(first["events"]) & set(second["events"])
            found = await host.call("get_task", task_id=task_id)
        assert found["cursor"] == second["cursor"]
        assert [need["kind"] for need in found["needs"]] == ["turn_ended"]

    async def test_a_task_that_failed_needs_somebody(self, old_world: World) -> None:
        async with old_world.host() as host:
            task_id = working(old_world)
            body = {"type": "error", "message": "The quota is used up."}
            old_world.simulator.append_event(ORG, task_id, body, kind="agentResponse")
            waited = await host.wait(task_id)
            found = await host.call("get_task", task_id=task_id)
        for result in (waited, found):
            (need,) = result["needs"]
            assert need["kind"] == "error"
            assert "The quota is used up." in need["message"]

    async def test_several_tasks_are_waited_for_together(self, old_world: World) -> None:
        async with old_world.host() as host:
            tasks = [(await host.create("hello"))[0] for _ in range(3)]
            waited = await host.call("wait_for_events", task_ids=tasks)
        assert waited["matched"] is True
        matched = [news for news in waited["tasks"] if news["matched"]]
        assert matched
        assert all(news["needs"][0]["kind"] == "turn_ended" for news in matched)
