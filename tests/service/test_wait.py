"""wait_for_events: pushed, never polled; nothing lost, nothing doubled."""

from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from neo_mcp.api import NeoClient
from neo_mcp.core.cursor import encode_cursor
from neo_mcp.core.render.lines import event_line
from neo_mcp.server.app import NeoServer
from neo_mcp.simulator import Fault, SimulatorConfig, running_simulator
from neo_mcp.watch import Hub
from tests.support.examples import long, some
from tests.support.host import ORG, TOKEN, Host, World, until

STREAM = "/events/stream"


@pytest.fixture
def hubs(monkeypatch: pytest.MonkeyPatch) -> list[Hub]:
    """The hubs of all servers, with a linger that a test can outwait."""
    made: list[Hub] = []

    def make(client: NeoClient, task_group: anyio.abc.TaskGroup) -> Hub:
        made.append(Hub(client, task_group, linger=0.02))
        return made[-1]

    monkeypatch.setattr("neo_mcp.service.tasks.Hub", make)
    return made


@pytest.fixture
async def slow_world() -> AsyncIterator[World]:
    """Neo takes its time, so that there is something to wait for."""
    async with running_simulator(SimulatorConfig(time_scale=0.02, keep_alive_seconds=0.2)) as simulator:
        yield World(simulator)


def users(hub: Hub) -> int:
    return sum(followed.users for followed in hub._followed.values())


async def all_lines(world: World, task_id: str) -> list[str]:
    """Every line there is, by the API's own pages."""
    async with NeoClient(token=TOKEN, api_url=world.simulator.url, organization=ORG) as client:
        return [line async for event in client.iter_events(task_id) if (line := event_line(event))]


async def lines_until_over(host: Host, task_id: str, cursor: str, **arguments: Any) -> list[str]:  # noqa: ANN401 - any JSON
    """What a host reads that takes every step, and answers what it is asked."""
    lines: list[str] = []
    while True:
        waited = await host.wait(task_id, cursor, until="any", budget_tokens=20000, **arguments)
        cursor = waited["cursor"]
        lines += waited["events"]
        for need in waited["needs"]:
            match need["kind"]:
                case "question":
                    await host.call("respond", task_id=task_id, action="answer", text="yes")
                case "local_tools":
                    results = [{"tool_call_id": c["tool_call_id"], "content": "ok"} for c in need["calls"]]
                    await host.call("respond", task_id=task_id, action="tool_results", tool_results=results)
                case "approval" | "plan":
                    await host.call("respond", task_id=task_id, action="deny", request_id=need["request_id"])
                case _:
                    return [*lines, need["message"]]


class TestWhatEndsAWait:
    async def test_what_already_holds_ends_it_at_once(self, world: World, era: str) -> None:
        async with world.host(mode=era) as host:
            task_id, cursor = await host.create("hello")
            await world.simulator.wait_idle(ORG, task_id)
            for kind in ("attention", "any", "turn_end"):
                waited = await host.wait(task_id, cursor, until=kind)
                assert waited["matched"] is True
                assert waited["needs"][0]["kind"] == "turn_ended"

    async def test_a_request_ends_a_wait_for_attention_but_not_one_for_the_turns_end(
        self, world: World
    ) -> None:
        async with world.host() as host:
            task_id, cursor = await host.create("denied-approval")
            waited = await host.wait(task_id, cursor, until="attention")
            assert waited["matched"] is True
            waited = await host.wait(task_id, cursor, until="turn_end", timeout_seconds=0.05)
            assert waited["matched"] is False
            assert waited["needs"][0]["kind"] == "approval"

    async def test_anything_new_ends_a_wait_for_anything(self, world: World) -> None:
        task_id = world.simulator.add_task(ORG, status="running")
        async with world.host() as host, anyio.create_task_group() as group:
            before = await host.wait(task_id, timeout_seconds=0.05, until="any")
            assert before["events"] == []

            async def say() -> None:
                await until(lambda: world.simulator.open_streams)
                body = {"type": "assistant_message", "content": "Hm.", "is_final": False}
                world.simulator.append_event(ORG, task_id, body, kind="agentResponse")

            group.start_soon(say)
            waited = await host.wait(task_id, before["cursor"], until="any")
        assert waited["events"] == ["neo: Hm."]

    async def test_an_event_that_says_nothing_does_not_end_a_wait_for_anything(self, world: World) -> None:
        body = {"type": "exec_tool_call", "tool_call_id": "c", "name": "pulumi__preview"}
        task_id = world.simulator.add_task(ORG, status="running", events=[("agentResponse", body)])
        async with world.host() as host:
            waited = await host.wait(task_id, until="any", timeout_seconds=0.05)
        assert (waited["matched"], waited["activity"]) == (False, "running pulumi__preview")

    async def test_running_out_of_time_is_a_result_with_the_next_cursor(self, world: World, era: str) -> None:
        said = {"type": "assistant_message", "content": "Working on it.", "is_final": False}
        task_id = world.simulator.add_task(ORG, status="running", events=[("agentResponse", said)])
        async with world.host(mode=era, wait_seconds=0.05) as host:
            first = await host.wait(task_id)
            second = await host.wait(task_id, first["cursor"])
        assert first["matched"] is second["matched"] is False
        assert first["events"] == ["neo: Working on it."]
        assert second["events"] == []
        assert "wait_for_events again" in second["next"]

    async def test_a_history_that_is_not_read_in_time_gives_nothing_and_loses_nothing(
        self, world: World
    ) -> None:
        async with world.host() as host:
            task_id, cursor = await host.create("hello")
            await world.simulator.wait_idle(ORG, task_id)
            world.simulator.faults.add(Fault("latency", path="/events", seconds=0.3, times=1))
            early = await host.wait(task_id, cursor, timeout_seconds=0.05)
            assert (early["events"], early["cursor"]) == ([], cursor)
            waited = await host.wait(task_id, early["cursor"])
        assert waited["needs"][0]["kind"] == "turn_ended"


class TestCursors:
    async def test_a_cursor_of_another_task_is_refused(self, world: World) -> None:
        async with world.host() as host:
            one, cursor = await host.create("hello")
            other, _ = await host.create("hello")
            cursor = (await host.wait(one, cursor))["cursor"]
            text = await host.refused("wait_for_events", task_id=other, cursor=cursor)
        assert "another task" in text
        assert "Leave the cursor out" in text

    async def test_an_event_that_is_not_there_any_more_gives_all_with_a_note(self, world: World) -> None:
        async with world.host() as host:
            task_id, cursor = await host.create("hello")
            everything = await host.wait(task_id, cursor)
            waited = await host.wait(task_id, encode_cursor(ORG, task_id, "gone"))
        assert waited["events"] == everything["events"]
        assert "from the start" in waited["note"]
        assert waited["cursor"] == everything["cursor"]

    async def test_a_cursor_outlives_the_server(self, world: World) -> None:
        async with world.host() as host:
            task_id, cursor = await host.create("hello")
            cursor = (await host.wait(task_id, cursor))["cursor"]
        async with world.host() as host:
            waited = await host.wait(task_id, cursor, until="attention", timeout_seconds=0.05)
        assert waited["matched"] is False
        assert waited["events"] == []
        (need,) = waited["needs"]
        assert (need["kind"], need["reported"]) == ("turn_ended", True)
        assert "Neo has stopped" in waited["next"]


class TestNothingIsLostOrDoubled:
    @pytest.mark.parametrize(
        "scenario",
        some(["everything", "public-bucket", "local-tools", "policy-fix", "failing-deploy"], every=4),
    )
    async def test_between_waits(self, slow_world: World, scenario: str) -> None:
        async with slow_world.host() as host:
            task_id, cursor = await host.create(scenario)
            lines = await lines_until_over(host, task_id, cursor)
        self.check(lines, await all_lines(slow_world, task_id))

    async def test_when_streams_are_dropped_again_and_again(self, slow_world: World) -> None:
        async with slow_world.host() as host, anyio.create_task_group() as group:
            task_id, cursor = await host.create("multi-stack-upgrade")

            async def drop() -> None:
                while True:
                    await until(lambda: slow_world.simulator.open_streams)
                    await slow_world.simulator.drop_streams()

            group.start_soon(drop)
            lines = await lines_until_over(host, task_id, cursor)
            group.cancel_scope.cancel()
        self.check(lines, await all_lines(slow_world, task_id))

    @pytest.mark.parametrize("kind", [long("duplicate"), "replay"])
    async def test_when_the_server_repeats_itself(self, slow_world: World, kind: str) -> None:
        faults = slow_world.simulator.faults
        faults.add(Fault(kind, path=STREAM, times=0))
        faults.add(Fault("cut", path=STREAM, after_events=4, times=3))
        async with slow_world.host() as host:
            task_id, cursor = await host.create("question")
            lines = await lines_until_over(host, task_id, cursor)
        self.check(lines, await all_lines(slow_world, task_id))

    @staticmethod
    def check(lines: list[str], expected: list[str]) -> None:
        # The words that ended the turn are told with what is needed, not once more as an event.
        *told, outcome = lines
        if f"error: {outcome}" in expected:
            assert told == expected
        else:
            assert [*told, f"neo (final): {outcome.strip()}".replace("\n", "\n  ")] == expected


class TestProgress:
    async def test_a_wait_that_is_over_at_once_tells_too(self, world: World, era: str) -> None:
        seen: list[tuple[float, float | None, str | None]] = []

        async def note(progress: float, total: float | None, message: str | None) -> None:
            seen.append((progress, total, message))

        async with world.host(mode=era) as host:
            task_id, cursor = await host.create("hello")
            await host.wait(task_id, cursor)
            await host.call("wait_for_events", note, task_id=task_id)
        assert seen

    async def test_it_only_ever_rises_and_says_what_neo_does(self, slow_world: World, era: str) -> None:
        seen: list[tuple[float, str | None]] = []

        async def note(progress: float, total: float | None, message: str | None) -> None:
            assert total is None
            seen.append((progress, message))

        async with slow_world.host(mode=era) as host:
            task_id, cursor = await host.create("long-run")
            await host.call("wait_for_events", note, task_id=task_id, cursor=cursor, until="turn_end")
        values = [value for value, _ in seen]
        assert values == sorted(set(values))
        assert any("Refreshing" in (message or "") for _, message in seen)
        assert all(message for _, message in seen)


class TestSharing:
    async def test_many_waiters_share_one_stream_which_closes_after_them(
        self, world: World, hubs: list[Hub]
    ) -> None:
        task_id = world.simulator.add_task(ORG, status="running")
        found: list[list[str]] = []
        async with world.host() as host:

            async def one() -> None:
                found.append((await host.wait(task_id, until="turn_end"))["needs"])

            async with anyio.create_task_group() as group:
                for _ in range(20):
                    group.start_soon(one)
                await until(lambda: hubs and users(hubs[0]) == 20 and world.simulator.open_streams)
                assert world.simulator.open_streams == 1
                end = {"type": "assistant_message", "content": "Done.", "is_final": True}
                world.simulator.append_event(ORG, task_id, end, kind="agentResponse")
            assert len(found) == 20
            assert users(hubs[0]) == 0
            await until(lambda: world.simulator.open_streams == 0)
            assert hubs[0]._followed == {}

    async def test_a_cancelled_call_frees_its_waiter(self, world: World, era: str, hubs: list[Hub]) -> None:
        task_id = world.simulator.add_task(ORG, status="running")
        async with world.host(mode=era) as host:
            async with anyio.create_task_group() as group:
                group.start_soon(host.raw, "wait_for_events", {"task_id": task_id})
                await until(lambda: hubs and users(hubs[0]) == 1 and world.simulator.open_streams)
                group.cancel_scope.cancel()
            await until(lambda: users(hubs[0]) == 0 and world.simulator.open_streams == 0)
            # The server lives.
            await host.call("list_tasks")

    async def test_the_end_of_a_connection_frees_its_waiters(
        self, world: World, era: str, hubs: list[Hub]
    ) -> None:
        task_id = world.simulator.add_task(ORG, status="running")
        async with anyio.create_task_group() as group:

            async def wait_for_ever() -> None:
                async with world.connected(NeoServer(world.settings()), mode=era) as host:
                    await host.raw("wait_for_events", {"task_id": task_id})

            group.start_soon(wait_for_ever)
            await until(lambda: hubs and users(hubs[0]) == 1 and world.simulator.open_streams)
            group.cancel_scope.cancel()
        assert users(hubs[0]) == 0
        await until(lambda: world.simulator.open_streams == 0)


class TestFailures:
    async def test_a_token_that_is_refused_later_is_told_to_every_waiter_and_the_next_wait_starts_afresh(
        self, world: World, hubs: list[Hub]
    ) -> None:
        task_id = world.simulator.add_task(ORG, status="running")
        texts: list[str] = []
        async with world.host() as host:

            async def one() -> None:
                texts.append(await host.refused("wait_for_events", task_id=task_id))

            async with anyio.create_task_group() as group:
                for _ in range(3):
                    group.start_soon(one)
                await until(lambda: hubs and users(hubs[0]) == 3 and world.simulator.open_streams)
                world.simulator.faults.add(Fault("status", status=401, path=STREAM, times=0))
                await world.simulator.drop_streams()
            assert len(texts) == 3
            assert all("HTTP 401" in text for text in texts)
            world.simulator.faults.clear()
            waited = await host.wait(task_id, timeout_seconds=0.05)
        assert waited["matched"] is False

    async def test_a_task_that_is_not_there_fails_the_wait(self, world: World, era: str) -> None:
        async with world.host(mode=era) as host:
            for _ in range(2):
                text = await host.refused("wait_for_events", task_id="no-such-task")
                assert "HTTP 404" in text

    async def test_something_unforeseen_fails_the_wait_and_not_the_server(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def break_down(*_: object) -> None:
            raise RuntimeError("secret detail")

        async with world.host() as host:
            task_id, _ = await host.create("hello")
            with monkeypatch.context() as patch:
                patch.setattr("neo_mcp.watch.log.EventLog.extend", break_down)
                text = await host.refused("wait_for_events", task_id=task_id)
            assert "secret detail" not in text
            waited = await host.wait(task_id)
        assert waited["needs"][0]["kind"] == "turn_ended"


class TestStreamsThatEnd:
    async def test_a_message_to_an_idle_task_opens_its_ended_stream_at_once(
        self, world: World, era: str
    ) -> None:
        async with world.host(mode=era) as host:
            task_id, cursor = await host.create("hello")
            await world.simulator.wait_idle(ORG, task_id)
            world.simulator.faults.add(Fault("clean_end", path=STREAM, after_events=0, times=2))
            waited = await host.wait(task_id, cursor)
            await until(lambda: sum(r.path.endswith(STREAM) for r in world.simulator.requests) >= 2)
            await host.call("respond", task_id=task_id, action="message", text="Once more")
            after = await host.wait(task_id, waited["cursor"])
        assert "Once more" in after["needs"][0]["message"]

    async def test_a_clean_end_while_neo_works_is_resumed(self, slow_world: World) -> None:
        slow_world.simulator.faults.add(Fault("clean_end", path=STREAM, after_events=3, times=4))
        async with slow_world.host() as host:
            task_id, cursor = await host.create("question")
            waited = await host.wait(task_id, cursor)
        assert waited["needs"][0]["kind"] == "question"

    async def test_a_turn_that_stopped_without_a_word_is_over(self, world: World) -> None:
        said = {"type": "assistant_message", "content": "I begin.", "is_final": False}
        task_id = world.simulator.add_task(ORG, events=[("agentResponse", said)])
        world.simulator.faults.add(Fault("clean_end", path=STREAM, after_events=0, times=0))
        async with world.host() as host:
            waited = await host.wait(task_id)
        (need,) = waited["needs"]
        assert (need["kind"], need["message"]) == ("stalled", "I begin.")
        assert '"message"' in need["reply"]
        assert waited["events"] == []
